"""A whole trial: what the server says of itself, then the contests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from identsync.language import _
from identsync.store.connect import database_url
from identsync.store.failures import sqlstate
from identsync.store.trial import contests
from identsync.store.trial.findings import Finding, Verdict
from identsync.store.trial.ground import Ground, ground
from identsync.store.trial.server import facts

CONTESTS: Sequence[Callable[[Ground], Finding]] = (
    contests.clock,
    contests.lost_answer,
    contests.claims,
    contests.turns,
    contests.zombie,
    contests.locked_row,
    contests.rates,
    contests.blocks,
)
OWN: Mapping[str, Sequence[Callable[[Ground], Finding]]] = {"mssql": (contests.bell,)}
"""Further contests, of one kind of database."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The findings of one trial on a database of kind ``dialect``."""

    dialect: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether the limiter may be trusted on this database."""
        return not any(finding.verdict is Verdict.BAD for finding in self.findings)


def run_trial(
    url: str,
    *,
    schema: str | None = None,
    connections: int = 8,
    seconds: float = 5.0,
    heard: Callable[[Finding], None] = lambda _finding: None,
) -> Trial:
    """Try the limiter at ``url`` for some ``seconds`` a contest; ``heard`` is told each finding as it is made.

    Raises Stop without the right to create tables in ``schema`` (None = the login's default), Unavailable where the
    database does not answer at all; a contest that breaks is a finding.
    """
    found: list[Finding] = []

    def add(finding: Finding) -> None:
        found.append(finding)
        heard(finding)

    with ground(url, schema, connections=connections, seconds=seconds) as g:
        for fact in facts(g.store):
            add(fact)
        for contest in (*CONTESTS, *OWN.get(g.store.dialect, ())):
            add(_tried(contest, g))
    return Trial(database_url(url).get_backend_name(), tuple(found))


def _tried(contest: Callable[[Ground], Finding], g: Ground) -> Finding:
    try:
        return contest(g)
    except Exception as error:
        cause = getattr(error, "orig", None) or error  # its kind and code only: a driver's message may quote data
        told = _("сорвалось: {kind} {code}", kind=type(cause).__name__, code=sqlstate(cause))
        return Finding(contest.__name__, contest.__name__, Verdict.BAD, told)
