"""SMPP 3.4 as a gateway: one bound session, parts of long messages, receipts and replies (facts: messaging.md 8).

A long message goes as several PDUs at once. Only the last one asks for a receipt, and its id is the message's:
delivered means that the last part was. A part that was throttled was certainly not taken and is sent again by itself,
the others are not. Where parts of one message end differently the message is *lost*: a person looks.
"""

import asyncio
import hashlib
import re
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from identsync import errors
from identsync.core.texts import decode_gsm, encode, split
from identsync.flows.sending import Accepted, Fate, Lost, NotTaken, Receipt, Refused, Verdict
from identsync.integrations.messaging.message import (
    Absent,
    Balance,
    Gateway,
    Keep,
    Message,
    Missing,
    Permit,
    Replies,
    Reply,
    Sent,
)
from identsync.integrations.messaging.settings import Channel
from identsync.integrations.messaging.wire import words
from identsync.integrations.messaging.wire.smpp_pdu import (
    Command,
    Malformed,
    Pdu,
    Short,
    Status,
    Tag,
    read_message_id,
    read_short,
)
from identsync.integrations.messaging.wire.smpp_session import Answer, NoAnswer, NotSent, Peer, Session, connect
from identsync.language import _
from identsync.values import secret

PORT = 2775
RETRIES = 5  # of a part that was throttled
BACKOFF_S = 0.5
LATER_MS = 5_000
WRONG = (Status.BIND_FAILED, Status.PASSWORD, Status.SYSTEM_ID)
BUSY = (Status.THROTTLED, Status.QUEUE_FULL, Status.TRY_LATER)
RECEIPT, TYPES = 0x04, 0x3C  # of esm_class
UDHI = 0x40
STATES = {
    "DELIVRD": (Fate.DELIVERED, ""),
    "EXPIRED": (Fate.EXPIRED, ""),
    "DELETED": (Fate.FAILED, words.REJECTED),
    "UNDELIV": (Fate.FAILED, words.NOT_DELIVERED),
    "REJECTD": (Fate.FAILED, words.REJECTED),
    "ACCEPTD": (Fate.ACCEPTED, ""),
    "ENROUTE": (Fate.ACCEPTED, ""),
}
NUMBERS = {1: "ENROUTE", 2: "DELIVRD", 3: "EXPIRED", 4: "DELETED", 5: "UNDELIV", 6: "ACCEPTD", 8: "REJECTD"}
_FIELD = re.compile(r"\b(id|stat|err):\s*(\S+)", re.IGNORECASE)


def open(settings: object, permit: Permit, keep: Keep, replies: Replies) -> Gateway:
    """Make the gateway; nothing is connected yet."""
    return Smpp(settings, permit, keep, replies)


class Smpp:
    """An SMSC as a gateway."""

    def __init__(self, settings: object, permit: Permit, keep: Keep, replies: Replies) -> None:
        assert isinstance(settings, Channel)
        self.window = settings.at_once
        self._settings = settings
        self._permit, self._keep, self._replies = permit, keep, replies
        self._session: Session | None = None
        self._opening = asyncio.Lock()
        self._reference = int(time.time()) & 0xFF

    async def __aenter__(self) -> Self:
        """Connect and bind; raises Refused for a wrong password, Unavailable(sent=False) where nobody is there."""
        await self._bound()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Unbind and close."""
        if self._session is not None:
            await self._session.leave()

    async def submit(self, message: Message) -> Verdict:
        """Send all parts once."""
        try:
            bodies = self._bodies(message)
        except ValueError:
            return Refused(words.BAD_TEXT)
        session = await self._bound()
        for _part in bodies:
            await self._permit()
        answers = await asyncio.gather(*(self._part(session, body) for body in bodies))
        return _verdict(answers)

    async def status(self, sent: Sequence[Sent]) -> Sequence[Receipt]:  # noqa: ARG002  receipts are pushed
        """Tell nothing: receipts come by themselves."""
        return ()

    async def find(self, lost: Sequence[Missing]) -> Sequence[Receipt | Absent]:  # noqa: ARG002
        """Find nothing: a receipt that comes for that number tells (``outbox_book.adopt_by_address``)."""
        return ()

    async def listen(self, quiet_ms: int) -> None:
        """Take what is pushed until nothing came for so long."""
        session = await self._bound()
        await session.quiet(quiet_ms / 1000)

    async def balance(self) -> Balance | None:
        """Tell nothing: the protocol has no such question."""
        return None

    async def _bound(self) -> Session:
        async with self._opening:
            if self._session is None or not self._session.connected:
                self._session = await self._bind()
            return self._session

    async def _bind(self) -> Session:
        s = self._settings
        context = ssl.create_default_context() if s.tls == "on" else None
        key = secret(s.password or "")
        peer = Peer(s.host or "", s.port or PORT, s.user or "", key, s.system_type, s.timeout / 1000, context)
        try:
            session, answer = await connect(peer, self._take)
        except ValueError:
            raise errors.Refused(_("логин, пароль или system_type длиннее, чем допускает SMPP")) from None
        except (OSError, TimeoutError, NotSent, NoAnswer) as error:
            words_ = _("SMPP: нет связи ({cause})", cause=type(error).__name__)
            raise errors.Unavailable(words_, sent=False) from None
        if answer.status == Status.OK:
            return session
        session.close()
        code = f"0x{answer.status:02X}"
        if answer.status in WRONG:
            hint = _("Проверьте логин (user), пароль и system_type у оператора.")
            raise errors.Refused(_("SMPP: сервер не узнал логин или пароль ({code})", code=code), hint=hint)
        raise errors.Unavailable(_("SMPP: сервер не принял соединение ({code})", code=code), sent=False)

    async def _part(self, session: Session, body: bytes) -> Answer | NotSent | NoAnswer:
        for attempt in range(RETRIES + 1):
            try:
                answer = await session.ask(Command.SUBMIT_SM, body)
            except (NotSent, NoAnswer) as error:
                return error
            if answer.status not in BUSY or attempt == RETRIES:
                return answer
            await asyncio.sleep(BACKOFF_S * 2**attempt)
        raise AssertionError

    def _bodies(self, message: Message) -> list[bytes]:
        """Return the bodies of a message's parts; ValueError for what cannot be said."""
        coding, parts = split(message.text)
        if len(parts) == 1 or self._settings.concat == "payload":
            return [self._body(message, coding, *self._whole(message, parts))]
        self._reference = (self._reference + 1) & 0xFF
        total, last = len(parts), len(parts) - 1
        if self._settings.concat == "sar":
            return [
                self._body(message, coding, part, _sar(self._reference, total, i + 1), receipt=i == last)
                for i, part in enumerate(parts)
            ]
        return [
            self._body(
                message, coding, bytes((5, 0, 3, self._reference, total, i + 1)) + part, udh=True, receipt=i == last
            )
            for i, part in enumerate(parts)
        ]

    def _whole(self, message: Message, parts: Sequence[bytes]) -> tuple[bytes, dict[int, bytes]]:
        if len(parts) == 1:
            return parts[0], {}
        return b"", {Tag.MESSAGE_PAYLOAD: encode(message.text)[1]}

    def _body(
        self, message: Message, coding: int, octets: bytes, tlvs: dict[int, bytes] | None = None, *,
        udh: bool = False, receipt: bool = True,
    ) -> bytes:  # fmt: skip
        s = self._settings
        return Short(
            source=message.sender, to=message.to.removeprefix("+"), message=octets, source_ton=s.source_ton,
            source_npi=s.source_npi, esm_class=UDHI if udh else 0, validity=_validity(message.until_ms),
            registered=int(receipt), data_coding=coding, tlvs=tlvs or {},
        ).pack()  # fmt: skip

    async def _take(self, pdus: list[Pdu]) -> int:
        """Write receipts and replies down; what cannot be written now is to come again."""
        receipts: list[Receipt] = []
        replies: list[Reply] = []
        for pdu in pdus:
            try:
                short = read_short(pdu.body)
            except Malformed:
                continue
            if short.esm_class & TYPES == RECEIPT:
                receipts += _receipt(short)
            else:
                replies.append(_reply(short))
        try:
            if receipts:
                await self._keep(receipts)
            if replies:
                await self._replies(replies)
        except errors.IdentsyncError:
            return Status.TRY_LATER
        return Status.OK


