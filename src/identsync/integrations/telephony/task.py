"""What runs for telephony: a line is attended, its history read, its recordings kept and thrown away.

A line is attended by one client at a time: it hears the calls and dials the clicks of all consoles. It comes to its end
every ten minutes, in a moment without a ringing phone, so that the roles' rule is looked at again, and at once when its
client ends; the next one goes on within a second and asks first for all calls that go on.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from identsync.engine.ending import of_error
from identsync.engine.integration import Outcome, Task
from identsync.engine.keeping import EVERY_MS
from identsync.errors import AskPerson, IdentsyncError, Later, Problem
from identsync.flows import outbox as flow
from identsync.flows.flaw import Flaw
from identsync.flows.intake import Periods, Row, Window, intake
from identsync.flows.verdict import Patience
from identsync.integrations.telephony import books
from identsync.integrations.telephony.books import stream_of
from identsync.integrations.telephony.call import Call, Exchange, State
from identsync.integrations.telephony.dialing import Dialler, pulse_of
from identsync.integrations.telephony.forgetting import forget
from identsync.integrations.telephony.lines import abilities, for_person, for_run, window_ms
from identsync.integrations.telephony.recordings import KEEP_MS, keep
from identsync.integrations.telephony.row import Origin, mark_of
from identsync.language import _
from identsync.spans import DAY_MS, HOUR_MS
from identsync.store import pulse
from identsync.store.tables import phone_call

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.engine.run import Run
    from identsync.integrations.telephony.settings import Line

DEADLINE_MS = 600_000
TURN_MS = 600_000
LAST_MS = 120_000  # a turn waits so long for a moment without a ringing call
NEXT_MS = 1_000
LOOK_S = 0.2
PAGE = 500  # rows of history at once
ASK_MS = 300_000  # until a refused key is tried again
PATIENCE = Patience(first_ms=1_000, most_ms=30_000)


def tasks(settings: Mapping[str, "Line"], _branches: Sequence["Branch"]) -> list[Task]:
    """Return the attending of each line that can hear or dial, the histories, the keeping, the forgetting."""
    made: list[Task] = []
    for name, line in settings.items():
        able, title = abilities(line), line.title or name
        if able.live or able.click:
            made.append(_attending(name, line, title))
        if able.history:
            made.append(_history(name, line, title))
    kept = {name: line for name, line in settings.items() if line.keep and abilities(line).recordings}
    if kept:
        run, words = partial(keep, settings=kept), _("Записи разговоров")
        made.append(Task("telephony/recordings", 0, KEEP_MS, 30_000, DEADLINE_MS, run, words))
    if any(line.remember for line in settings.values()):
        run, words = partial(forget, settings=settings), _("Старые звонки стираются")
        made.append(Task("telephony/forgetting", 0, EVERY_MS, 30_000, DEADLINE_MS, run, words))
    return made


def _attending(name: str, line: "Line", title: str) -> Task:
    deadline = TURN_MS + LAST_MS + 60_000
    run = partial(attend, name=name, line=line)
    return Task(stream_of(name), line.branch, NEXT_MS, line.lease, deadline, run, f"{_('Звонки')}: {title}", live=True)


def _history(name: str, line: "Line", title: str) -> Task:
    run = partial(read_history, name=name, line=line)
    kind, words = f"{stream_of(name)}.history", f"{_('История звонков')}: {title}"
    return Task(kind, line.branch, line.interval, max(line.lease, 30_000), DEADLINE_MS, run, words)


# -- a line attended --------------------------------------------------------------------------------------------------


async def attend(run: "Run", name: str, line: "Line") -> Outcome:
    """Hear the calls of a line and dial its clicks until the turn is over."""
    async with AsyncExitStack() as stack:
        pbx = await for_run(run, name, line, stack)
        return await _Turn(run, name, line, pbx).walk()


@dataclass(slots=True)
class _Turn:
    run: "Run"
    name: str
    line: "Line"
    pbx: Exchange
    ringing: set[str] = field(default_factory=set)
    dials: set["asyncio.Task[None]"] = field(default_factory=set)
    told: int = 0
    fails: int = 0

    async def walk(self) -> Outcome:
        """Work until the turn is over, the client ends or a person must do something."""
        try:
            async with self.pbx:
                await self._work()
        except AskPerson as error:
            await self._say(error)
            return replace(of_error(error), retry_ms=ASK_MS)
        except Later as error:
            await self._say(error)
            raise
        return Outcome(counts=self.run.counts)

    async def _work(self) -> None:
        able = abilities(self.line)
        works = [self._until_over()]
        works += [self._listening()] if able.live else []
        works += [self._dialling()] if able.click else []
        doing = [asyncio.ensure_future(work) for work in works]
        try:
            done, _rest = await asyncio.wait(doing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in doing:
                each.cancel()
            await asyncio.gather(*doing, return_exceptions=True)
        for each in done:
            each.result()

    async def _until_over(self) -> None:
        """Wait for the end of the turn: a moment without a ringing phone after ten minutes, or the client's end."""
        since = self.run.now_ms()
        while (passed := self.run.now_ms() - since) < TURN_MS + LAST_MS:
            if passed >= TURN_MS and not self.ringing and not self.dials:
                return
            try:
                async with asyncio.timeout(1.0):
                    await self.run.stopping.wait()
            except TimeoutError:
                continue
            return

    async def _listening(self) -> None:
        """Listen again and again; what passes by itself is waited for here, so that clicks go on."""
        while True:
            try:
                await self.pbx.listen(self._tell)
            except Later as error:
                await self._say(error)
                self.fails += 1
                await asyncio.sleep((error.after_ms or PATIENCE.after(self.fails)) / 1000)

    async def _tell(self, calls: Sequence[Call], whole: bool) -> None:
        """Write down what the PBX tells."""
        self.fails = 0
        self.ringing = set() if whole else self.ringing - {call.key for call in calls}
        self.ringing |= {call.key for call in calls if call.state is State.RINGING}
        origin = Origin(self.name, self.line)
        keys = books.numbers(calls, self.line)
        if whole:  # what is not in the list has ended
            keys |= await self.run.read(partial(books.going_on, name=self.name))
        people = await patients(self.run, keys)

        def write(connection: Connection) -> int:
            now = self.run.now_ms()
            changed = books.write(connection, origin, calls, now, whole=whole, people=people)
            books.heard(connection, self.name, now, None)
            return changed

        self.told += await self.run.write(write)
        self.run.progress(told=self.told)

    async def _say(self, error: IdentsyncError) -> None:
        words = str(error) if not error.hint else f"{error}. {error.hint}"
        now = self.run.now_ms()

        def write(connection: Connection) -> None:
            books.heard(connection, self.name, now, words)
            pulse.ring(connection, books.PULSE)

        await self.run.write(write)

    async def _dialling(self) -> None:
        """Dial what is ordered, each click at once: one that waits for its phone to be taken holds up no other."""
        beat, name = -1, pulse_of(self.name)
        try:
            while True:
                beats = await self.run.read(partial(pulse.beats, names=(name,)))
                if beats[name] != beat:
                    beat = beats[name]
                    self.dials.add(asyncio.ensure_future(self._dial()))
                done = {each for each in self.dials if each.done()}
                self.dials -= done
                for each in done:
                    each.result()
                await asyncio.sleep(LOOK_S)
        finally:
            for each in self.dials:
                each.cancel()
            await asyncio.gather(*self.dials, return_exceptions=True)

    async def _dial(self) -> None:
        await flow.outbox(self.run, stream_of(self.name), Dialler(self.run, self.name, self.pbx))


