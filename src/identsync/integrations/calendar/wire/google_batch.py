"""Several GETs in one request: multipart/mixed of application/http (source: Google's "Send batch requests").

Each part counts as a request against the quota: a batch saves connections, nothing else.
"""

from collections.abc import Sequence
from email import message_from_bytes
from email.message import Message

from identsync.errors import Unexpected
from identsync.flows.answer import Reply
from identsync.language import _

_BOUNDARY = "identsync-batch"
CONTENT_TYPE = f"multipart/mixed; boundary={_BOUNDARY}"


def packed(targets: Sequence[str]) -> bytes:
    """Return the body of a batch that asks for these paths with their queries, numbered from 0."""
    parts = [
        f"--{_BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n"
        f"GET {target} HTTP/1.1\r\n\r\n"
        for number, target in enumerate(targets)
    ]
    return ("\r\n".join(parts) + f"\r\n--{_BOUNDARY}--\r\n").encode("ascii")


def unpacked(reply: Reply, count: int) -> list[Reply]:
    """Return the answers in the order of the questions; Unexpected where one of ``count`` is missing or twice there."""
    head = f"Content-Type: {reply.headers.get('content-type', '')}\r\n\r\n".encode("latin-1", "replace")
    whole = message_from_bytes(head + reply.body)
    parts = whole.get_payload()
    if not isinstance(parts, list) or len(parts) != count:
        raise _broken()
    answers: dict[int, Reply] = {}
    for place, part in enumerate(parts):
        if isinstance(part, Message):
            answers[_number(part, place)] = _answer(part)
    if sorted(answers) != list(range(count)):
        raise _broken()
    return [answers[number] for number in range(count)]


def _number(part: Message, place: int) -> int:
    """The question a part answers: by Content-ID, ``<response-3>``; by its place where there is none."""
    told = str(part.get("Content-ID", "")).strip("<> ").rpartition("response-")[2]
    return int(told) if told.isascii() and told.isdigit() else place


def _answer(part: Message) -> Reply:
    content = part.get_payload(decode=True)
    head, _gap, body = content.partition(b"\r\n\r\n") if isinstance(content, bytes) else (b"", b"", b"")
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ", 2)
    if len(words) < 2 or not words[1].isascii() or not words[1].isdigit():
        raise _broken()
    headers = {
        name.strip().lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines[1:])
    }
    return Reply(int(words[1]), headers, body.strip())


def _broken() -> Unexpected:
    return Unexpected(_("ответ Google на пакет запросов неполон"))