def _sar(reference: int, total: int, number: int) -> dict[int, bytes]:
    return {
        Tag.SAR_REFERENCE: reference.to_bytes(2, "big"),
        Tag.SAR_TOTAL: bytes((total,)),
        Tag.SAR_NUMBER: bytes((number,)),
    }


def _validity(until_ms: int) -> str:
    """Return the absolute time format (7.1.1), UTC."""
    return datetime.fromtimestamp(min(until_ms, 4_070_908_800_000) / 1000, UTC).strftime("%y%m%d%H%M%S") + "000+"


def _verdict(answers: Sequence[Answer | NotSent | NoAnswer]) -> Verdict:
    """Judge the answers to all parts of one message."""
    if any(isinstance(answer, NoAnswer) for answer in answers):
        return Lost(words.ODD)
    told = [answer for answer in answers if isinstance(answer, Answer)]
    taken = [answer for answer in told if answer.status == Status.OK]
    if not taken:
        return _not_taken(told)
    if len(taken) < len(answers):
        return Lost(words.ODD)
    try:
        return Accepted(read_message_id(taken[-1].body), len(answers))
    except Malformed:
        return Lost(words.ODD)


def _not_taken(told: Sequence[Answer]) -> Verdict:
    if not told:
        return NotTaken(words.BUSY, LATER_MS)
    status = told[0].status
    code = f"0x{status:02X}"
    if status in BUSY:
        return NotTaken(words.BUSY, LATER_MS, code)
    if status == Status.ADDRESS:
        return Refused(words.BAD_NUMBER, code)
    if status == Status.SOURCE_ADDRESS:
        raise errors.AskPerson(
            _("SMPP: имя отправителя не принимается ({code})", code=code), hint=_("Измените sender.")
        )
    return Refused(words.NOT_LIKED, code)


def _receipt(short: Short) -> list[Receipt]:
    """Read a receipt: the fields of its text, the optional parameters before them."""
    said = {name.lower(): value for name, value in _FIELD.findall(short.octets.decode("latin-1"))}
    number = short.tlvs.get(Tag.RECEIPTED_MESSAGE_ID, b"").rstrip(b"\0").decode("latin-1") or said.get("id", "")
    state = short.tlvs.get(Tag.MESSAGE_STATE, b"")
    name = NUMBERS.get(state[0], "") if state else said.get("stat", "").upper()[:7]
    if not number or name not in STATES:
        return []
    fate, reason = STATES[name]
    to = f"+{short.source.removeprefix('+')}"
    return [Receipt(fate, number, to=to, reason=reason, answer=f"{name} {said.get('err', '')}".strip())]


def _reply(short: Short) -> Reply:
    data = short.octets
    if short.esm_class & UDHI and data:
        data = data[data[0] + 1 :]
    text = data.decode("utf-16-be", "replace") if short.data_coding == 8 else decode_gsm(data)
    now = time.time_ns() // 1_000_000
    key = hashlib.sha256(f"{short.source}|{text}|{now // 60_000}".encode()).hexdigest()
    return Reply(key, short.source, text, now)
