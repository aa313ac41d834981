"""A call in one click: one Originate, and its truth, which is never in the answer to it but in OriginateResponse."""

import asyncio
import re
from typing import Any

from identsync.errors import Unavailable
from identsync.flows.sending import Accepted, Lost, Refused, Verdict
from identsync.integrations.telephony.call import Command
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import ami_words as words
from identsync.integrations.telephony.wire.ami import Message
from identsync.integrations.telephony.wire.ami_calls import Calls
from identsync.integrations.telephony.wire.ami_login import forbidden
from identsync.integrations.telephony.wire.ami_session import NoAnswer, NotSent, Session, is_good
from identsync.integrations.telephony.wire.ami_trail import TOKEN
from identsync.language import _

LATE_S = 10.0  # OriginateResponse may come so long after the phone's time is up
_EXTENSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


class Orders:
    """The calls that are being ordered; every token once at a time."""

    def __init__(self, line: Line, calls: Calls) -> None:
        self._line, self._calls = line, calls
        self._waiting: dict[str, asyncio.Future[Message]] = {}

    def told(self, truth: Message) -> None:
        """Take an OriginateResponse: ours or another's."""
        waiting = self._waiting.get(truth.get(b"ActionID"))
        if waiting is not None and not waiting.done():
            waiting.set_result(truth)

    def flaw(self, command: Command) -> Verdict | None:
        """Return the verdict on a command that must not reach the PBX."""
        if not _EXTENSION.fullmatch(command.extension):
            return Refused(words.BAD_EXTENSION)
        if not _number(command).isdecimal():
            return Refused(words.BAD_NUMBER)
        order = f"{TOKEN}{command.token}"
        return Lost(words.GOING_ON) if order in self._calls or order in self._waiting else None

    async def give(self, session: Session, command: Command) -> Verdict:
        """Have Asterisk call the employee's phone, then the number; wait until he has it in his hand, or not."""
        order = f"{TOKEN}{command.token}"
        truth = self._waiting[order] = asyncio.get_running_loop().create_future()
        self._calls.order(order, _number(command))
        try:
            refused = await self._taken(session, order, command)
            return refused if refused is not None else await self._truth(session, order, truth)
        finally:
            del self._waiting[order]
            self._calls.order(order, "")

    async def _taken(self, session: Session, order: str, command: Command) -> Verdict | None:
        """Send the order; None where Asterisk has taken it."""
        try:
            answer = await session.ask("Originate", *self._fields(order, command), action_id=order)
        except ValueError:  # a setting that cannot be sent
            return Refused(words.NOT_TAKEN)
        except NotSent:
            raise unconnected() from None
        except NoAnswer:
            return Lost(words.NO_ANSWER)
        if is_good(answer):
            return None
        if "permission" in answer.get(b"Message").lower():
            raise forbidden("Originate", answer)
        return Refused(words.NOT_TAKEN, answer.get(b"Message"))

    def _fields(self, order: str, command: Command) -> list[tuple[str, str]]:
        line, number = self._line, _number(command)
        return [
            ("Channel", line.channel.replace("{extension}", command.extension)),
            ("Context", line.context),
            ("Exten", number),
            ("Priority", "1"),
            # The phone shows the number as a name; who calls is the extension, so that the PBX's rules for it hold.
            ("CallerID", f'"{number}" <{line.number.removeprefix("+") or command.extension}>'),
            ("Timeout", str(line.ring)),
            ("Async", "true"),
            ("ChannelId", order),
        ]

    async def _truth(self, session: Session, order: str, truth: asyncio.Future[Message]) -> Verdict:
        either: set[asyncio.Future[Any]] = {truth, session.closed}
        await asyncio.wait(either, timeout=self._line.ring / 1000 + LATE_S, return_when=asyncio.FIRST_COMPLETED)
        if not truth.done():
            return Lost(words.NO_ANSWER)
        told = truth.result()
        reason = told.get(b"Reason")
        if told.get(b"Response") == "Success":
            return Accepted(order)
        if reason == "0" and order in self._calls:  # its id is in use: the first one goes on
            return Lost(words.GOING_ON)
        return Refused(words.FAILURES.get(reason, words.NO_LINE), f"Reason: {reason}")


def unconnected() -> Unavailable:
    """Return the error of a call that was certainly not begun."""
    return Unavailable(_("нет связи с АТС"), sent=False)


def _number(command: Command) -> str:
    return command.to.removeprefix("+")
