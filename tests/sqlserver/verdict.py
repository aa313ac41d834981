"""The compiler's verdict on all that a run of the tests has heard, told as one more test."""

import time

import pytest

import tsql
from sqlserver import fetching
from sqlserver.judging import Statement, distinct, judge

NAME = "tests/sqlserver/verdict.py::every_statement_of_the_run"


def is_wanted(config: pytest.Config) -> bool:
    """Say whether this run is a whole one, or was told to judge: a single test would wait for seconds."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    chosen = any(config.getoption(name, None) for name in ("keyword", "markexpr", "lf", "collectonly"))
    return bool(config.getoption("judge") or (whole and not chosen))


def give(session: pytest.Session) -> None:
    """Judge what was heard; a fault fails the session, and where there is no compiler that is said."""
    began, missing = time.time(), fetching.missing()
    found = [] if missing or not tsql.heard else judge(statements())
    outcome, told = ("skipped", (__file__, 0, f"Skipped: {missing}")) if missing else ("passed", "")
    if found:
        outcome, told = "failed", "\n".join(["what SQL Server would not take:", *found])
        session.testsfailed += 1
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    report = pytest.TestReport(
        NAME, (__file__, 0, NAME), {}, outcome, told or None, "call", start=began, stop=time.time(),
        duration=time.time() - began, sections=[("statements", f"{len(tsql.heard)} heard, {len(distinct(statements()))} judged")],
    )  # fmt: skip
    session.config.hook.pytest_runtest_logreport(report=report)


def statements() -> list[Statement]:
    """Return what was heard so far."""
    return [Statement(text, kinds, place) for text, (place, kinds) in tsql.heard.items()]
