"""When the compiler's verdict is asked for, and what it may complain of."""

from typing import Any

import pytest

from sqlserver import verdict


class Session:
    """What pytest tells of a run at its end."""

    def __init__(self, stopped: str | bool, *, judge: bool) -> None:
        self.exitstatus = pytest.ExitCode.TESTS_FAILED
        self.shouldfail, self.shouldstop, self.testsfailed = stopped, False, 1
        self.config: Any = self
        self.args_source = pytest.Config.ArgsSource.TESTPATHS
        self.stash: dict[Any, str] = {}
        self.hook: Any = self
        self.reports: list[pytest.TestReport] = []
        self._judge = judge

    def getoption(self, name: str, _default: object = None) -> object:
        return self._judge if name == "judge" else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append(report)


@pytest.fixture(autouse=True)
def nothing_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict.tsql, "heard", {})
    monkeypatch.setattr(verdict.fetching, "missing", lambda: "")
    monkeypatch.setattr(verdict, "judge", lambda _: [[]])


def told(stopped: str | bool, *, judge: bool) -> list[str]:
    """The outcomes of the verdict's report, none where it is not asked for."""
    session: Any = Session(stopped, judge=judge)
    if verdict.is_wanted(session):
        verdict.give(session)
    return [report.outcome for report in session.reports]


def test_a_whole_run_in_which_nothing_was_heard_proves_nothing() -> None:
    assert told(False, judge=False) == ["failed"]


def test_a_run_that_was_broken_off_is_not_blamed_for_what_it_did_not_hear() -> None:
    assert told("stopping after 1 failures", judge=False) == []
    assert told("stopping after 1 failures", judge=True) == ["passed"]
