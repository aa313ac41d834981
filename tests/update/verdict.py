"""What the journal of a house must show, whoever was updated when."""

from itertools import pairwise

from identsync.demo.checker import Grid, JournalRow, check
from identsync.store.limiter import phase_ms
from update.house import House
from update.program import INTERVAL_MS, LEASE_MS, SLOTS

GRIDS = {(kind, scope): Grid(phase_ms(kind, scope, INTERVAL_MS), INTERVAL_MS, LEASE_MS) for kind, scope in SLOTS}
KNOWN = ("steady", "network")  # tasks that mean the same to both versions
LONGEST_MS = 10_000  # without a run of a task that somebody here may run: some leases, on a machine that does much else


def faults(house: House) -> list[str]:
    """Nothing ran twice, nothing was forgotten, and no old program touched what new ones had changed."""
    rows = house.rows()
    newest = {slot: fence for slot, fence in house.newest().items() if slot in GRIDS}
    found = check(rows, GRIDS, newest=newest).faults()
    old = {program.client for program in house.programs if program.version == "old"}
    changed = [row.holder in old for row in sorted(rows, key=lambda row: row.fence) if row.kind == "changed"]
    if changed != sorted(changed, reverse=True):
        found.append("an old program ran 'changed' after a new one")
    if old & {row.holder for row in rows if row.kind == "novel"}:
        found.append("an old program ran 'novel'")
    for kind in KNOWN:
        if (gap := longest(rows, kind, house.phases["begin"])) > LONGEST_MS:
            found.append(f"nobody ran {kind!r} for {gap} ms")
    found += [f"{p.log}: Traceback" for p in house.programs if "Traceback" in p.log.read_text(encoding="utf-8")]
    return found


def longest(rows: list[JournalRow], kind: str, since_ms: int, until_ms: int = 1 << 62) -> int:
    """Longest time between two runs of a task, ms."""
    began = sorted(row.started_ms for row in rows if row.kind == kind and since_ms <= row.started_ms < until_ms)
    return max((b - a for a, b in pairwise(began)), default=0)
