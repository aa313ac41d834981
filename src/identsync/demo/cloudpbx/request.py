"""A request as a provider's file reads it, and what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from identsync.demo.cloudpbx.desk import Desk, Fault

WAV = "audio/wav"


class Bad(Exception):
    """A request no server can read: 400."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: header names are small letters; ``fault`` = the ``refuse`` that a test wants, or None."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    parts: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None

    @property
    def path(self) -> str:
        """The path without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the address; of several of one name the last."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def form(self) -> dict[str, str]:
        """Return a form's fields; Bad where it is none."""
        if not self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            raise Bad("not a form")
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    def json(self) -> dict[str, Any]:
        """Return an object; Bad where it is none."""
        if not self.headers.get("content-type", "").lower().startswith("application/json"):
            raise Bad("not JSON")
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            raise Bad("not an object")
        return value


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: ``payload`` is bytes as they stand, or JSON."""

    status: int = 200
    payload: Any = None
    media: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        """The bytes of the body."""
        return self.payload if isinstance(self.payload, bytes) else orjson.dumps(self.payload)


Route = Callable[[Desk, Asked], Told]


def words(status: int, text: str) -> Told:
    """Return plain text for people."""
    return Told(status, text.encode(), "text/plain; charset=utf-8")
