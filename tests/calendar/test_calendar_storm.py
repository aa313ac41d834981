"""A storm through the real wires: answers lost, broken and late while people edit; at rest every event is there once.

Short every day. Long, with at least 1,000 faults met by each wire: ``IDENTSYNC_STORM=1000 pytest tests/calendar -k
storm``. A failure names its seed; ``IDENTSYNC_STORM_SEED=N`` repeats the edits and the dice of the other side, though
not how requests of several calendars fall in with each other.
"""

import json
import os
import random
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from calendar_network import NAME, Network, generated
from crashing_client import network_of
from servers import PASSWORD, USER, foreign
from sqlalchemy import create_engine

from identsync.clinic.source import ClinicSource
from identsync.demo.caldav.process import CalDavProcess
from identsync.demo.google.process import GoogleProcess
from identsync.engine.integration import Status
from identsync.flows.mirror import approve
from identsync.integrations.calendar import books, keeping
from identsync.integrations.calendar.accounts import admit
from identsync.integrations.calendar.books import Account, Link
from identsync.integrations.calendar.chosen import stream_of
from identsync.integrations.calendar.event import Event
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.wire import ical
from identsync.integrations.calendar.wire.google_event import found, name_of
from identsync.store import open_store

FAULTS = int(os.environ.get("IDENTSYNC_STORM", "25"))
SEED = int(os.environ.get("IDENTSYNC_STORM_SEED", "0")) or secrets.randbelow(10**6) + 1
TODAY = time.time_ns() // 86_400_000_000_000
KILLS = max(3, FAULTS // 10)
pytestmark = pytest.mark.timeout(120 + 3 * FAULTS)
CLIENT = str(Path(__file__).with_name("crashing_client.py"))
AT_REST = 8  # runs that must be enough once the storm is over

CALDAV: list[dict[str, Any]] = [
    {"kind": "lose", "share": 0.06},
    {"kind": "cut", "share": 0.04},
    {"kind": "drop", "share": 0.03},
    {"kind": "late", "share": 0.05, "status": 504},
    {"kind": "fail", "share": 0.02, "status": 503},
    {"kind": "fail", "share": 0.01, "status": 429, "retry_after": 1},
    {"kind": "fail", "share": 0.02, "status": 423},
    {"kind": "html", "share": 0.02},
    {"kind": "no_etag", "share": 0.08},
    {"kind": "weak_etag", "share": 0.04},
    {"kind": "stale", "share": 0.05, "method": "GET"},
    {"kind": "truncate", "share": 0.1, "method": "sync-collection"},
    {"kind": "token", "share": 0.2, "method": "sync-collection", "status": 403},
    {"kind": "duplicate", "share": 0.1},
    {"kind": "empty", "share": 0.1, "method": "PROPFIND"},
    {"kind": "bare", "share": 0.05, "method": "PROPFIND"},
]
GOOGLE: list[dict[str, Any]] = [
    {"kind": "lose", "share": 0.06},
    {"kind": "cut", "share": 0.04},
    {"kind": "drop", "share": 0.03},
    {"kind": "fail_after", "share": 0.05, "status": 500},
    {"kind": "fail", "share": 0.03, "status": 503},
    {"kind": "fail", "share": 0.01, "status": 429, "retry_after": 1, "reason": "rateLimitExceeded"},
    {"kind": "html", "share": 0.02},
    {"kind": "half", "share": 0.04},
]


class Outside(Protocol):
    """The other side as the test sees it."""

    kinds: list[dict[str, Any]]
    process: Any

    def events(self, link: Link) -> list[Event]: ...

    def deed(self, link: Link, dice: random.Random) -> None: ...

    def strangers(self) -> Counter[str]: ...

    def touched(self) -> int: ...


@dataclass
class OnCalDav:
    """The strict stub; a person uses the clinic's account."""

    process: CalDavProcess
    kinds: list[dict[str, Any]] = field(default_factory=lambda: CALDAV)

    def events(self, link: Link) -> list[Event]:
        items = self.process.items(_slug(link)).values()
        ours = [ical.parse(item["body"].encode()) for item in items if item["made_by"] == "client"]
        return sorted((event for event in ours if event), key=lambda event: event.name)

    def deed(self, link: Link, dice: random.Random) -> None:
        slug = _slug(link)
        ours = sorted(name for name, item in self.process.items(slug).items() if item["made_by"] == "client")
        do = dice.choice(("rename", "delete", "put"))
        if do == "put":
            uid = f"own-{dice.randrange(10**9)}"
            self.process.person("put", slug, f"{uid}.ics", body=foreign(uid).decode())
        elif ours:
            self.process.person(do, slug, dice.choice(ours), summary="обед")

    def strangers(self) -> Counter[str]:
        every = (item for one in self.process.calendars() for item in one["items"].values())
        return Counter(item["uid"] for item in every if item["made_by"] == "person")

    def touched(self) -> int:
        return int(self.process.books()["foreign touched"])


@dataclass
class OnGoogle:
    """The strict fake of Google; every doctor has an account of his own."""

    process: GoogleProcess
    kinds: list[dict[str, Any]] = field(default_factory=lambda: GOOGLE)

    def events(self, link: Link) -> list[Event]:
        rows = self._rows(link.address)
        ours = [found(row).event for identity, row in rows.items() if name_of(identity)]
        return sorted((event for event in ours if event), key=lambda event: event.name)

    def _rows(self, calendar: str) -> dict[str, dict[str, Any]]:
        return {id_: row for id_, row in self.process.events(calendar).items() if row["status"] != "cancelled"}

    def deed(self, link: Link, dice: random.Random) -> None:
        ours = sorted(identity for identity in self._rows(link.address) if name_of(identity))
        do = dice.choice(("change", "remove", "add"))
        if do == "add":
            times = {key: {"dateTime": f"2026-11-30T1{hour}:00:00Z"} for key, hour in (("start", 0), ("end", 1))}
            self.process.add(link.address, {"summary": "Отпуск", **times})
        elif ours and do == "change":
            self.process.change(link.address, dice.choice(ours), summary="обед")
        elif ours:
            self.process.remove(link.address, dice.choice(ours))

    def strangers(self) -> Counter[str]:
        calendars = [one["id"] for one in self.process.ask("GET", "calendars")]
        return Counter(id_ for each in calendars for id_ in self._rows(each) if not name_of(id_))

    def touched(self) -> int:
        return int(self.process.books()["foreign_touched"])


@pytest.fixture(scope="session")
def storm_clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("storm") / "clinic.db"
    generated(path, TODAY, branches=1, doctors=3)
    return path


@pytest.fixture(params=["caldav", "google"])
def there(request: pytest.FixtureRequest) -> Iterator[Outside]:
    if request.param == "caldav":
        with CalDavProcess(users={USER: PASSWORD}, seed=SEED) as stub:
            yield OnCalDav(stub)
        return
    with GoogleProcess(seed=SEED) as google:
        google.options(per_minute_user=0, per_minute=0)
        yield OnGoogle(google)


@pytest.fixture
def network(
    there: Outside, storm_clinic: Path, clone: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Network]:
    monkeypatch.setenv("TEST_CALENDAR", PASSWORD)
    monkeypatch.setattr(keeping, "REPAIRS", 10**6)  # people here edit for weeks within a minute
    engine, store = create_engine(_copied(storm_clinic, tmp_path)), open_store(clone("sqlite"))
    common: dict[str, Any] = {"rate": 1000.0, "days": 3, "back_days": 1, "timeout": 5_000}
    if isinstance(there, OnGoogle):
        destination = CalendarDestination(
            kind="google", url=there.process.url, client_id=there.process.app[0], client_secret="env:TEST_SECRET",
            seal="env:TEST_SEAL", **common,
        )  # fmt: skip
        monkeypatch.setenv("TEST_SECRET", there.process.app[1])
        monkeypatch.setenv("TEST_SEAL", "a long key of the whole network")
        for doctor in (1, 2, 3):
            token = there.process.grant(f"doctor-{doctor}@example.com")
            admit(store, NAME, destination, Account(doctor, "own", None, None), token, None, fresh=True)
    else:
        url = there.process.url.rstrip("/")
        destination = CalendarDestination(kind="caldav", url=url, user=USER, password="env:TEST_CALENDAR", **common)
    yield Network(store, ClinicSource(engine), engine, destination)
    store.close()
    engine.dispose()


async def test_nothing_twice_nothing_lost_nothing_foreign_touched(network: Network, there: Outside):
    dice = random.Random(SEED)
    print(f"IDENTSYNC_STORM_SEED={SEED}")
    await network.go()  # calendars are made in fair weather: Google makes another one after a lost answer
    met = 0
    while met < FAULTS:
        for kind in there.kinds:
            there.process.fault(times=None, **kind)
        for _ in range(dice.randrange(1, 8)):
            _clinic_changes(network, dice)
        for link in network.links().values():
            if dice.random() < 0.5:
                there.deed(link, dice)
        network.forget_patience()
        await _run(network)
        there.process.behave()
        met = sum(count for what, count in there.process.books()["counts"].items() if what.startswith("fault "))
    strangers = there.strangers()
    for _ in range(AT_REST):
        network.forget_patience()
        if await _run(network) is Status.OK and _in_step(network, there):
            break
    wanted = network.wanted()
    assert {e.name: e for link in network.links().values() for e in there.events(link)} == wanted, "lost or wrong"
    assert sum(len(there.events(link)) for link in network.links().values()) == len(wanted), "twice"
    assert (there.strangers(), there.touched()) == (strangers, 0)
    print(f"{met} faults met, {len(wanted)} events")


async def test_killed_at_any_moment_nothing_is_twice_and_nothing_lost(
    storm_clinic: Path, clone: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """SIGKILL in the middle of runs, again and again, while the clinic changes and some answers are lost besides."""
    monkeypatch.setenv("TEST_CALENDAR", PASSWORD)
    dice = random.Random(SEED)
    print(f"IDENTSYNC_STORM_SEED={SEED}")
    with CalDavProcess(users={USER: PASSWORD}, seed=SEED) as stub:
        settings = {"store": clone("sqlite"), "clinic": _copied(storm_clinic, tmp_path), "url": stub.url.rstrip("/")}
        network, there = network_of(settings), OnCalDav(stub)
        stub.fault("lose", times=None, share=0.02)
        for _ in range(KILLS):
            _kill_one(settings, stub, dice)
            _clinic_changes(network, dice)
        stub.behave()
        for _ in range(AT_REST):
            network.forget_patience()
            if await _run(network) is Status.OK and _in_step(network, there):
                break
        assert _in_step(network, there), "twice or lost"
        assert there.touched() == 0
        network.store.close()
        network.engine.dispose()


def _kill_one(settings: dict[str, str], stub: CalDavProcess, dice: random.Random) -> None:
    """Start a client and kill it after so many more requests: what it does between two of them it does every time."""
    enough = stub.books()["requests"] + dice.randrange(1, 60)
    command = [sys.executable, CLIENT, json.dumps(settings)]
    client = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert client.stdout is not None
    try:
        client.stdout.readline()  # its imports take longer than all its requests
        until = time.monotonic() + 60
        while stub.books()["requests"] < enough:
            assert client.poll() is None, "the client ended by itself"
            assert time.monotonic() < until, "the client asks for nothing"
    finally:
        client.kill()
        client.communicate()


def _copied(clinic: Path, folder: Path) -> str:
    path = folder / "clinic.db"
    path.write_bytes(clinic.read_bytes())
    return f"sqlite:///{path}"


async def _run(network: Network) -> Status:
    """One run; a person comes and allows what the brake stops, and connects again what was refused."""
    outcome = await network.go()
    assert outcome.status is not Status.FAILED, outcome
    with network.store.write() as connection:
        if outcome.status is Status.ASK:
            approve(connection, stream_of(NAME), 1)
        for link in books.links(connection, NAME).values():
            if link.state == "refused":
                books.set_state(connection, NAME, link.doctor, "on", network.now_ms())
    return outcome.status


def _in_step(network: Network, there: Outside) -> bool:
    events = [event for link in network.links().values() for event in there.events(link)]
    return sorted(events, key=lambda event: event.name) == sorted(network.wanted().values(), key=lambda e: e.name)


def _clinic_changes(network: Network, dice: random.Random) -> None:
    ids = [row[0] for row in network.ask("SELECT appointment_id FROM clinic_appointment ORDER BY 1")]
    values = {"id": dice.choice(ids), "by": dice.choice((-15, 15, 30)), "doctor": dice.choice((1, 2, 3))}
    match dice.choice(("move", "move", "swap", "cancel", "book")):
        case "move":
            network.sql(
                "UPDATE clinic_appointment SET start_minute=start_minute+:by WHERE appointment_id=:id", **values
            )
        case "swap":
            network.sql("UPDATE clinic_appointment SET doctor_id=:doctor WHERE appointment_id=:id", **values)
        case "cancel":
            network.sql("DELETE FROM clinic_appointment WHERE appointment_id=:id", **values)
        case "book":
            at = (TODAY + dice.randrange(3)) * 1440 + dice.randrange(540, 1200)
            network.sql(
                "INSERT INTO clinic_appointment (appointment_id, branch_id, doctor_id, kind, start_minute, "
                "length_minutes) VALUES (:id, 1, :doctor, 0, :at, 30)",
                id=max(ids) + 1, doctor=values["doctor"], at=at,
            )  # fmt: skip


def _slug(link: Link) -> str:
    return link.address.rstrip("/").rpartition("/")[2]
