"""The compiler's verdict on all that a run of the tests has heard, told as one more test."""

import time

import pytest

import tsql
from sqlserver import fetching
from sqlserver.judging import Question, Statement, distinct, judge

NAME = "tests/sqlserver/verdict.py::every_statement_of_the_run"
SAID = pytest.StashKey[str]()


def is_wanted(session: pytest.Session) -> bool:
    """Say whether this run is a whole one that came to its end, or was told to judge: it takes seconds."""
    ended = session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}
    return ended and (_is_whole(session) or bool(session.config.getoption("judge")))


def _is_whole(session: pytest.Session) -> bool:
    """Say whether every test was run: none chosen by name, and none left out by a stop at the first failure."""
    config = session.config
    chosen = any(config.getoption(name, None) for name in ("keyword", "markexpr", "lf", "collectonly"))
    broken_off = bool(session.shouldfail or session.shouldstop)
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not chosen and not broken_off


def give(session: pytest.Session) -> None:
    """Judge what was heard; a fault fails the session, and where there is no compiler that is said."""
    began, missing = time.time(), fetching.missing() or tsql.DEAF
    found = [] if missing else _found()
    if _is_whole(session) and not missing and not tsql.heard:
        found = ["nothing was heard: what a run finds clean would be clean because nobody listened"]
    outcome, told = ("skipped", (__file__, 1, f"Skipped: {missing}")) if missing else ("passed", None)
    if found:
        outcome, told = "failed", "\n".join(["SQL Server would not take:", *found])
        session.testsfailed += 1
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    ended = time.time()
    judged = f"{len(tsql.heard)} statements heard, {len(distinct(statements()))} judged in {ended - began:.1f} s"
    report = pytest.TestReport(
        NAME, (__file__, 0, NAME), {}, outcome, told, "call", [("SQL Server", judged)], ended - began, began, ended
    )
    session.config.hook.pytest_runtest_logreport(report=report)
    session.config.stash[SAID] = missing or judged


def _found() -> list[str]:
    try:
        return judge(Question(statements()))[0]
    except RuntimeError as error:  # it could not say anything
        return [str(error)]


def statements() -> list[Statement]:
    """Return what was heard so far."""
    return [Statement(text, kinds, place) for text, (place, kinds) in tsql.heard.items()]
