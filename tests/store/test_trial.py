"""The trial that a customer runs on his own database: it passes on a sound one, and it bites."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import inspect, text

from identsync.store import Limiter, Store
from identsync.store.trial import Trial, Verdict, contests, run_trial
from identsync.store.trial.ground import ground


def bad(trial: Trial) -> set[str]:
    """Names of the bad findings; the suite's PostgreSQL runs without fsync on purpose."""
    return {f.name for f in trial.findings if f.verdict is Verdict.BAD} - {"durability"}


def test_a_sound_database_passes_and_is_left_as_it_was(store: Store) -> None:
    url = store.engine.url.render_as_string(hide_password=False)
    heard: list[str] = []
    before = inspect(store.engine).get_table_names(schema=store.schema)
    trial = run_trial(url, schema=store.schema, connections=4, seconds=0.8, heard=lambda f: heard.append(f.name))
    assert bad(trial) == set()
    assert heard == [finding.name for finding in trial.findings]
    assert {"claims", "zombie", "lost_answer", "locked_row", "rates", "clock"} <= set(heard)
    assert inspect(store.engine).get_table_names(schema=store.schema) == before


@pytest.mark.parametrize(
    ("operation", "broken", "found"),
    [
        ("renew", lambda *_args, **_named: 1_000, "zombie"),
        ("permits", lambda *_args, **_named: 0, "rates"),
    ],
)
def test_a_limiter_that_lets_too_much_pass_is_found(
    operation: str, broken: Callable[..., Any], found: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Limiter, operation, broken)
    assert bad(run_trial(sqlite_url, connections=4, seconds=0.8)) == {found}


def test_a_contest_that_breaks_is_a_finding_without_the_drivers_message(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object, **_named: object) -> bool:
        raise RuntimeError("row of Ivanova")

    monkeypatch.setattr(Limiter, "finish", broken)
    trial = run_trial(sqlite_url, connections=2, seconds=0.3)
    assert {"claims", "zombie"} <= bad(trial)
    assert not trial.passed
    assert not any("Ivanova" in finding.told for finding in trial.findings)


def test_a_fence_that_is_not_checked_is_found(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Store.write
    monkeypatch.setattr(Store, "write", lambda self, _fence=None: write(self))
    assert "zombie" in bad(run_trial(sqlite_url, connections=2, seconds=0.3))


class Waiting:
    """Stands for the connection of a SQL Server, which waits inside one statement: looks at SQLite's row itself."""

    def __init__(self, store: Store, *, deaf: bool) -> None:
        self._store, self._deaf, self.timeout = store, deaf, 10

    def cursor(self) -> "Waiting":
        return self

    def execute(self, sql: str) -> "Waiting":
        assert self.timeout == 0
        look = sql.rpartition("SELECT s.scope ")[2].replace("WITH (NOLOCK)", "").replace("@now", "0")
        self._asked = text(f"SELECT s.scope {look}")
        return self

    def fetchall(self) -> list[Any]:
        while not self._deaf:
            with self._store.read() as connection:
                if found := list(connection.execute(self._asked)):
                    return found
        return []

    def close(self) -> None: ...


@pytest.mark.parametrize("deaf", [False, True])
def test_sql_servers_bell_is_tried(deaf: bool, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "own_connection", lambda self: Waiting(self, deaf=deaf))
    with ground(sqlite_url, None, connections=2, seconds=0.3) as g:
        assert (contests.bell(g).verdict is Verdict.GOOD) is not deaf
