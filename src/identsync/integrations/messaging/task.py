"""What runs when due: messages go out by the first channel that works; what became of them is asked and heard.

All channels of a medium are sent through by one task, so that a channel that fails is followed by the next one: before
*submitting*, or where the failing one has certainly not taken the message. Scope 0: one sender for the network.
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from identsync.core.texts import measure
from identsync.engine.integration import Outcome, Task
from identsync.engine.keeping import EVERY_MS
from identsync.errors import AskPerson, Later, Unavailable
from identsync.flows import outbox as flow
from identsync.flows import outbox_book
from identsync.flows.outbox import Ready, Row, Skip, Wait
from identsync.flows.receipts import adopt_by_address
from identsync.flows.sending import Accepted, Lost, NotTaken, Verdict
from identsync.integrations.messaging import books
from identsync.integrations.messaging.bulk import PLANNER
from identsync.integrations.messaging.keeping import forget, terms
from identsync.integrations.messaging.message import Attachment, Gateway, Kind, Medium, Message
from identsync.integrations.messaging.news import ask
from identsync.integrations.messaging.opening import opened
from identsync.integrations.messaging.plan import plan_reminders
from identsync.integrations.messaging.portions import release_portions
from identsync.integrations.messaging.resting import doubt, rest, resting, works
from identsync.integrations.messaging.settings import Channel
from identsync.integrations.messaging.whether import Go, decide
from identsync.language import _
from identsync.store.texts import fitting

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.engine.run import Run

DEADLINE_MS = 600_000
PORTION_MS = 60_000
LOOK_S, MOST = 10, 400  # what goes out within so many seconds is decided on at once
ANNOUNCED_S = 0.25
QUIET_MS = 1_500  # of pushed receipts: then nothing more is waiting
PUSHED = ("smpp", "email")  # kinds whose receipts come by themselves to whoever is connected


def tasks(settings: Mapping[str, Channel], branches: Sequence["Branch"]) -> list[Task]:
    """Return the sender of each medium, the asking of each channel, the planners, the forgetting."""
    made: list[Task] = []
    for medium in Medium:
        of_medium = {name: channel for name, channel in settings.items() if channel.medium == medium}
        if of_medium:
            made.append(_sender(medium, of_medium))
    made += [_asker(name, channel) for name, channel in settings.items() if channel.kind not in PUSHED]
    planner = _("Сообщения: напоминания")
    often = min(channel.planning for channel in settings.values())
    lease = max(channel.lease for channel in settings.values())
    made += [
        Task("messaging/reminders.plan", branch.id, often, lease, DEADLINE_MS, plan_reminders, planner)
        for branch in branches
    ]
    portions, soon = _("Сообщения: порции рассылок"), min(often, PORTION_MS)
    made.append(Task(PLANNER, 0, soon, lease, DEADLINE_MS, release_portions, portions))
    if any(terms(settings)):
        old, run = _("Старые сообщения стираются"), partial(forget, settings=settings)
        made.append(Task("messaging/old.forget", 0, EVERY_MS, lease, DEADLINE_MS, run, old))
    return made


def _sender(medium: Medium, channels: Mapping[str, Channel]) -> Task:
    first = next(iter(channels.values()))
    interval = min(channel.interval for channel in channels.values())
    title = _("Отправка SMS") if medium is Medium.SMS else _("Отправка писем")
    run = partial(send, medium=medium, channels=channels)
    return Task(f"messaging/{medium}.send", 0, interval, first.lease, DEADLINE_MS, run, title)


def _asker(name: str, channel: Channel) -> Task:
    title = f"{_('Доставка и деньги')}: {channel.title or name}"
    return Task(
        f"messaging/{name}",
        0,
        channel.receipts,
        channel.lease,
        DEADLINE_MS,
        partial(ask, name=name, channel=channel),
        title,
    )


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is handed to the gateway of a row, and what its row will say."""

    message: Message
    written: books.Written


async def send(run: "Run", medium: Medium, channels: Mapping[str, Channel]) -> Outcome:
    """Send what is due by the channels of a medium, then hear what is pushed."""
    async with AsyncExitStack() as stack:
        post = Post(run, medium, channels, stack)
        outcome = await flow.outbox(run, books.stream_of(medium), post)
        await post.listen()
    return outcome


def announced(window: int, pace: float) -> int:
    """Say how many messages to announce at once: what goes out in a quarter of a second, for a crash makes it unknown.

    A full window at least, so that nothing waits; ten windows at most, where a transaction is cheap beside them.
    """
    return max(window, min(10 * window, int(ANNOUNCED_S * pace)))


