"""A mail as bytes: 7-bit ASCII, CRLF, composed from a message; nothing a person wrote can become a header of its own.

The headers are written here and not by ``email.policy.SMTP``: that one loses spaces between words of a long Cyrillic
subject and makes encoded words of a long List-Unsubscribe (seen with CPython 3.11). The body is the standard library's.

Addresses: ASCII before the @, any domain (IDN goes as punycode). A letter that is not ASCII before the @, or a domain
label of two alphabets, is refused: at a reception desk that is a slip of the keyboard layout, hardly ever an SMTPUTF8
mailbox.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import idna

from identsync.integrations.messaging.message import Attachment, Kind, Message

BODY = SMTP.clone(cte_type="7bit")
TOKEN = re.compile(r"[0-9a-f]{32}")
LONGEST_ADDRESS, LONGEST_LOCAL = 254, 64
LONGEST_LINK = 900  # a header line holds 998 octets
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ]{0,60}[A-Za-z0-9])?")
_PLAIN_SUBJECT = re.compile(r"[!-~](?:[ -~]{0,800}[!-~])?")
_LINK = re.compile(r"(?:https://|mailto:)[!-;=?-~]+", re.IGNORECASE)  # no space, no angle bracket, ASCII
_MEDIA = re.compile(r"(?!multipart/|message/)([a-z0-9][a-z0-9.+-]*)/([a-z0-9][a-z0-9.+-]*)", re.IGNORECASE)


def _(text: str) -> str:
    return text


class Unfit(ValueError):
    """A message that cannot become a mail; the text is a message key."""


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What is the same on every mail of a channel: the sender, its name, where answers go, where people opt out."""

    sender: str
    name: str = ""
    reply_to: str = ""
    unsubscribe: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail ready to go: envelope (ASCII), our token, the whole mail as it is transmitted (without dot-stuffing)."""

    sender: str
    to: str
    token: str
    raw: bytes


def address(text: str) -> str:
    """Return the address as on the wire (ASCII, the domain in punycode and lower case); Unfit says why not."""
    local, at, domain = text.strip().rpartition("@")
    if not at or not domain or not local:
        raise Unfit(_("это не адрес почты"))
    if not local.isascii():
        raise Unfit(_("в адресе до @ буква не из латиницы"))
    wire = f"{local}@{_ascii(domain)}"
    if not _LOCAL.fullmatch(local) or len(local) > LONGEST_LOCAL or len(wire) > LONGEST_ADDRESS:
        raise Unfit(_("это не адрес почты"))
    return wire


def _ascii(domain: str) -> str:
    if any(_mixed(label) for label in domain.split(".")):
        raise Unfit(_("в адресе смешаны латинские и другие буквы"))
    try:
        wire = domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except UnicodeError:
        raise Unfit(_("это не адрес почты")) from None
    if not _DOMAIN.fullmatch(wire):
        raise Unfit(_("это не адрес почты"))
    return wire


def _mixed(label: str) -> bool:
    letters = [letter for letter in label if letter.isalpha()]
    return len({letter.isascii() for letter in letters}) > 1


def message_id(token: str, sender: str) -> str:
    """Return the Message-ID of a token: ``<token@domain of the sender>``."""
    if not TOKEN.fullmatch(token):
        raise ValueError("a token is 32 lower hex digits")
    return f"<{token}@{address(sender).rpartition('@')[2]}>"


def compose(message: Message, head: Letterhead, at: datetime) -> Mail:
    """Compose the mail of a message, dated ``at`` (aware): the same arguments give the same bytes; Unfit."""
    sender, to = address(message.sender or head.sender), address(message.to)
    headers = [
        ("Message-ID", message_id(message.token, head.sender)),
        ("Date", format_datetime(at.astimezone(UTC))),
        ("From", _mailbox(head.name, sender)),
        ("To", _mailbox(message.name, to)),
        *([("Reply-To", address(head.reply_to))] if head.reply_to else []),
        ("Subject", _subject(message.subject)),
        *_unsubscribe(message, head),
        *([("Auto-Submitted", "auto-generated")] if message.kind is Kind.SERVICE else []),
    ]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return Mail(sender, to, message.token, lines.encode("ascii") + _body(message))


def plain(text: str) -> str:
    """Return the text as one line: every control character and line end is a space, halves of an emoji a mark."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return " ".join(
        "".join(" " if unicodedata.category(each) in {"Cc", "Zl", "Zp"} else each for each in whole).split()
    )


def _mailbox(name: str, wire: str) -> str:
    name = plain(name)
    if not name:
        return wire
    return f"{name if _PLAIN_NAME.fullmatch(name) else _words(name)}\r\n <{wire}>"


def _subject(text: str) -> str:
    text = plain(text)
    return text if "=?" not in text and _PLAIN_SUBJECT.fullmatch(text) and len(text) < 60 else _words(text)


def _words(text: str) -> str:
    """Return RFC 2047 words on lines of their own, cut between characters."""
    return Header(text, "utf-8", maxlinelen=75, header_name="Subject").encode(linesep="\r\n") if text else ""


def _unsubscribe(message: Message, head: Letterhead) -> list[tuple[str, str]]:
    """Say where to opt out; one click (RFC 8058) only where the link is this message's own: a POST must tell who it is.

    A bare mailto of the channel asks for a subject with the token, so that the answer tells whose it is.
    """
    link = message.unsubscribe or head.unsubscribe
    if not link:
        return []
    if not _LINK.fullmatch(link) or len(link) > LONGEST_LINK:
        raise Unfit(_("адрес отписки записан неверно"))
    if link.lower().startswith("https:"):
        click = [("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")] if message.unsubscribe else []
        return [("List-Unsubscribe", f"<{link}>"), *click]
    return [("List-Unsubscribe", f"<{link}>" if "?" in link else f"<{link}?subject=unsubscribe%20{message.token}>")]


def _body(message: Message) -> bytes:
    content = EmailMessage(BODY)
    content.set_content(_paragraphs(message.text), charset="utf-8")
    if message.html:
        content.add_alternative(_paragraphs(message.html), subtype="html", charset="utf-8")
    for attachment in message.attachments:
        _attach(content, attachment)
    for number, part in enumerate(content.walk()):
        if part is not content:
            del part["MIME-Version"]
        if part.is_multipart():  # the same bytes each time; a token is in no text
            part.set_boundary(f"=_{message.token}_{number}")
    return content.as_bytes()


def _paragraphs(text: str) -> str:
    """Return a text that may be encoded: line ends as one kind, no NUL, no half of an emoji."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def _attach(content: EmailMessage, attachment: Attachment) -> None:
    media = _MEDIA.fullmatch(attachment.media_type)
    main, sub = media.groups() if media else ("application", "octet-stream")
    content.add_attachment(attachment.content, maintype=main, subtype=sub, filename=file_name(attachment.name))


def file_name(name: str) -> str:
    """Return a name under which a file may be saved: no folders, no control or direction marks; 'file' for nothing."""
    last = re.split(r"[/\\]", plain(name))[-1]
    return "".join(each for each in last if unicodedata.category(each) != "Cf").strip(" .")[:150] or "file"
