"""JSON as other people's programs write it, and as they can read it."""

import json
from typing import Any

import orjson

from identsync.store.texts import printable

BOM = b"\xef\xbb\xbf"


def loads(body: bytes) -> Any:
    """Return the value of JSON; ValueError where it is none.

    What orjson refuses is read once more without half an emoji or a byte of another code page: one bad row must not
    cost the page it stands on.
    """
    body = body.removeprefix(BOM)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return _whole(json.loads(body.decode("utf-8", "replace"), parse_constant=_no_number))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def dumps(value: object) -> bytes:
    """Return JSON of texts, numbers, lists and mappings, whatever is in them: half an emoji becomes a question mark."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _whole(value: Any) -> Any:
    """Return a value all of whose texts can be encoded."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {printable(name): _whole(each) for name, each in value.items()}
    return value


def _no_number(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are no JSON
