"""A branch whose doctors' calendars stand in every way there is: what the page is drawn from in its tests."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, insert

from identsync.clinic.clock import minute_now
from identsync.clinic.source import ClinicSource
from identsync.core.columns import Columns
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.engine.integration import PageContext
from identsync.flows.mirror_book import DOUBT, Book, Row, Weight, of_part, save, save_weights
from identsync.integrations.calendar import books
from identsync.integrations.calendar.books import Account, Link
from identsync.integrations.calendar.chosen import at_home, stream_of, wish_of
from identsync.integrations.calendar.event import Name
from identsync.integrations.calendar.keeping import Kept
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.wanted import Wanted, read
from identsync.store import Store
from identsync.store.tables import run_log, task_slot

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
WAYS = (
    "ok", "refused", "updating", "ok", "filling", "rejected", "ok", "edited", "paused", "absent", "stubborn", "ok",
    "making", "off", "ok",
)  # fmt: skip
REFUSED = "сервер не принял пароль приложения"
UNLIKED = "сервер ответил 413: слишком большое событие"


def build(path: Path, branches: int = 2, doctors: int = len(WAYS), days: int = 72) -> Any:
    """Generate a clinic around today and return its database's engine."""
    engine = create_engine(f"sqlite:///{path}")
    first = time.time_ns() // (DAY * 1_000_000) - 8
    generate(engine, GeneratorSettings(branches=branches, doctors=doctors, days=days, seed=11, first_day=first))
    return engine


