"""What a gateway is asked: what people wrote back, what became of messages, how much money is left."""

from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from identsync.engine.ending import of_error
from identsync.engine.integration import Outcome, Status
from identsync.errors import AskPerson
from identsync.flows.intake import cursor, move
from identsync.flows.outbox import receive
from identsync.flows.sending import Receipt
from identsync.integrations.messaging import books, reasons
from identsync.integrations.messaging.message import Absent, Balance, Medium, Sent
from identsync.integrations.messaging.opening import opened
from identsync.integrations.messaging.resting import REFUSED_MS
from identsync.integrations.messaging.settings import Channel
from identsync.language import _

if TYPE_CHECKING:
    from identsync.engine.run import Run

FAILING = 30  # per cent of a day's messages: from there on a person is told


async def ask(run: "Run", name: str, channel: Channel) -> Outcome:
    """Ask a gateway everything; one that refuses is asked again after some minutes, not at once."""
    try:
        return await _ask(run, name, channel)
    except AskPerson as error:
        return replace(of_error(error), retry_ms=REFUSED_MS)


async def _ask(run: "Run", name: str, channel: Channel) -> Outcome:
    """Hear what people write back, ask what became of messages, look for lost ones, and how much money is left.

    What is told is written down at once: one question that fails does not cost the answers to the others.
    """
    medium, now = Medium(channel.medium), run.now_ms()
    of, counts = books.Of(books.stream_of(medium), name), Counter(asked=0, lost=0, heard=0, not_there=0)

    async def keep(told: Sequence[Receipt | Absent]) -> None:
        receipts = [each for each in told if isinstance(each, Receipt)]
        absent = [each.token for each in told if isinstance(each, Absent)]

        def write(connection: Connection) -> int:
            books.not_there(connection, absent, reasons.ABSENT, run.now_ms())
            return receive(connection, of.stream, name, receipts, run.now_ms())

        counts.update(heard=await run.write(write), not_there=len(absent))

    sent = await _asked_about(run, of, channel.asked)
    lost = await run.read(lambda connection: books.missing(connection, of, now))
    counts.update(asked=len(sent), lost=len(lost))
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(await opened(run, name, channel, medium, stack))
        await gateway.listen(0)
        if sent:
            await keep(await gateway.status(sent))
        if lost:
            await keep(await gateway.find(lost))
        balance = await gateway.balance()
    await run.write(lambda c: books.looked(c, name, run.now_ms(), balance=balance, problem=None))
    share = await run.read(lambda connection: books.failing(connection, of, run.now_ms()))
    if words := _worries(channel, balance, share):
        return Outcome(Status.ASK, counts, f"AskPerson: {words}")
    return Outcome(Status.OK, counts)


async def _asked_about(run: "Run", of: books.Of, most: int) -> list[Sent]:
    """Give what a gateway is asked about in this run, and remember where the next one goes on."""
    place, now = f"messaging/{of.name}.asked", run.now_ms()

    def read(connection: Connection) -> tuple[list[Sent], int]:
        return books.under_way(connection, of, cursor(connection, place, 0) or 0, most, now)

    sent, last = await run.read(read)
    if len(sent) == most:
        await run.write(lambda connection: move(connection, place, 0, last, now))
    return sent


def _worries(channel: Channel, balance: Balance | None, failing: int) -> str:
    """Say what a person should look at, in one sentence; '' = nothing."""
    if balance is not None and balance.kopecks is not None and balance.kopecks < channel.low_balance * 100:
        return _("На счёте осталось {n} ₽, пополните", n=balance.kopecks // 100)
    if failing >= FAILING:
        return _("За сутки не доставлено {n} % сообщений: проверьте канал и имя отправителя", n=failing)
    return ""
