"""Who plays in the demo, and when nobody did."""

from identsync.demo.crowd import Member
from identsync.demo.plan import Part, cast
from identsync.demo.summary import absences
from identsync.engine.integration import Role


def test_every_branch_has_an_administrator_first() -> None:
    parts = list(cast(8, 3))
    assert [part.role for part in parts] == [Role.ADMINISTRATOR] * 3 + [Role.DIRECTOR] * 3 + [Role.DOCTOR] * 2
    assert [part.branch for part in parts] == [1, 2, 3, 1, 2, 3, 1, 2]


def member(role: Role, branch: int, ready: int | None, ended: int | None) -> Member:
    return Member(Part(1, role, branch), process=None, client="x", ready_ms=ready, ended_ms=ended)  # type: ignore[arg-type]


def test_absence_is_the_time_without_anybody_who_may_work() -> None:
    members = [
        member(Role.ADMINISTRATOR, 1, 0, 100),
        member(Role.ADMINISTRATOR, 1, 150, None),
        member(Role.DIRECTOR, 2, 50, 300),
        member(Role.DOCTOR, 2, 0, None),
        member(Role.DIRECTOR, 2, None, None),  # never came up
    ]
    spans = absences(members, 0, 400)
    assert spans[1] == [(100, 150)]
    assert spans[2] == [(0, 50), (300, 400)]
    assert spans[0] == []