@dataclass
class Scene:
    """A store and a clinic, and how each doctor of a branch was left in it."""

    store: Store
    clinic: ClinicSource
    settings: dict[str, CalendarDestination]
    ways: dict[str, dict[int, str]] = field(default_factory=dict)

    @property
    def now_ms(self) -> int:
        return int(self.store.now_ms())

    def context(self) -> PageContext:
        return PageContext(self.store, self.clinic, self.settings, "test", self.now_ms)

    def wanted(self, name: str, branch: int, doctors: Iterable[int]) -> Wanted:
        with self.store.write() as connection:
            key = books.make_key(connection, self.now_ms)
        return read(self.clinic, wish_of(self.settings[name]), branch, key, sorted(doctors), self.now_ms)

    def play(self, name: str, branch: int = 1, ways: tuple[str, ...] = WAYS) -> None:
        """Leave the doctors of a branch in these ways, one after the other."""
        doctors = sorted(at_home(self.clinic, self.settings[name], branch))
        self.ways[name] = dict(zip(doctors, ways * (1 + len(doctors) // len(ways)), strict=False))
        wanted = self.wanted(name, branch, [one for one in doctors if self.ways[name][one] != "off"])
        acts = {doctor: Act(self, wanted, doctor, way) for doctor, way in self.ways[name].items()}
        for act in acts.values():
            act.play()
        columns = Columns.from_rows(sorted(pair for act in acts.values() for pair in act.confirmed.items()))
        book = Book(stream_of(name), branch, columns)
        with self.store.write() as connection:
            save(
                connection, book, [row for act in acts.values() for row in act.rows.values()], [], self.now_ms, columns
            )
            for doctor, act in acts.items():
                if act.link is not None:
                    link = act.link(doctor, branch, self.address(name, doctor))
                    books.put_link(connection, name, link, self.now_ms)
                    if self.settings[name].kind != "feed":
                        own = Account(doctor, f"doctor{doctor}@yandex.ru", None, b"sealed")
                        books.put_account(connection, name, own, self.now_ms)

    def address(self, name: str, doctor: int) -> str:
        kind = self.settings[name].kind
        if kind == "google":
            return f"c_{doctor:04x}5b2f@group.calendar.google.com"
        token = f"{doctor:040x}"
        return token if kind == "feed" else f"https://caldav.example/calendars/{token[-6:]}/"

    def brake(self, name: str, branch: int = 1) -> None:
        """Let the mirror's brake wait for a person."""
        book = Book(stream_of(name), branch)
        with self.store.write() as connection:
            save_weights(
                connection, book, {"e1": Weight(6000, asked=900), "all": Weight(6000, asked=900)}, (), self.now_ms
            )

    def brake_alone(self, name: str, doctor: int, branch: int = 1) -> None:
        """Let a doctor's brake wait for a person."""
        book = Book(stream_of(name), branch)
        with self.store.write() as connection:
            save_weights(connection, book, {of_part(str(doctor)): Weight(40, asked=3)}, (), self.now_ms)

    def slot(self, name: str, branch: int = 1, **values: Any) -> None:
        """Write the task's slot, as if the task had run."""
        given = {"eligible_ms": self.now_ms + 3 * MINUTE, "stamp_ms": self.now_ms, "fence": 7} | values
        with self.store.write() as connection:
            connection.execute(insert(task_slot).values(kind=stream_of(name), scope=branch, **given))

    def ran(self, name: str, branch: int, fence: int, counts: str) -> None:
        """Write an ended run of the task into the journal."""
        values = {"holder": "h", "role": 0, "due_ms": 0, "started_ms": self.now_ms - 5000, "finished_ms": self.now_ms}
        with self.store.write() as connection:
            ran = insert(run_log).values(kind=stream_of(name), scope=branch, fence=fence, outcome="partial", **values)
            connection.execute(ran, {"counts": counts})


def played(
    filled: Callable[..., Any], dialect: str, name: str, clinic: ClinicSource, settings: dict[str, CalendarDestination]
) -> Scene:
    """Open a copy of a store in which "yandex" was played within these five minutes: no event begins between them."""

    def fill(store: Store) -> dict[str, dict[int, str]]:
        scene = Scene(store, clinic, settings)
        scene.play("yandex")
        return scene.ways

    store, ways = filled(dialect, f"{name} {time.time_ns() // (5 * MINUTE * 1_000_000)}", fill)
    scene = Scene(store, clinic, settings, dict(ways))
    scene.slot("yandex")
    return scene


@dataclass
class Act:
    """One doctor: what is written down of him."""

    scene: Scene
    wanted: Wanted
    doctor: int
    way: str
    confirmed: dict[int, int] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)
    link: Callable[[int, int, str], Link] | None = None

    def play(self) -> None:
        columns, now = self.wanted.columns, self.scene.now_ms
        keys = [key for key in columns.keys if self.wanted.doctor(key) == self.doctor]
        self.events = self.wanted.events(keys)
        self.keys = sorted(keys, key=lambda key: (self.events[key].start_ms, key))
        self.coming = self._from_a_full_day(now)
        for key in self.keys:
            self._there(key, columns.get(key) or 0)
        self.link = self._link()
        getattr(self, f"_{self.way}", lambda: None)()

    def _from_a_full_day(self, now: int) -> list[int]:
        """Give the events to come from the first day with five of them, whatever the time of day is now."""
        coming = [key for key in self.keys if self.events[key].start_ms > now]
        days = [minute_now(self.wanted.zone, self.events[key].start_ms) // 1440 for key in coming]
        full = next((day for day in days if days.count(day) >= 5), 0)
        return [key for key, day in zip(coming, days, strict=True) if day >= full]

    def _there(self, key: int, digest: int, **kept: Any) -> None:
        event = self.events[key]
        given = {"start_ms": event.start_ms, "etag": '"1"'} | kept
        repairs = tuple(kept.get("repairs", ()))
        one = Kept(self.doctor, Name(event.name), given["start_ms"], given["etag"], repairs=repairs)
        self.confirmed[key] = digest
        self.rows[key] = Row(key, digest, "confirmed", payload=one.pack(), label="")

    def _link(self, **changes: Any) -> Callable[[int, int, str], Link]:
        now = self.scene.now_ms
        given = {
            "own": True, "state": "on", "looked_ms": now - 12 * MINUTE,
            "synced_ms": now - (2 + self.doctor % 5) * MINUTE,
        } | changes  # fmt: skip
        return lambda doctor, scope, address: Link(doctor, scope, given.pop("address", address), **given)

    def _drop(self, key: int) -> bytes | None:
        del self.confirmed[key]
        return self.rows.pop(key).payload

    def _refused(self) -> None:
        now = self.scene.now_ms
        self.link = self._link(state="refused", problem=REFUSED, synced_ms=now - 26 * HOUR)
        for key in self.coming[:4]:
            self._drop(key)

    def _updating(self) -> None:
        self.link = self._link(synced_ms=self.scene.now_ms - 9 * MINUTE)
        first, second, third, fourth = self.coming[0], self.coming[1], self.coming[2], self.coming[3]
        self._there(first, 5, start_ms=self.events[first].start_ms - HOUR)
        self._drop(second)
        self._there(third, DOUBT)
        self.rows[third] = Row(third, 1, "unknown", 1, payload=self.rows[third].payload)
        payload = self._drop(fourth)
        retry = self.scene.now_ms + 9 * MINUTE
        self.rows[fourth] = Row(fourth, 1, "later", 2, retry, "", "сервер просит подождать", payload)
        gone = Kept(self.doctor, Name("g" * 32), self.events[first].start_ms - 2 * HOUR, '"9"')
        self.confirmed[77 + self.doctor] = 8
        self.rows[77 + self.doctor] = Row(77 + self.doctor, 8, "confirmed", payload=gone.pack())

    def _filling(self) -> None:
        self.link = self._link(synced_ms=None)
        for key in self.keys[len(self.keys) // 3 :]:
            self._drop(key)

    def _rejected(self) -> None:
        for key in self.coming[1:3]:
            payload, retry = self._drop(key), self.scene.now_ms + DAY
            self.rows[key] = Row(key, 1, "rejected", 1, retry, "", UNLIKED, payload)

    def _edited(self) -> None:
        self.link = self._link(repaired=4, strange=2)

    def _stubborn(self) -> None:
        self.link = self._link(repaired=9)
        now = self.scene.now_ms
        self._there(self.coming[0], self.wanted.columns.get(self.coming[0]) or 0, repairs=(now - 3, now - 2, now - 1))

    def _paused(self) -> None:
        self.link = self._link(state="paused", synced_ms=self.scene.now_ms - 5 * DAY)

    def _absent(self) -> None:
        self.link = None
        self.confirmed.clear()
        self.rows.clear()

    def _making(self) -> None:
        self._absent()
        self.link = self._link(address="", synced_ms=None, looked_ms=None)

    def _off(self) -> None:
        self._absent()
        self.link = self._link(state="off")
