"""The stand-in's back door: what was taken, how it shall behave."""

from dataclasses import asdict
from typing import Any

import msgspec
import orjson

from identsync.demo import serving
from identsync.demo.n3.desk import Desk, Fault
from identsync.demo.n3.types import EDITIONS

OPTIONS = ("edition", "version", "single", "again")


def done(desk: Desk, what: str, body: bytes) -> Any:
    """Do what the door is asked; KeyError for what it does not know."""
    match what:
        case "GET books":
            return desk.books_told()
        case "GET patients":
            return [asdict(each) for each in desk.patients.values()]
        case "GET cases":
            return [asdict(each) for each in desk.cases.values()]
        case "GET documents":
            return [asdict(each) for each in desk.documents.values()]
        case "GET requests":
            return desk.requests
        case "POST faults":
            desk.faults.add(msgspec.json.decode(body, type=Fault))
        case "DELETE faults":
            desk.faults.clear()
        case "DELETE all":
            desk.clear()
        case "POST options":
            _change(desk, body)
        case "POST codes":
            for name, codes in orjson.loads(body).items():
                desk.books[name] = desk.books[name][0], set(codes)
        case _:
            raise KeyError(what)
    return None


def _change(desk: Desk, body: bytes) -> None:
    if orjson.loads(body).get("edition", desk.edition) not in EDITIONS:
        raise KeyError("edition")
    serving.change(desk, body, OPTIONS)
