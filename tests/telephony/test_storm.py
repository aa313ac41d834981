"""Clients killed, connections cut, a PBX restarted, while people call: every call is one, in its right state.

``IDENTSYNC_STORM=1000 pytest tests/telephony/test_storm.py`` makes a thousand faults; every day fewer. What begins
and ends while nobody listens cannot be known of an Asterisk, which repeats nothing: a call ends here when it was seen.
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
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select

from identsync.clinic.contract import contract
from identsync.demo.pbx.peer import KEY
from identsync.demo.pbx.process import PbxProcess
from identsync.integrations.telephony.row import key_of
from identsync.store import Store
from identsync.store.tables import phone_call, phone_line, run_log, task_slot

FAULTS = int(os.environ.get("IDENTSYNC_STORM", "8"))
SEED = int(os.environ.get("IDENTSYNC_STORM_SEED", "0")) or secrets.randbelow(10**6) + 1
CLIENT = str(Path(__file__).with_name("attending_client.py"))
PHONES = [str(number) for number in range(101, 113)]
MOST = 6  # calls at one time
PATIENCE_S = 60.0
pytestmark = [pytest.mark.processes, pytest.mark.timeout(120 + FAULTS * 12)]


@pytest.fixture
def pbx(monkeypatch: pytest.MonkeyPatch) -> Iterator[PbxProcess]:
    monkeypatch.setenv("TEST_AMI", KEY)
    with PbxProcess(seed=SEED) as process:
        yield process


class Crowd:
    """Two clients; a killed one is followed by a new one."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = json.dumps(settings)
        self.clients = [self._started() for _each in range(2)]

    def kill(self, chance: random.Random) -> None:
        at = chance.randrange(len(self.clients))
        self.clients[at].kill()
        self.clients[at].wait()
        _close(self.clients[at])
        self.clients[at] = self._started()

    def end(self) -> None:
        for client in self.clients:
            client.kill()
            client.wait()
            _close(client)

    def _started(self) -> "subprocess.Popen[str]":
        command = [sys.executable, CLIENT, self._settings]
        client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
        return client


def _close(client: "subprocess.Popen[str]") -> None:
    assert client.stdout is not None
    client.stdout.close()


class Street:
    """People who call, and what the books say of their calls."""

    def __init__(self, pbx: PbxProcess, store: Store, chance: random.Random) -> None:
        self._pbx, self._store, self._chance = pbx, store, chance
        self.going: dict[str, str] = {}  # key: state that it has at the PBX
        self.over: dict[str, str] = {}
        self._numbers = iter(range(9_000_000_000, 9_999_999_999))
        self._rings: dict[str, list[str]] = {}  # key: whose phones
        pbx.phones(**{extension: {} for extension in PHONES})

    def step(self) -> None:
        """Let somebody call, or a phone be taken, or a call end that was seen as it is."""
        chance = self._chance.random()
        if len(self.going) < MOST and chance < 0.5:
            self._begin()
        elif self.going and chance < 0.75:
            key = self._chance.choice(list(self.going))
            if self.going[key] == "ringing":
                self._pbx.answer(key, self._chance.choice(self._rings[key]))
                self.going[key] = "talking"
        elif self.going:
            self._end(self._chance.choice(list(self.going)))

    def _begin(self) -> None:
        taken = {extension for key in self.going for extension in self._rings[key]}
        free = self._chance.sample([each for each in PHONES if each not in taken], 2)
        key = self._pbx.call(f"7{next(self._numbers)}", free)
        self.going[key], self._rings[key] = "ringing", free

    def _end(self, key: str) -> None:
        state = self.going.pop(key)
        self._until(lambda: self.seen().get(key_of(key)) == state)
        self._pbx.hang_up(key)
        self.over[key] = "answered" if state == "talking" else "missed"

    def restarted(self) -> None:
        """The PBX has lost every call that went on, seen or not."""
        for key in list(self.going):
            state = self.going.pop(key)
            self.over[key] = "answered" if state == "talking" else "missed"

    def see_all(self) -> None:
        """Wait until all that goes on is in the books as it is."""
        self._until(lambda: all(self.seen().get(key_of(key)) == state for key, state in self.going.items()))

    def end_all(self) -> None:
        for key in list(self.going):
            self._end(key)
        self._until(lambda: all(self.seen().get(key_of(key)) == state for key, state in self.over.items()))

    def _until(self, what: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not what():
            assert time.monotonic() < deadline, f"seed {SEED}: {self._told()}"
            time.sleep(0.02)

    def _told(self) -> str:
        """What a person needs to find out why."""
        with self._store.read() as connection:
            lines = connection.execute(select(phone_line)).all()
            runs = connection.execute(select(run_log).order_by(run_log.c.started_ms.desc()).limit(8)).all()
            slots = connection.execute(select(task_slot)).all()
        seen = self.seen()
        calls = {key: (state, seen.get(key_of(key))) for key, state in self.going.items()}
        return f"{calls}\n{lines}\n{runs}\n{slots}"

    def seen(self) -> dict[str, str]:
        with self._store.read() as connection:
            return {row.key: row.state for row in connection.execute(select(phone_call.c.key, phone_call.c.state))}


def test_no_call_is_lost_or_doubled_whatever_dies(store: Store, pbx: PbxProcess, tmp_path: Path) -> None:
    clinic = f"sqlite:///{tmp_path / 'clinic.db'}"
    engine = create_engine(clinic)
    contract.create_all(engine)
    engine.dispose()
    chance = random.Random(SEED)
    url = store.engine.url.render_as_string(hide_password=False)
    crowd = Crowd({"store": url, "clinic": clinic, "port": pbx.ami})
    street = Street(pbx, store, chance)
    try:
        for _fault in range(FAULTS):
            for _step in range(chance.randrange(1, 5)):
                street.step()
            match chance.choices(("cut", "kill", "restart"), (6, 3, 1))[0]:
                case "cut":
                    pbx.cut()
                case "kill":
                    crowd.kill(chance)
                case "restart":
                    street.see_all()
                    pbx.restart(chance.choice((0.0, 0.3)))
                    street.restarted()
        street.end_all()
    finally:
        crowd.end()
    with store.read() as connection:
        rows = Counter(connection.execute(select(phone_call.c.key)).scalars())
    assert rows == Counter({key_of(key): 1 for key in street.over}), f"seed {SEED}"
    assert {key_of(key): state for key, state in street.over.items()} == street.seen(), f"seed {SEED}"
