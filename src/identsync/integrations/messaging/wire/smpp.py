"""SMPP 3.4 as a gateway: one bound session, parts of long messages, receipts and replies (facts: messaging.md 8).

A long message goes as several PDUs at once. Only the last one asks for a receipt, and its id is the message's:
delivered means that the last part was. A part that was throttled was certainly not taken and is sent again by itself,
the others are not. Where parts of one message end differently the message is *lost*: a person looks. An answer that
comes after its time is written down by the message's token: it ends the doubt. Where receipts spell ids otherwise than
responses do, ``receipt_ids`` says how (``smpp_pushed``).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Self

from identsync import errors
from identsync.core.texts import encode, split
from identsync.flows import trust
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
from identsync.integrations.messaging.wire import smpp_pushed as pushed
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
LATER = (*BUSY, Status.SYSTEM_ERROR, Status.BIND_STATE)


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
        self._places = asyncio.Semaphore(self.window)
        self._keeping: set[asyncio.Task[None]] = set()

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
        if self._keeping:
            await asyncio.wait(self._keeping)

    async def submit(self, message: Message) -> Verdict:
        """Send all parts once."""
        try:
            bodies = self._bodies(message)
        except ValueError:
            return Refused(words.BAD_TEXT)
        session = await self._bound()
        for _part in bodies:
            await self._permit()
        if len(bodies) == 1:
            late = partial(self._late, token=message.token)
            return self._verdict([await self._part(session, bodies[0], late)])
        return self._verdict(await asyncio.gather(*(self._part(session, body) for body in bodies)))

    async def status(self, sent: Sequence[Sent]) -> Sequence[Receipt]:  # noqa: ARG002  receipts are pushed
        """Tell nothing: receipts come by themselves."""
        return ()

    async def find(self, lost: Sequence[Missing]) -> Sequence[Receipt | Absent]:  # noqa: ARG002
        """Find nothing: a receipt that comes for that number tells (``receipts.adopt_by_address``)."""
        return ()

    async def listen(self, quiet_ms: int) -> None:
        """Take what is pushed until nothing came for so long; raises what kept it from being written down."""
        session = await self._bound()
        await session.quiet(quiet_ms / 1000)
        trouble, session.trouble = session.trouble, None
        if trouble is not None:
            raise trouble

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
        context = trust.system() if s.tls == "on" else None
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

    async def _part(
        self, session: Session, body: bytes, late: Callable[[Answer], None] | None = None
    ) -> Answer | NotSent | NoAnswer:
        for attempt in range(RETRIES + 1):
            try:
                async with self._places:
                    answer = await session.ask(Command.SUBMIT_SM, body, late)
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
        if not message.sender.isascii() or len(message.sender) > 20:
            hint = _("Измените sender.")
            raise errors.AskPerson(_("SMPP: имя отправителя не принимается ({code})", code="ASCII, 20"), hint=hint)
        return Short(
            source=message.sender, to=message.to.removeprefix("+"), message=octets, source_ton=s.source_ton,
            source_npi=s.source_npi, esm_class=pushed.UDH if udh else 0, validity=_validity(message.until_ms),
            registered=int(receipt), data_coding=coding, tlvs=tlvs or {},
        ).pack()  # fmt: skip

    async def _take(self, pdus: list[Pdu]) -> None:
        """Write receipts and replies down; what cannot be read is nothing, and would come again for ever."""
        receipts: list[Receipt] = []
        replies: list[Reply] = []
        for pdu in pdus:
            try:
                short = read_short(pdu.body)
            except Malformed:
                continue
            if pushed.is_receipt(short):
                receipts.append(pushed.receipt(short, self._settings.receipt_ids))
            elif pushed.is_reply(short):
                replies.append(pushed.reply(short, time.time_ns() // 1_000_000))
        if receipts:
            await self._keep(receipts)
        if replies:
            await self._replies(replies)

    def _verdict(self, answers: Sequence[Answer | NotSent | NoAnswer]) -> Verdict:
        """Judge the answers to all parts of one message; its id as receipts are going to spell it."""
        verdict = _verdict(answers)
        if isinstance(verdict, Accepted):
            return replace(verdict, provider_id=pushed.provider_id(verdict.provider_id, self._settings.receipt_ids))
        return verdict

    def _late(self, answer: Answer, token: str) -> None:
        """Write down an answer that came after the message was called lost: it ends the doubt."""
        try:
            verdict = self._verdict([answer])
        except errors.AskPerson as error:
            verdict = Refused(words.NOT_LIKED, str(error))
        if isinstance(verdict, Accepted):
            receipt = Receipt(Fate.ACCEPTED, verdict.provider_id, token)
        elif isinstance(verdict, Refused | NotTaken):
            receipt = Receipt(Fate.FAILED, token=token, reason=verdict.reason, answer=verdict.answer)
        else:
            return
        keeping = asyncio.ensure_future(self._keep_late(receipt))
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)

    async def _keep_late(self, receipt: Receipt) -> None:
        try:
            await self._keep([receipt])
        except Exception as error:  # the row stays unknown; whoever listens hears of it
            if self._session is not None:
                self._session.trouble = error


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
    if status in LATER:
        return NotTaken(words.BUSY, LATER_MS, code)
    if status == Status.ADDRESS:
        return Refused(words.BAD_NUMBER, code)
    if status == Status.SOURCE_ADDRESS:
        raise errors.AskPerson(
            _("SMPP: имя отправителя не принимается ({code})", code=code), hint=_("Измените sender.")
        )
    return Refused(words.NOT_LIKED, code)
