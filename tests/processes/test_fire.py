"""The limiter under fire, in short: every fault this machine can make for a few seconds, on either database.

``uv run poe fire`` is the long form.
"""

import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("needs fork, SIGSTOP and prctl", allow_module_level=True)

from processes.fire import Fire, Report, on_postgresql, on_sqlite
from processes.plan import SLOTS

pytestmark = pytest.mark.processes
SEED = 20_261_123
STORM_S = 2.5


def burnt(fire: Fire) -> Report:
    fire.begin()
    fire.storm(STORM_S, fire.every_kind(), per_second=6.0)
    fire.calm(runs=1)
    return fire.end()


def check(report: Report) -> None:
    print(report)
    assert report.violations == []
    assert report.verdict.good >= len(SLOTS)  # each ran well in the calm alone
    assert report.effects >= len(SLOTS)
    assert report.faults.total() >= 6 * STORM_S


@pytest.mark.postgresql
def test_sixteen_processes_under_fire_keep_every_promise_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    with on_postgresql(postgres_url, SEED, tmp_path) as fire:
        check(burnt(fire))


def test_sixteen_processes_under_fire_keep_every_promise_on_sqlite(tmp_path: Path) -> None:
    with on_sqlite(SEED, tmp_path) as fire:
        check(burnt(fire))
