"""Who takes part, what they run and how patient they are: everything scaled to leases below a second."""

from identsync.demo.checker import Grid, Slot
from identsync.engine.integration import Role
from identsync.engine.state import Policy
from identsync.store.limiter import phase_ms

A, D, X = Role.ADMINISTRATOR, Role.DIRECTOR, Role.DOCTOR
CAST: tuple[tuple[Role, int], ...] = (
    *((role, 1) for role in (A, A, A, A, D, X)),
    *((role, 2) for role in (A, A, A, D, X)),
    *((role, 3) for role in (D, D, D, D, X)),  # no administrator on the staff: directors run its tasks
)
BRANCHES = (1, 2, 3)

# Followers look at least each 3 leases and presence lasts 6, so that every client which is well is known to the others.
POLICY = Policy(
    seat_lease_ms=800, presence_ttl_ms=4_800, backoff_cap_ms=2_400, error_base_ms=50, error_cap_ms=400,
    answer_ms=3_000, cancel_grace_ms=500, finish_grace_ms=300,
)  # fmt: skip

INTERVALS = {"quick": 500, "slow": 1_500, "network": 700}
LEASES = {"quick": 800, "slow": 1_200, "network": 800}
DEADLINE_MS = 4_000
SLOTS: tuple[Slot, ...] = (*((kind, branch) for branch in BRANCHES for kind in ("quick", "slow")), ("network", 0))

# What a change of hands may cost beside interval and lease: the seat's lease, a follower's longest sleep and its
# jitter, a run that takes its time; the rest is for two cores that serve sixteen processes and a database.
SLACK_MS = 800 + 2_700 + 1_800 + 2_000
SETTLE_MS = 5_000


def grids() -> dict[Slot, Grid]:
    """When each slot is due."""
    return {
        (kind, scope): Grid(phase_ms(kind, scope, INTERVALS[kind]), INTERVALS[kind], LEASES[kind])
        for kind, scope in SLOTS
    }
