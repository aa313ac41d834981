"""A clock that is wrong is told, with every clock that is known: nothing else would ever show it."""

from pathlib import Path

import pytest

from identsync.cli import clocks
from identsync.cli.clocks import TOLERABLE_MS, clock_problems
from identsync.language import speak
from identsync.settings import Settings, parse
from identsync.store import Store, open_store
from identsync.store.limiter.sqlite import CLOCK

FOLDER = "[client]\nbranch = 1\n[database]\nurl = 'sqlite:///identsync.db'\n"
SERVERS = "[client]\nbranch = 1\n[database]\nurl = 'postgresql+psycopg://u@{}/e'\n[clinic]\nurl = 'postgresql+psycopg://u@{}/c'"


def store_ahead(folder: Path, ms: int) -> Store:
    return open_store(f"sqlite:///{folder / 'identsync.db'}", clock=f"{CLOCK}+{ms}")


def settings(text: str, folder: Path) -> Settings:
    speak("ru")
    return parse(text, folder=folder)


@pytest.mark.parametrize(("ahead_ms", "told"), [(0, 0), (TOLERABLE_MS // 2, 0), (-3 * TOLERABLE_MS, 1)])
def test_a_clock_is_told_where_it_is_further_away_than_is_tolerable(tmp_path: Path, ahead_ms: int, told: int) -> None:
    problems = list(clock_problems(settings(FOLDER, tmp_path), store_ahead(tmp_path, ahead_ms)))
    assert len(problems) == told
    assert all("расходятся" in each.what and "синхронизацию времени" in each.hint for each in problems)


@pytest.mark.parametrize(("engine", "clinic", "witness"), [("a", "b", True), ("a", "a", False)])
def test_the_clinics_server_is_a_witness_where_it_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, clinic: str, witness: bool
) -> None:
    """One server has one clock: a second look at it tells nothing about which one is wrong."""
    monkeypatch.setattr(clocks, "open_store", lambda _url, **_more: store_ahead(tmp_path, 0))
    ahead = store_ahead(tmp_path, 10 * TOLERABLE_MS)
    (problem,) = clock_problems(settings(SERVERS.format(engine, clinic), tmp_path), ahead)
    assert ("у базы клиники" in problem.what) is witness


def test_a_clinic_that_does_not_answer_is_no_witness(tmp_path: Path) -> None:
    text = SERVERS.format("127.0.0.2:1", "127.0.0.1:1")
    (problem,) = clock_problems(settings(text, tmp_path), store_ahead(tmp_path, 10 * TOLERABLE_MS))
    assert "у базы клиники" not in problem.what
