"""Cases of service in the demo: what N3 has taken, and what it got twice."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from identsync.demo.stage import Stage


@dataclass(frozen=True, slots=True)
class Compared:
    """Cases that N3 has; visits that it has twice, in two cases or in one."""

    taken: int = 0
    doubled: int = 0


def compared(stage: "Stage") -> Compared:
    """Count on N3's side."""
    cases = stage.n3.cases()
    visits = [step["IdStepMis"] for each in cases for step in each["content"]["Steps"]]
    return Compared(len(cases), len(visits) - len(set(visits)))
