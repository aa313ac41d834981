"""What a client knows, as frozen records: its tasks' slots, its seats, its policy. All times are local monotonic ms."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from identsync.engine.integration import Outcome, Role, Status
from identsync.store.limiter import Fence

__all__ = ["NEVER", "Holding", "Policy", "Seat", "Slot", "Spec", "State", "margin", "new_state", "presence", "replace"]

NEVER = 1 << 62


class Spec(Struct, frozen=True):
    """The part of a task that decisions need (engine.integration.Task without its function)."""

    kind: str
    scope: int
    interval_ms: int
    lease_ms: int
    deadline_ms: int
    proto: int = 1


class Policy(Struct, frozen=True):
    """How patient a client is, in milliseconds; the same for all clients of a network."""

    seat_lease_ms: int | None = None  # None = the shortest interval of the scope's tasks, between the next two
    seat_lease_min_ms: int = 20_000
    seat_lease_max_ms: int = 30_000
    presence_ttl_ms: int | None = None  # None = as ``presence`` says
    backoff_cap_ms: int = 16 * 60_000  # the longest sleep of a follower
    error_base_ms: int = 500  # first wait after an ask that failed; doubles
    error_cap_ms: int = 60_000
    answer_ms: int = 30_000  # an ask without any answer is given up after this
    cancel_grace_ms: int = 5_000  # a cancelled task has this long to end before it is abandoned
    finish_grace_ms: int = 1_000  # when the client stops, runs may end by themselves this long
    claim_slack_ms: int = 5_000  # a claim may wait this long for company, and at most a fifteenth of its interval
    finish_slack_ms: int = 1_000  # a finish may, and at most a tenth of its lease
    batch: int = 8  # asks for claims under way at once
    max_runs: int = 8  # runs at once
    max_abandoned: int = 3  # runs of one slot that ignore their cancellation; then the slot is left to other clients


class Holding(Struct, frozen=True):
    """A run this client holds, from the granted claim to the finish that was acknowledged."""

    fence: Fence
    started: int
    deadline: int
    trusted_until: int  # t_send + lease - margin: until then nobody else can have been granted the slot
    reason: Status | None = None  # why it was cancelled
    give_up_at: int = NEVER
    abandoned: bool = False
    outcome: Outcome | None = None  # the task has ended; the finish is to be acknowledged
    finishing: int = 0  # when the finish was asked for; 0 = not under way
    finish_at: int = NEVER  # when the finish may be asked for
    failures: int = 0
    poked: bool = False  # a person waits for it


class Slot(Struct, frozen=True):
    """One task of this client: when it is worth asking for, the ask under way, the run."""

    spec: Spec
    due: int = 0
    phase: int = -1  # local time of a grid instant, modulo the interval; -1 = not known
    request: str = ""  # id of the ask; kept when its answer was lost, so that the next ask finds the claim it won
    first_asked: int = 0
    asked: int = 0  # when the ask under way was made; 0 = none
    stale: int = 0  # denied answers in a row that named no later time
    failures: int = 0
    poked: bool = False  # a person wants it now: asked for without the seat as well
    known: bool = False  # the database has told its due time
    leased: bool = False  # it is due at the end of a lease, so the run that has it was not ended
    adopted: bool = False  # the seat's holder neglects it: asked for without the seat, until another client runs it
    newer: bool = False  # the row belongs to clients of a newer protocol
    fence: int = 0  # the newest fence seen here
    run: Holding | None = None
    abandoned: int = 0
    unable_until: int = 0  # this computer could not do it: asked for from then on, if nobody else does it; 0 = able
    told: int = NEVER  # what the loop's memory holds


class Seat(Struct, frozen=True):
    """A seat this client contends for; a hint who bothers to ask, never a permission to run."""

    scope: int
    lease_ms: int
    ttl_ms: int
    fence: int = 0  # 0 = not held
    trusted_until: int = 0
    soft_at: int = 0  # from then on it is asked for where something else is sent anyway
    look_at: int = 0  # then it is asked for
    asked: int = 0  # when the ask under way was made; 0 = none
    sequence: int = 0
    failures: int = 0
    stale: int = 0
    rank: int = 0  # 0 = holder or not known, 1 = first follower
    free_at: int = 0  # end of the winner's lease, as last told


class State(Struct, frozen=True):
    """All a client knows. ``index`` maps (kind, scope) to the position in ``slots`` and is shared, never changed."""

    client: str
    role: Role
    policy: Policy
    slots: tuple[Slot, ...]
    seats: tuple[Seat, ...]  # the branch's, then the network's
    index: dict[tuple[str, int], int]
    seed: int
    asks: int = 0
    listening: tuple[int, ...] = ()  # scopes whose bell is listened for
    started: bool = False
    stop_at: int = NEVER  # the end of the grace, once the client stops
    finish_until: int = NEVER
    leaving: int = 0  # seats are being given up; 0 = no, 1 = asked, 2 = done
    stopped: bool = False


def margin(lease_ms: int) -> int:
    """Return the part of a lease that is never trusted, ms: a tenth, at least 20 ms, at most 2 s."""
    return min(2_000, max(20, lease_ms // 10))


def presence(lease_ms: int, longest_ms: int) -> int:
    """Return how long after a sign of life an administrator counts as at work where none sleeps longer than that, ms.

    The first three followers look more often than six leases; who looks late does so by half at most.
    """
    return max(6 * lease_ms, longest_ms * 3 // 2 + lease_ms)


def new_state(
    client: str, role: Role, branch: int, specs: Sequence[Spec], *, policy: Policy | None = None, seed: int = 0
) -> State:
    """Return the state of a client that has not started, with the tasks of its branch and of the network."""
    policy = policy or Policy()
    mine = tuple(Slot(spec) for spec in specs if spec.scope in (branch, 0)) if role is not Role.DOCTOR else ()
    scopes = () if not mine else (branch, 0) if branch and any(s.spec.scope == 0 for s in mine) else (branch,)
    index = {(slot.spec.kind, slot.spec.scope): i for i, slot in enumerate(mine)}
    if len(index) != len(mine):
        raise ValueError("two tasks have the same kind and scope")
    # A director knows at first of no line, and so not how long an administrator in it may sleep.
    longest_ms = policy.backoff_cap_ms if role is Role.DIRECTOR else 0
    seats = tuple(_seat(scope, mine, policy, longest_ms) for scope in scopes)
    return State(client, role, policy, mine, seats, index, seed)


def _seat(scope: int, slots: Sequence[Slot], policy: Policy, longest_ms: int) -> Seat:
    shortest = min((s.spec.interval_ms for s in slots if s.spec.scope == scope), default=policy.seat_lease_max_ms)
    lease = policy.seat_lease_ms or max(policy.seat_lease_min_ms, min(shortest, policy.seat_lease_max_ms))
    return Seat(scope, lease, policy.presence_ttl_ms or presence(lease, longest_ms))