class Post:
    """The channels of a medium as the outbox sees them: the first in the file that works."""

    def __init__(self, run: "Run", medium: Medium, channels: Mapping[str, Channel], stack: AsyncExitStack) -> None:
        self._run = run
        self._medium = medium
        self._channels = channels
        self._stack = stack
        self._open: dict[str, Gateway] = {}
        rests = ((name, resting(run, name)) for name in channels)
        self._resting: dict[str, AskPerson | Later] = {name: error for name, error in rests if error is not None}
        self.window = max(channel.at_once for channel in channels.values())
        pace = max(channel.pace for channel in channels.values())
        self.batch = announced(self.window, pace)
        self.look = min(MOST, int(LOOK_S * pace))

    async def prepare(self, rows: Sequence[Row]) -> list[Ready[Parcel] | Skip | Wait]:
        """Decide on each row again; raises where no channel works."""
        name = await self._channel()
        decided = await decide(self._run, rows, self._medium)
        going = [each.row.id for each in decided if isinstance(each, Go)]
        files: dict[int, list[Attachment]] = {}
        if self._medium is Medium.EMAIL and going:
            files = await self._run.read(lambda connection: books.files(connection, going))
        return [self._ready(each, name, files) if isinstance(each, Go) else each for each in decided]

    async def submit(self, ready: Ready[Parcel]) -> Verdict:
        """Hand one message to its gateway; a channel that fails rests until the next run at least."""
        name = ready.channel
        if name in self._resting:
            return NotTaken(str(self._resting[name]), 0)
        try:
            verdict = await self._open[name].submit(ready.value.message)
        except (AskPerson, Later) as error:
            if name not in self._resting:
                self._rest(name, error)
            if isinstance(error, Unavailable) and error.sent:
                self._doubt(name)
                raise
            return NotTaken(str(error), 0, books.masked(error.raw))
        if isinstance(verdict, Lost):
            self._doubt(name)
        else:
            works(self._run, name)
        return verdict

    def announce(self, connection: Connection, taken: Sequence[Ready[Parcel]]) -> None:
        """Write down the texts as they go out."""
        books.announce(connection, [ready.value.written for ready in taken])

    def settle(self, connection: Connection, ended: Sequence[tuple[Ready[Parcel], Verdict]]) -> None:
        """Write down what the gateways say of parts and price."""
        told = [(ready.row.id, v.parts, v.kopecks) for ready, v in ended if isinstance(v, Accepted)]
        books.cost(connection, told)

    async def listen(self) -> None:
        """Take what is pushed: where we are connected, or have not been for a while."""
        for name, channel in self._channels.items():
            if channel.kind not in PUSHED or name in self._resting:
                continue
            known = await self._run.read(books.channels)
            looked = known[name].looked_ms if name in known else 0
            if name in self._open or self._run.now_ms() - looked >= channel.receipts:
                await self._hear(name)
        await self._tell_problems()

    async def _hear(self, name: str) -> None:
        try:
            gateway = await self._gateway(name)
            await gateway.listen(QUIET_MS)
        except (AskPerson, Later) as error:
            self._resting[name] = error
            return
        stream, now = books.stream_of(self._medium), self._run.now_ms()

        def write(connection: Connection) -> None:
            adopt_by_address(connection, stream, name, now)
            books.looked(connection, name, now, problem=None)

        await self._run.write(write)

    async def _tell_problems(self) -> None:
        now = self._run.now_ms()
        for name, error in self._resting.items():
            words = fitting(str(error), 400)
            await self._run.write(partial(books.looked, channel=name, now_ms=now, problem=words))

    async def _channel(self) -> str:
        """Open the first channel that works; raises what keeps the first one where none does."""
        for name in self._channels:
            if name in self._resting:
                continue
            try:
                await self._gateway(name)
            except (AskPerson, Later) as error:
                self._rest(name, error)
            else:
                return name
        await self._tell_problems()
        raise next(iter(self._resting.values()))

    def _doubt(self, name: str) -> None:
        if (error := doubt(self._run, name)) is not None:
            self._rest(name, error)

    def _rest(self, name: str, error: AskPerson | Later) -> None:
        self._resting[name] = error
        rest(self._run, name, error)

    async def _gateway(self, name: str) -> Gateway:
        if name not in self._open:
            gateway = await opened(self._run, name, self._channels[name], self._medium, self._stack)
            self._open[name] = await self._stack.enter_async_context(gateway)
        return self._open[name]

    def _ready(self, go: Go, name: str, files: Mapping[int, Sequence[Attachment]]) -> Ready[Parcel]:
        channel = self._channels[name]
        message = Message(
            token=outbox_book.token(),
            to=go.to,
            text=go.text,
            until_ms=go.row.until_ms,
            at_ms=self._run.now_ms(),
            sender=channel.sender,
            kind=go.kind,
            subject=go.subject,
            html=go.html,
            name=go.name,
            attachments=tuple(files.get(go.row.id, ())),
        )
        parts = measure(go.text)[2] if self._medium is Medium.SMS else 1
        written = books.Written(go.row.id, go.subject, go.text, parts, price(channel, go.kind, parts))
        return Ready(go.row, name, go.to, Parcel(message, written), message.token)


def price(channel: Channel, kind: Kind, parts: int) -> int | None:
    """Reckon what a message costs, kopecks; None where the settings name no price."""
    each = (channel.price_ad or channel.price) if kind is Kind.AD else channel.price
    return round(each * 100 * parts) or None
