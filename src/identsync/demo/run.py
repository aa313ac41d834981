"""``identsync demo``: puts the stage, the clients and the page together, watches, and counts at the end."""

import random
import signal
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import select

from identsync.demo import calls
from identsync.demo.calendars import compared, filled
from identsync.demo.crowd import Crowd, Member, now_ms
from identsync.demo.page import page
from identsync.demo.plan import DRAIN_S, START_S, Plan, cast
from identsync.demo.stage import LANDING, Stage, living, staged
from identsync.demo.story import Story
from identsync.demo.summary import Summary, staffed, summed_up
from identsync.demo.watcher import Watcher
from identsync.errors import Stop
from identsync.language import _
from identsync.store import slots
from identsync.store.tables import lead

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["Plan", "show"]

LOOK_S = 0.25


def show(plan: Plan) -> int:
    """Run the demo to its end; returns the exit code: 0 = nothing was lost, doubled, missed or failed."""
    story = Story(sys.stderr if plan.json else sys.stdout)
    with _ended() as ended:
        summary, faults = _Show(plan, story, ended).run()
    for fault in faults:
        story.plain(f"  ! {fault}")
    if plan.json:
        print(orjson.dumps(asdict(summary)).decode(), flush=True)  # noqa: T201
    else:
        _print(story, summary)
    return 0 if summary.faultless else 1


@dataclass(slots=True)
class _Show:
    plan: Plan
    story: Story
    ended: threading.Event
    struck: int | None = None  # the branch where somebody was killed last

    def run(self) -> tuple[Summary, list[str]]:
        with ExitStack() as stack:
            stage = stack.enter_context(staged(self.plan, self.story))
            self.story.tell(_("Страница: {url}", url=stack.enter_context(page(stage))))
            life = stack.enter_context(living(stage, self.plan))
            parts = list(cast(self.plan.clients, self.plan.branches))
            crowd = stack.enter_context(Crowd(parts, stage.file, stage.environment, self.story))
            if not crowd.wait_ready(START_S) and not self.ended.is_set():
                raise Stop(
                    _("программы-клиенты не запустились"), hint=_("запустите с --folder и посмотрите client-*.log")
                )
            self._say_who(crowd)
            watcher = Watcher(stage, crowd, self.story)
            self._fill(stage, crowd, watcher)
            since_ms = now_ms()
            self._observe(stage, crowd, watcher)
            life.set()
            self._drain(stage, watcher, staffed(crowd.members))
            until_ms = now_ms()
            crowd.end()
            return summed_up(stage, crowd, since_ms=since_ms, until_ms=until_ms)

    def _say_who(self, crowd: Crowd) -> None:
        count = len(crowd.members)
        self.story.tell(_("Программ запущено: {count}. Закончить: Ctrl-C.", count=count))
        if idle := count - len(crowd.living):
            self.story.tell(_("Из них врачей: {idle}; их программы задач не выполняют.", idle=idle))

    def _fill(self, stage: Stage, crowd: Crowd, watcher: Watcher) -> None:
        """Let the calendars be written for the first time: what takes longer than an interval is not judged by it."""
        self.story.tell(_("Пишу календари врачей; дальше в них идёт только то, что меняется."))
        until = time.monotonic() + START_S
        while not self.ended.wait(LOOK_S) and time.monotonic() < until:
            crowd.watch()
            watcher.look()
            if filled(stage, staffed(crowd.members)):
                return

    def _observe(self, stage: Stage, crowd: Crowd, watcher: Watcher) -> None:
        """Watch until told to end; kill on the way."""
        begun = time.monotonic()
        next_kill = begun + (self.plan.kill_every or float("inf"))
        until = begun + (self.plan.seconds or float("inf"))
        while not self.ended.wait(LOOK_S) and time.monotonic() < until:
            crowd.watch()
            watcher.look()
            if time.monotonic() >= next_kill:
                next_kill += self.plan.kill_every or float("inf")
                self._kill(stage, crowd)

    def _kill(self, stage: Stage, crowd: Crowd) -> None:
        holder = _holder(stage, crowd, self.struck)
        if holder is None:
            return
        self.struck = holder.part.branch
        self.story.tell(_("Убиваю без предупреждения: {name}. Ей на смену запускаю новую.", name=holder.name))
        crowd.kill(holder)

    def _drain(self, stage: Stage, watcher: Watcher, scopes: Collection[int]) -> None:
        """Let the last leads and events arrive, so that both sides can be compared."""
        stage.landing.options(lead_rate=0.0)
        calls.end(stage.pbx)
        until = time.monotonic() + DRAIN_S
        while time.monotonic() < until:
            watcher.look()
            if _arrived(stage) and compared(stage, scopes).in_step:
                return
            time.sleep(2 * LOOK_S)


