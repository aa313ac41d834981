"""Lost messages looked for in a gateway's list of what it has taken, where it knows no ids of ours: by number and text.

Another message is never taken for a lost one, and a lost one is called absent only where nothing in the list could be
it: a person who reads "not there" sends it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from identsync.flows.sending import Fate, Receipt
from identsync.integrations.messaging.message import Absent, Missing
from identsync.integrations.messaging.wire.asking import digits

EARLY_MS = 120_000  # their clock and ours


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of such a list: id there, number ('' = not told), text, when it was made (None = not told), its fate."""

    id: str
    to: str
    text: str
    made_ms: int | None
    fate: Fate = Fate.ACCEPTED
    reason: str = ""


def looked_up(each: Missing, lost: Sequence[Missing], rows: Sequence[Listed]) -> Receipt | Absent | None:
    """Say what rows, complete since ``each`` was submitted, tell of it; None where they do not settle it."""
    here = [row for row in rows if _may_be(row, each)]
    alike = [row for row in here if row.made_ms is not None and row.to and _plain(row.text) == _plain(each.text)]
    rivals = [other for other in lost if other.to == each.to and _plain(other.text) == _plain(each.text)]
    if len(alike) == len(rivals) == 1 and alike[0].id:
        row = alike[0]
        return Receipt(row.fate, row.id, each.token, reason=row.reason)
    others = {_plain(other.text) for other in lost if other.to == each.to} - {_plain(each.text)}
    explained = all(row.to and _plain(row.text) in others for row in here)
    return Absent(each.token) if explained else None


def _may_be(row: Listed, each: Missing) -> bool:
    is_late = row.made_ms is None or row.made_ms >= each.at_ms - EARLY_MS
    return is_late and row.to in ("", digits(each.to))


def _plain(text: str) -> str:
    return " ".join(text.split())  # gateways trim texts
