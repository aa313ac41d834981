"""Senders killed at every step and at random, a gateway that loses answers: nothing goes out twice, nothing is lost.

``IDENTSYNC_STORM=2000 pytest tests/messaging/test_crash.py`` sends two thousand; every day it is fewer.
"""

import asyncio
import json
import os
import random
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select

from identsync.clinic.contract import contract
from identsync.demo.gateway.desk import KEY
from identsync.demo.gateway.process import GatewayProcess
from identsync.integrations.messaging import books, resting
from identsync.integrations.messaging.message import Medium
from identsync.integrations.messaging.single import Letter, send
from identsync.store import Store
from identsync.store.tables import outbox

from .sending_client import NAME, Desk

COUNT = int(os.environ.get("IDENTSYNC_STORM", "160"))
SEED = int(os.environ.get("IDENTSYNC_STORM_SEED", "0")) or secrets.randbelow(10**6) + 1
STEPS = ("announced", "sent", "settling")
KILLS = max(4, COUNT // 100)
CLIENT = str(Path(__file__).with_name("sending_client.py"))
FAULTS: list[dict[str, Any]] = [
    {"kind": "lose", "share": 0.05},
    {"kind": "cut", "share": 0.03},
    {"kind": "drop", "share": 0.03},
    {"kind": "late", "share": 0.03},
    {"kind": "fail", "share": 0.02},
    {"kind": "html", "share": 0.02},
    {"kind": "half", "share": 0.02},
    {"kind": "hang", "share": 0.005},
    {"kind": "refuse", "share": 0.02, "code": 6},
    {"kind": "refuse", "share": 0.01, "code": 9},
]
pytestmark = [pytest.mark.processes, pytest.mark.timeout(120 + COUNT // 2)]


@pytest.fixture
def gateway() -> Iterator[GatewayProcess]:
    with GatewayProcess(seed=SEED) as process:
        process.options(balance=10**9)
        yield process


def planned(store: Store, count: int) -> None:
    """Plan so many messages to as many numbers."""
    now = store.now_ms()
    with store.write() as connection:
        for number in range(count):
            address = f"+7945{number:07d}"
            letter = Letter(
                token=f"letter {number}", medium=Medium.SMS, text=f"Сообщение {number}", address=address, urgent=True
            )
            send(connection, letter, by="Иванова", now_ms=now)


def states(store: Store) -> Counter[str]:
    with store.read() as connection:
        rows = connection.execute(select(outbox.c.state, func.count()).group_by(outbox.c.state))
        return Counter(dict(rows.all()))


def test_killed_at_every_step_and_at_random_nothing_goes_out_twice(
    store: Store, store_url: str, gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_SMS", KEY)
    clinic = create_engine(store_url)
    contract.create_all(clinic)
    clinic.dispose()
    settings = {"store": store_url, "clinic": store_url, "url": gateway.url("smsc"), "dies": ""}
    planned(store, COUNT)
    for fault in FAULTS:
        gateway.fault(path="send.php", times=None, **fault)
    dice = random.Random(SEED)
    for number in range(KILLS):
        step = STEPS[number] if number < len(STEPS) else ""
        until_killed(settings | {"dies": step}, dice)
        store_waits_no_more(store)
    gateway.behave()
    desk = Desk(settings)
    asyncio.run(at_rest(desk))
    judged(store, gateway)
    desk.close()


def until_killed(settings: dict[str, Any], dice: random.Random) -> None:
    """Let a client work until it has killed itself, or has worked a little and is killed."""
    command = [sys.executable, CLIENT, json.dumps(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline().strip() == b"ready"
        try:
            client.wait(30 if settings["dies"] else dice.uniform(0.05, 1.0))
        except subprocess.TimeoutExpired:
            client.kill()
        assert client.wait(10) != 0


def store_waits_no_more(store: Store) -> None:
    """Let what was put off by a channel that rests be due again, and the channel rest no more."""
    resting.forget()
    with store.write() as connection:
        connection.execute(outbox.update().where(outbox.c.state == "planned").values(due_ms=0))


async def at_rest(desk: Desk) -> None:
    """Send the rest without faults, and ask the gateway about all of it."""
    until = time.monotonic() + 60 + COUNT // 8
    while time.monotonic() < until:
        await desk.send()
        await desk.ask()
        left = states(desk.store)
        if not left["planned"] and not left["submitting"] and not left["accepted"]:
            with desk.store.write() as connection:  # minutes later
                connection.execute(outbox.update().values(submitted_ms=outbox.c.submitted_ms - books.SURE_MS))
            await desk.ask()
            return
        store_waits_no_more(desk.store)
    raise AssertionError(f"not at rest: {states(desk.store)}")


def judged(store: Store, gateway: GatewayProcess) -> None:
    """Compare the gateway's own list with ours, message by message."""
    there = Counter(message["phone"] for message in gateway.messages())
    tokens = Counter(message["own"] for message in gateway.messages())
    assert max(there.values()) == 1, f"seed {SEED}: sent twice: {[p for p, n in there.items() if n > 1]}"
    assert max(tokens.values()) == 1
    with store.read() as connection:
        rows = connection.execute(select(outbox)).all()
    assert len(rows) == COUNT
    for row in rows:
        came = f"7945{int(row.address[5:]):07d}" in there
        assert row.state in ({"delivered"} if came else {"unknown", "failed"}), (row.state, came, row.reason)
        if row.state == "unknown":
            assert row.reason == "шлюз такого сообщения не знает"
    assert there.total() > COUNT // 8
    assert rows[0].channel == NAME