def _arrived(stage: Stage) -> bool:
    made = {entry["id"] for entry in stage.landing.leads()}
    with stage.store.read() as connection:
        return made.issubset(connection.execute(select(lead.c.external_id).where(lead.c.site == LANDING)).scalars())


def _holder(stage: Stage, crowd: Crowd, struck: int | None) -> Member | None:
    """Choose whom to kill: who runs a task at this moment, else who holds a seat; no branch twice running.

    A branch that is struck each time somebody begins to work there never gets to work.
    """
    with stage.store.read() as connection:
        running = [crowd.find(slot.holder) for slot in slots.overview(connection) if slot.running]
        seated = [crowd.find(seat.holder) for seat in slots.seats(connection)]
    for group in (running, seated):
        if known := [member for member in group if member is not None and member.part.branch != struck]:
            return random.choice(known)
    return next((member for member in seated if member is not None), None)


@contextmanager
def _ended() -> Iterator[threading.Event]:
    """Give an event that SIGINT and SIGTERM set; a second one breaks off at once."""
    ended = threading.Event()

    def told(_number: int, _frame: "FrameType | None") -> None:
        if ended.is_set():
            raise KeyboardInterrupt
        ended.set()

    names = [name for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), told) for name in names}
    try:
        yield ended
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _print(story: Story, summary: Summary) -> None:
    words = {
        _("длилось, секунд"): summary.seconds,
        _("программ-клиентов"): summary.clients,
        _("из них убито"): summary.killed,
        _("выполнено задач"): summary.runs,
        _("дважды за интервал"): summary.double_runs,
        _("пропущено интервалов"): summary.missed_runs,
        _("заявок на сайте"): summary.leads_made,
        _("заявок в клинике"): summary.leads_received,
        _("заявок дважды"): summary.leads_doubled,
        _("расписаний принято сайтом"): summary.timetables_confirmed,
        _("событий в календарях, нужно"): summary.calendar_events_wanted,
        _("событий в календарях, есть"): summary.calendar_events_confirmed,
        _("событий дважды"): summary.calendar_events_doubled,
        _("SMS принято шлюзом"): summary.messages_sent,
        _("SMS дважды"): summary.messages_doubled,
        _("SMS, о которых неизвестно"): summary.messages_unknown,
        _("адресов спрошено"): summary.addresses_asked,
        _("из них снова"): summary.addresses_again,
        _("домов на карте"): summary.addresses_found,
        _("звонков закончилось на АТС"): summary.calls_made,
        _("из них в журнале"): summary.calls_known,
        _("звонков дважды"): summary.calls_doubled,
        _("случаев принято N3"): summary.cases_taken,
        _("посещений у N3 дважды"): summary.cases_doubled,
        _("ошибок"): summary.errors,
    }
    story.plain("")
    width = max(map(len, words))
    for name, value in words.items():
        story.plain(f"  {name.ljust(width)}  {value}")
    story.plain("")
    good = _("Ничего не потеряно, ничего не сделано дважды.")
    story.plain(good if summary.faultless else _("Есть расхождения, они перечислены выше."))
