"""The mailbox that bounces and answers come to, by IMAP: looked through by UID, nothing deleted, nothing made "read".

Which mails were looked at is kept in the mailbox itself: they get the keyword ``$identsync``, after what they say was
written down. So there is no cursor that a rebuilt mailbox (UIDVALIDITY) could break, and any client may look next.
Where the server keeps no keywords, this process remembers (UIDVALIDITY, UID); another client reads the mails once more,
which changes nothing: a receipt never takes back an end, and a reply's key comes from its Message-ID.

Only the inbox, only mails of the last DAYS days, at most MOST a time, oldest first. Of most mails only the headers are
read.
"""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from identsync import errors
from identsync.flows.sending import Receipt
from identsync.integrations.messaging.message import Keep, Replies, Reply
from identsync.integrations.messaging.wire.bounces import Ours, judge, may_concern
from identsync.integrations.messaging.wire.mail_answer import masked
from identsync.language import _

DAYS = 14
MOST = 500
CHUNK = 50
CUT = 262_144  # bytes of a mail that are read: reports put the cause first
KEYWORD = b"$identsync"
HEADERS = b"BODY.PEEK[HEADER]"
_remembered: dict[tuple[str, str, int], set[int]] = {}  # of servers without keywords


@dataclass(frozen=True, slots=True)
class Place:
    """Where the mailbox is and how to get in; ``sender``: the address our mails come from."""

    host: str
    port: int
    tls: str  # on, start, off
    user: str
    password: str
    timeout_s: float
    context: ssl.SSLContext | None
    sender: str

    def words(self, text: str) -> str:
        """Return a sentence with the server before it."""
        return f"IMAP {self.host}:{self.port}: {text}"


@dataclass(frozen=True, slots=True)
class Found:
    """One mail that may concern us: its beginning, when it came (epoch ms UTC)."""

    raw: bytes
    at_ms: int


def crypt(tls: str, port: int) -> str:
    """Return how an IMAP port is encrypted where SMTP is as ``tls``: 993 always at once, 143 never at once."""
    if port == 993:
        return "on"
    return "start" if port == 143 and tls == "on" else tls


async def read(place: Place, keep: Keep, replies: Replies) -> None:
    """Look through the new mails once; they are marked only after ``keep`` and ``replies`` have returned."""
    box = Mailbox(place)
    try:
        await asyncio.to_thread(box.enter)
        for uids in _chunks(await asyncio.to_thread(box.new)):
            receipts, answers = _judged(await asyncio.to_thread(box.fetch, uids), place)
            if receipts:
                await keep(receipts)
            if answers:
                await replies(answers)
            await asyncio.to_thread(box.mark, uids)
        await asyncio.to_thread(box.leave)
    finally:
        box.drop()


async def probe(place: Place) -> None:
    """Log in and out; raises what ``read`` would."""
    box = Mailbox(place)
    try:
        await asyncio.to_thread(box.enter)
        await asyncio.to_thread(box.leave)
    finally:
        box.drop()


def _judged(found: Iterable[Found], place: Place) -> tuple[list[Receipt], list[Reply]]:
    said = [judge(each.raw, each.at_ms, Ours(place.sender)) for each in found]
    return [each for each in said if isinstance(each, Receipt)], [each for each in said if isinstance(each, Reply)]


def _chunks(uids: Sequence[int]) -> list[Sequence[int]]:
    return [uids[start : start + CHUNK] for start in range(0, len(uids), CHUNK)]


class Mailbox:
    """A connection; every method blocks and belongs into a thread, except ``drop``."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._client: Any = None  # IMAPClient has no types
        self._keywords = False
        self._memory: set[int] = set()

    def enter(self) -> None:
        """Connect, log in, open the inbox; raises Refused for a wrong password, Unavailable(sent=False) otherwise."""
        place = self._place
        try:
            self._client = IMAPClient(
                place.host, place.port, ssl=place.tls == "on", ssl_context=place.context, timeout=place.timeout_s
            )
            if place.tls == "start":
                self._client.starttls(place.context)
            self._client.login(place.user, place.password)
            self._open()
        except LoginError as error:
            hint = _("Проверьте логин и пароль; многим почтовым службам нужен отдельный пароль для программ.")
            words = place.words(_("логин или пароль не подошли"))
            raise errors.Refused(words, hint=hint, raw=masked(str(error))) from None
        except (IMAPClientError, OSError, ValueError) as error:
            raise self._away(error) from error

    def _open(self) -> None:
        inbox = self._client.select_folder("INBOX")
        flags = {flag.lower() for flag in inbox.get(b"PERMANENTFLAGS", ())}
        self._keywords = b"\\*" in flags or KEYWORD in flags
        validity = int(inbox.get(b"UIDVALIDITY", 0))
        if not self._keywords:
            self._memory = _remembered.setdefault((self._place.host, self._place.user, validity), set())

    def new(self) -> list[int]:
        """Return the UIDs of mails not looked at yet, oldest first."""
        since: list[object] = ["SINCE", datetime.now(UTC).date() - timedelta(days=DAYS)]
        criteria = [*since, "UNKEYWORD", KEYWORD.decode()] if self._keywords else since
        uids = self._ask("search", criteria)
        return sorted(uid for uid in uids if uid not in self._memory)[:MOST]

    def fetch(self, uids: Sequence[int]) -> list[Found]:
        """Return those mails that may concern us, read without marking them as seen."""
        heads = self._ask("fetch", list(uids), [HEADERS, b"INTERNALDATE"])
        ours = Ours(self._place.sender)
        wanted = [uid for uid in uids if may_concern(heads.get(uid, {}).get(b"BODY[HEADER]") or b"", ours)]
        found = []
        for uid in wanted:  # one by one: a hundred mails of 256 kB need not be in memory at once
            parts = self._ask("fetch", [uid], [b"BODY.PEEK[]<0.%d>" % CUT]).get(uid, {})
            raw = parts.get(b"BODY[]<0>") or b""
            found.append(Found(raw, _epoch_ms(heads[uid].get(b"INTERNALDATE"))))
        return found

    def mark(self, uids: Sequence[int]) -> None:
        """Remember that these were looked at and what they say was written down."""
        if self._keywords:
            self._ask("add_flags", list(uids), [KEYWORD], True)
        else:
            self._memory.update(uids)

    def leave(self) -> None:
        """Log out; a server that has gone is no fault."""
        try:
            self._client.logout()
        except (IMAPClientError, OSError):
            return

    def drop(self) -> None:
        """Cut the connection, so that a thread that waits for it ends; no harm after ``leave``."""
        if self._client is not None:
            try:
                self._client.shutdown()
            except (IMAPClientError, OSError, AttributeError):
                return

    def _ask(self, name: str, *arguments: object) -> Any:
        try:
            return getattr(self._client, name)(*arguments)
        except (IMAPClientError, OSError, ValueError) as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> errors.Unavailable:
        said = masked(str(error)) if isinstance(error, IMAPClientError) else ""
        if isinstance(error, ssl.SSLError):
            return errors.Unavailable(
                self._place.words(_("шифрование (TLS) не удалось: сертификат или порт")), sent=False
            )
        return errors.Unavailable(self._place.words(_("почтовый ящик сейчас не прочитать")), sent=False, raw=said)


def _epoch_ms(when: object) -> int:
    """Return the server's time of arrival; IMAPClient gives it as naive local time."""
    moment = cast("datetime", when) if isinstance(when, date) else datetime.now(UTC)
    return int(moment.timestamp() * 1000)
