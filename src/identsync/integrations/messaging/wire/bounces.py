"""What a mail in our mailbox says of a mail of ours: it bounced, somebody answered, or nothing.

- *Bounce*: a mail server's report that flufl.bounce reads as a final failure, of a mail whose Message-ID (in the
  returned headers), envelope id or, where nothing was returned, text names our token. "Delayed" is no failure.
- *Answer*: any other mail that refers to our Message-ID, or whose subject has the token of our opt-out link.
- A server's report on our mail that nobody can read is an answer too: a person looks at it, it is not dropped.
- Automatic replies (vacation) are neither. Our own mails in the mailbox are neither.
"""

import hashlib
import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message as Parsed
from email.policy import default
from email.utils import parseaddr
from html.parser import HTMLParser

from flufl.bounce import all_failures

from identsync.flows.sending import Fate, Receipt
from identsync.integrations.messaging.message import Reply
from identsync.integrations.messaging.wire.mail import TOKEN, address
from identsync.integrations.messaging.wire.mail_answer import cause as words
from identsync.integrations.messaging.wire.mail_answer import enhanced, masked

LONGEST_TEXT = 4_000
RETURNED = {"message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global"}
READ = 65_536  # characters of a part that are looked at
_DAEMON = re.compile(r"^(mailer-daemon|postmaster|mail-daemon|mdaemon|double-bounce)@", re.IGNORECASE)
_AUTO = ("x-autoreply", "x-autorespond")
_OPT_OUT = re.compile(rf"unsubscribe[ _+]({TOKEN.pattern})\b", re.IGNORECASE)
_ENVELOPE_ID = re.compile(rf"^Original-Envelope-Id:\s*({TOKEN.pattern})\s*$", re.IGNORECASE | re.MULTILINE)
_QUOTE = re.compile(r"^\s*>|^-{2,}\s*(исходное|original|пересылаемое|forwarded)", re.IGNORECASE)
_WROTE = re.compile(r"(писал\(?а?\)?|пишет|написал\(?а?\)?|wrote)\s*:?\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Ours:
    """How our mails are told: the domain of their Message-IDs, the address they come from."""

    sender: str

    @property
    def domain(self) -> str:
        """The part after the @, as ``mail.message_id`` writes it."""
        return address(self.sender).rpartition("@")[2]

    def tokens(self, text: str) -> list[str]:
        """Return the tokens of our Message-IDs in a text, in its order."""
        return re.findall(rf"<({TOKEN.pattern})@{re.escape(self.domain)}>", text)


def may_concern(headers: bytes, ours: Ours) -> bool:
    """Tell by the headers alone whether a mail is worth fetching: a report, or one that names a mail of ours."""
    parsed = message_from_bytes(headers)
    return _of_server(parsed) or bool(_referred(parsed, ours) or _OPT_OUT.search(_head(parsed, "subject")))


def judge(raw: bytes, at_ms: int, ours: Ours) -> Receipt | Reply | None:
    """Return what a mail (perhaps cut off) says of ours; ``at_ms``: when it came, epoch ms UTC."""
    parsed = message_from_bytes(raw)
    if parseaddr(_head(parsed, "from"))[1].lower() == ours.sender.lower():
        return None
    if _of_server(parsed):
        return _report(parsed, raw, at_ms, ours)
    if _automatic(parsed):
        return None
    if opt_out := _OPT_OUT.search(_head(parsed, "subject")):
        return _reply(parsed, raw, at_ms, "unsubscribe", opt_out[1].lower())
    if tokens := _referred(parsed, ours):
        return _reply(parsed, raw, at_ms, _answer(parsed), tokens[0])
    return None


def _report(parsed: Parsed, raw: bytes, at_ms: int, ours: Ours) -> Receipt | Reply | None:
    token = _bounced(parsed, ours)
    if token is None:
        return None
    delayed, failed = all_failures(parsed)
    said = _said(parsed)
    if failed:
        return Receipt(Fate.FAILED, token=token, at_ms=at_ms, reason=words(said, _code(said)), answer=masked(said))
    if delayed or _harmless(parsed):
        return None
    return _reply(parsed, raw, at_ms, said or _answer(parsed), token)


def _of_server(parsed: Parsed) -> bool:
    report = parsed.get_content_type() == "multipart/report" and "disposition" not in _head(parsed, "content-type")
    sender = parseaddr(_head(parsed, "from"))[1]
    empty = parsed["return-path"] is not None and _head(parsed, "return-path").strip() == "<>"
    daemon = bool(sender and _DAEMON.match(sender)) or "x-failed-recipients" in parsed
    return report or daemon or (empty and not _automatic(parsed))


def _automatic(parsed: Parsed) -> bool:
    auto = _head(parsed, "auto-submitted").strip().lower()
    bulk = _head(parsed, "precedence").strip().lower() in {"auto_reply", "auto-reply", "bulk", "junk"}
    read = "disposition-notification" in _head(parsed, "content-type").lower()
    return bool(auto and not auto.startswith("no")) or bulk or any(name in parsed for name in _AUTO) or read


def _harmless(parsed: Parsed) -> bool:
    """Tell whether a report speaks of nothing but success or delay."""
    actions = {_head(block, "action").strip().lower().split(" ")[0] for block in _blocks(parsed)} - {""}
    return bool(actions) and actions <= {"delivered", "relayed", "expanded", "delayed"}


def _bounced(parsed: Parsed, ours: Ours) -> str | None:
    """Return the token of the mail a report is about: what was returned decides, if anything was."""
    returned = [_returned(part) for part in parsed.walk() if _is_returned(part)]
    if returned:
        named = [_head(part, "message-id") for part in returned]
        return next(iter(ours.tokens(" ".join(named))), None)
    texts = [_text(part) for part in parsed.walk() if not part.is_multipart()]
    ids = [match[1] for block in _blocks(parsed) if (match := _ENVELOPE_ID.search(block.as_string()))]
    lines = re.findall(r"(?im)^[ \t>]*message-id:\s*(<[^>\s]+>)", "\n".join(texts))
    return next(iter([*ids, *ours.tokens(" ".join([*lines, *_referrals(parsed)]))]), None)


def _is_returned(part: Parsed) -> bool:
    return part.get_content_type() in RETURNED


def _returned(part: Parsed) -> Parsed:
    payload = part.get_payload()
    if isinstance(payload, list) and payload and isinstance(payload[0], Parsed):
        return payload[0]
    return message_from_bytes(_bytes(part).lstrip())


def _blocks(parsed: Parsed) -> list[Parsed]:
    """Return the header blocks of a delivery status (RFC 3464)."""
    found: list[Parsed] = []
    for part in parsed.walk():
        payload = part.get_payload() if part.get_content_type() == "message/delivery-status" else None
        if isinstance(payload, list):
            found += [block for block in payload if isinstance(block, Parsed)]
    return found


def _said(parsed: Parsed) -> str:
    """Return the server's own words: diagnostic and status, with its text before them where that tells more."""
    coded = " ".join(_head(block, name) for block in _blocks(parsed) for name in ("diagnostic-code", "status"))
    prose = ""
    for part in parsed.walk():
        if _is_returned(part):
            break
        if part.get_content_type() == "text/plain":
            prose = _text(part)
            break
    detail = enhanced(coded)
    telling = coded.strip() and detail and detail[1] != 0 and "diagnostic-code" in _names(parsed)
    return " ".join((coded if telling else f"{prose[:1500]} {coded}").split())


def _names(parsed: Parsed) -> set[str]:
    return {name.lower() for block in _blocks(parsed) for name in block}


def _code(said: str) -> int:
    match = re.search(r"(?<![\d.-])(5\d\d)(?![\d.])", said)
    return int(match[1]) if match else 0


def _referrals(parsed: Parsed) -> list[str]:
    return [_head(parsed, "in-reply-to"), _head(parsed, "references")]


def _referred(parsed: Parsed, ours: Ours) -> list[str]:
    return ours.tokens(" ".join(_referrals(parsed)))


def _reply(parsed: Parsed, raw: bytes, at_ms: int, text: str, token: str) -> Reply:
    """Make the reply; its key is a digest of its Message-ID: the same after the mailbox was rebuilt (UIDVALIDITY)."""
    name = _head(parsed, "message-id").strip().encode("utf-8", "replace") or raw[:2048]
    sender = parseaddr(_head(parsed, "from"))[1]
    return Reply(hashlib.sha256(name).hexdigest()[:32], sender, text[:LONGEST_TEXT], at_ms, token)


def _answer(parsed: Parsed) -> str:
    """Return what a person wrote, without the quoted mail below."""
    texts = {part.get_content_type(): part for part in reversed(list(parsed.walk())) if not part.get_filename()}
    if plain := texts.get("text/plain"):
        return _unquoted(_text(plain))
    page = texts.get("text/html")
    return _unquoted(_of_page(_text(page))) if page else ""


def _unquoted(text: str) -> str:
    kept: list[str] = []
    for line in text.splitlines():
        if _QUOTE.search(line) or _WROTE.search(line):
            break
        kept.append(line.rstrip())
    return "\n".join(kept).strip() or text.strip()


class _Page(HTMLParser):
    """The text of a page; what is quoted, styled or scripted is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._hidden += tag in {"blockquote", "style", "script", "title"}
        self.text.append("\n" if tag in {"br", "p", "div", "tr"} else "")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"blockquote", "style", "script", "title"} and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text.append(data)


def _of_page(page: str) -> str:
    reader = _Page()
    reader.feed(page)
    reader.close()
    return re.sub(r"[ \t\xa0]+", " ", "".join(reader.text))


def _text(part: Parsed) -> str:
    whole = _bytes(part)[: READ * 4]
    try:
        return whole.decode(part.get_content_charset("utf-8"), "replace")[:READ]
    except (LookupError, UnicodeError):
        return whole.decode("utf-8", "replace")[:READ]


def _bytes(part: Parsed) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _head(parsed: Parsed, name: str) -> str:
    """Return a header as text on one line, '' where it is missing; whatever is in it."""
    value = parsed.get(name)
    if value is None:
        return ""
    try:
        return " ".join(str(default.header_factory("subject", str(value))).split()) if name == "subject" else str(value)
    except (ValueError, IndexError, AttributeError):  # headers from outside have broken that parser before
        return str(value)