async def patients(run: "Run", keys: Collection[str]) -> Mapping[str, Sequence[int]]:
    """Find patients by number; a clinic that cannot be read just now does not keep a call from the desk."""
    if not keys:
        return {}
    try:
        return await run.clinic_read(lambda clinic: clinic.patients_by_phone(keys))
    except IdentsyncError as error:
        run.log.warning("calls are not linked to patients", error=type(error).__name__)
        return {}


# -- history ----------------------------------------------------------------------------------------------------------


async def read_history(run: "Run", name: str, line: "Line") -> Outcome:
    """Take in the finished calls of a line since last time, with a day of overlap: recordings come late."""
    first, window = line.first_days * DAY_MS, window_ms(line)
    periods = Periods(first_ms=first, window_ms=window, limit=PAGE, open_end=False, ahead_ms=HOUR_MS)
    async with AsyncExitStack() as stack:
        pbx = await stack.enter_async_context(await for_run(run, name, line, stack))
        outcome = await intake(run, f"{stream_of(name)}.history", History(run, name, line, pbx), periods)
    await run.write(lambda connection: books.looked(connection, name, run.now_ms()))
    return outcome


class History:
    """A line's history as the intake sees it: a row that tells something else than last time is a new row."""

    def __init__(self, run: "Run", name: str, line: "Line", pbx: Exchange) -> None:
        self._run = run
        self._origin = Origin(name, line, history=True)
        self._pbx = pbx
        self._people: Mapping[str, Sequence[int]] = {}

    async def fetch(self, window: Window, limit: int, offset: int) -> object:
        """Ask for one page."""
        return await self._pbx.fetch(window, limit, offset)

    def parse(self, raw: object) -> Row[Call] | list[Flaw]:
        """Read one call."""
        call = self._pbx.parse(raw)
        return call if isinstance(call, list) else Row(mark_of(call), call.start_ms, call)

    def known(self, connection: Connection, keys: Sequence[str]) -> Collection[str]:
        """Return what was told before, word for word."""
        here = books.of_line(self._origin.name), phone_call.c.mark.in_(keys)
        return connection.execute(select(phone_call.c.mark).where(*here)).scalars().all()

    async def enrich(self, rows: Sequence[Row[Call]]) -> Sequence[Row[Call]]:
        """Find the patients of the numbers."""
        calls = [row.value for row in rows]
        self._people = await patients(self._run, books.numbers(calls, self._origin.line))
        return rows

    def store(self, connection: Connection, rows: Sequence[Row[Call]]) -> None:
        """Write the calls down."""
        calls = [row.value for row in rows]
        books.write(connection, self._origin, calls, self._run.now_ms(), people=self._people)


# -- identsync check --------------------------------------------------------------------------------------------------


async def check(settings: Mapping[str, "Line"], _context: Any) -> list[Problem]:
    """Try every line without any effect; returns what is wrong with each, never raises."""
    found = [await _try(name, line) for name, line in settings.items()]
    return [problem for problem in found if problem is not None]


async def _try(name: str, line: "Line") -> Problem | None:
    try:
        async with for_person(line) as pbx:
            await pbx.check()
    except IdentsyncError as error:
        return Problem(f"telephony.{name}", f"{error} {error.raw[:200]}".strip(), error.hint)
    return None
