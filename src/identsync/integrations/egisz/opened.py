"""A case that stays open at N3: what it is told of, and what N3 is known to have of it, so that no step goes twice.

Kept in the register as ``{"frame": digest, "steps": {id: digest}}`` from before CreateCase goes out until the case is
closed. A frame of 0 = CreateCase was tried, and nothing is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from identsync.integrations.egisz.case import Case, Visit
from identsync.integrations.egisz.digest import Digests


@dataclass(frozen=True, slots=True)
class Opened:
    """What N3 has of an open case: the digest of all but its steps, and each step's by its id."""

    frame: int = 0
    steps: Mapping[str, int] = field(default_factory=dict)

    def added(self, case: Case, told: "Opened") -> tuple[Visit, ...]:
        """Return the visits by which alone ``told`` of a case is more than this; nothing where it differs otherwise."""
        if self.frame != told.frame or not self.steps.items() <= told.steps.items():
            return ()
        return self.lacking(case)

    def lacking(self, case: Case) -> tuple[Visit, ...]:
        """Return the visits of a case that N3 is not known to have in any state."""
        return tuple(visit for visit in case.visits if visit.id not in self.steps)

    def with_step(self, id: str, digest: int) -> "Opened":
        """Return the same with one step more."""
        return replace(self, steps={**self.steps, id: digest})


def of(case: Case) -> Opened:
    """Return what N3 has when it has all of this case."""
    digests = Digests()
    frame = digests.of_care(replace(case, visits=()))
    return Opened(frame, {visit.id: digests.of_visit(visit, case.codes) for visit in case.visits})


def so_far(case: Case, now: datetime) -> Case:
    """Return what N3 is told of an open case: the visits that are over, and nothing that only its end knows."""
    over = tuple(visit for visit in case.visits if visit.end is not None and visit.end <= now)
    return replace(case, visits=over, conclusion="", codes=replace(case.codes, result=None))


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Opened).decode


def text(opened: Opened | None) -> str | None:
    """Return it as the register keeps it."""
    return None if opened is None else _encode(opened).decode()


def read(kept: str | None) -> Opened | None:
    """Return what the register keeps."""
    return None if kept is None else _decode(kept)
