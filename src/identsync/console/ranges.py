"""Parts of an answer, so that a player can move its position: one range a request (RFC 9110, section 14)."""

import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from identsync.engine.integration import Answer

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
FAR = 19  # digits of a position: longer ones are no positions


def part(header: str, size: int) -> tuple[int, int] | None:
    """Return first byte and the one behind the last of a Range header for ``size`` bytes; None = the whole is meant.

    Raises ValueError where nothing of the range is there. Several ranges and other units are answered with the whole.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]) or max(map(len, found.groups())) > FAR:
        return None
    if not found[1]:
        first, behind = max(size - int(found[2]), 0), size
    else:
        first, behind = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
        if found[2] and int(found[2]) < first:
            return None
    if first >= behind:
        raise ValueError(header)
    return first, behind


def answered(request: Request, answer: Answer) -> Response:
    """Answer with the whole, the asked part, or 416; ``If-Range`` of older bytes gets the whole."""
    size = len(answer.body)
    headers = {"accept-ranges": "bytes"} | _tag(answer)
    try:
        asked = part(request.headers.get("range", ""), size) if _same(request.headers, headers) else None
    except ValueError:
        return Response(status_code=416, headers=headers | {"content-range": f"bytes */{size}"})
    if asked is None:
        return Response(answer.body, 200, headers, answer.media_type)
    first, behind = asked
    headers["content-range"] = f"bytes {first}-{behind - 1}/{size}"
    return Response(answer.body[first:behind], 206, headers, answer.media_type)


def _tag(answer: Answer) -> dict[str, str]:
    return {"etag": f'"{answer.tag}"'} if answer.tag else {}


def _same(asked: Mapping[str, str], headers: Mapping[str, str]) -> bool:
    """Tell whether a part may be added to what the browser has."""
    known = asked.get("if-range")
    return known is None or known == headers.get("etag")
