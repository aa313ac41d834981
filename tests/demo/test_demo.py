"""``identsync demo`` as a newcomer runs it: nothing is lost, doubled or missed on either side, nothing stays behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from identsync.console.words import COUNTS
from identsync.store import open_store
from identsync.store.tables import run_log

pytestmark = pytest.mark.processes
KEYS = ["seconds", "clients", "killed", "runs", "double_runs", "missed_runs", "leads_made", "leads_received"]
KEYS += ["leads_doubled", "timetables_confirmed", "calendar_events_wanted", "calendar_events_confirmed"]
KEYS += ["calendar_events_doubled", "messages_sent", "messages_doubled", "messages_unknown"]
KEYS += ["addresses_asked", "addresses_again", "addresses_found"]
KEYS += ["calls_made", "calls_known", "calls_doubled", "cases_taken", "cases_doubled", "errors"]


SMALL = ("--branches", "1", "--doctors", "2", "--clients", "2")  # whose end is tried, not its work


def start(*options: str, folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "identsync", "demo", "--port", "0", *options]
    environment = os.environ | {"TMPDIR": str(folder), "TEMP": str(folder), "IDENTSYNC_LANG": "ru", "COLUMNS": "120"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", env=environment)


def left_behind(folder: Path) -> list[str]:
    """Command lines of processes of this demo that still run."""
    found = []
    for process in psutil.process_iter():
        try:
            environment, line = process.environ(), process.cmdline()
        except psutil.Error:
            continue
        if environment.get("TMPDIR") == str(folder) and "identsync" in " ".join(line):
            found.append(" ".join(line))
    return found


def counted(folder: Path) -> set[str]:
    """The names of all counts in the journal of a demo."""
    store = open_store(f"sqlite:///{folder / 'demo.db'}")
    with store.read() as connection:
        every = connection.execute(select(run_log.c.counts)).scalars().all()
    store.close()
    return {name for counts in every for name in json.loads(counts)}


def test_killing_the_holder_loses_and_doubles_nothing(tmp_path: Path) -> None:
    options = ("--branches", "2", "--doctors", "2", "--clients", "4", "--kill", "--seconds", "9", "--json")
    process = start(*options, "--folder", str(tmp_path / "kept"), folder=tmp_path)
    out, told = process.communicate(timeout=90)
    summary = json.loads(out)
    assert out.count("\n") == 1
    assert list(summary) == KEYS
    assert process.returncode == 0, (summary, told)
    assert summary["clients"] == 4
    assert summary["killed"] >= 1
    assert summary["runs"] > summary["killed"]
    assert summary["timetables_confirmed"] > 0
    assert summary["leads_received"] == summary["leads_made"] > 0
    assert summary["calendar_events_confirmed"] == summary["calendar_events_wanted"] > 100
    faults = ("double_runs", "missed_runs", "leads_doubled", "calendar_events_doubled", "errors")
    assert [summary[key] for key in faults] == [0, 0, 0, 0, 0], told
    assert "в календари врачей записано событий" in told
    assert "Убиваю" in told
    assert left_behind(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert counted(tmp_path / "kept") - COUNTS.keys() == set(), "the journal's page has no words for these"


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM is not sent to a process of Windows")
def test_it_ends_cleanly_when_told_to(tmp_path: Path) -> None:
    process = start(*SMALL, folder=tmp_path)
    assert process.stdout is not None
    wanted = {"расписание на", "контракт N3 сверены", "N3 принял случаев", "N3 не ответил", "не готово случаев"}
    for line in process.stdout:
        wanted = {words for words in wanted if words not in line}
        if not wanted:
            break
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, out + errors
    assert "Ничего не потеряно" in out
    assert "Traceback" not in errors
    assert left_behind(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_nothing_outlives_a_demo_that_is_killed(tmp_path: Path) -> None:
    process = start(*SMALL, folder=tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if "Программ запущено" in line:
            break
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) == 10  # two clients, two sites, calendar server, SMS gateways, geocoders, PBX, N3, its books
    process.kill()
    process.communicate()
    _gone, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
