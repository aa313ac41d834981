"""A slot's way: the answer to a claim, the run under its trust window, the finish that is repeated until answered."""

from dataclasses import replace

from identsync.engine import seat
from identsync.engine.draft import Draft
from identsync.engine.events import (
    AbandonRun,
    CancelRun,
    Claimed,
    ClaimFailed,
    DropRun,
    Finished,
    FinishFailed,
    FinishRun,
    LeaseLost,
    Renewed,
    Ring,
    RunEnded,
    StartRun,
    Turn,
)  # fmt: skip
from identsync.engine.integration import Outcome, Status
from identsync.engine.state import NEVER, Holding, Slot, margin
from identsync.language import _
from identsync.store.limiter import Claim, Denied, Fence

_QUICK = 3  # claims denied without a later time that are asked again at once
GIVEN_BACK = (Status.RELEASED, Status.LOST)

# -- answers to claims ----------------------------------------------------------------------------------------------


def claimed(d: Draft, event: Claimed) -> None:
    """Take in the answer to an ask; late answers are given back, doubled ones dropped.

    The request tells whether an answer is awaited, not the fence: that of a database restored from a backup goes back.
    """
    slot, claim = d.slots[event.slot], event.claim
    if event.request != slot.request:
        if claim.granted and claim.fence > slot.fence:  # so late that it was given up: nothing was started under it
            _give_back(d, event.slot, claim)
        return
    poked = slot.poked
    slot = d.slot(event.slot, request="", asked=0, failures=0, poked=False, known=True, leased=False)
    if claim.granted:
        _granted(d, event, slot, poked=poked)
    else:
        _denied(d, event.slot, slot, claim)


def _granted(d: Draft, event: Claimed, slot: Slot, *, poked: bool) -> None:
    claim, spec = event.claim, slot.spec
    trusted = event.sent + claim.eligible_ms - claim.now_ms - margin(spec.lease_ms)
    d.slot(event.slot, stale=0, phase=d.now + claim.due_ms - claim.now_ms)
    if d.now >= trusted or d.get("stop_at") != NEVER:
        _give_back(d, event.slot, claim)
        return
    deadline = d.now + spec.deadline_ms
    fence = _fence(d, event.slot, claim)
    run = Holding(fence, d.now, deadline, trusted, poked=poked)
    d.slot(event.slot, run=run, fence=claim.fence)
    until = deadline + 2 * d.old.policy.cancel_grace_ms
    every = max(1, spec.lease_ms // 3)
    d.act(StartRun(event.slot, fence, spec.lease_ms, every, until, claim.now_ms, event.sent))


def _fence(d: Draft, i: int, claim: Claim) -> Fence:
    spec = d.slots[i].spec
    return Fence.of(spec.kind, spec.scope, claim, d.old.client)


def _give_back(d: Draft, i: int, claim: Claim) -> None:
    """A granted claim under which nothing was started: make the slot eligible again."""
    slot, fence = d.slots[i], _fence(d, i, claim)
    if slot.run is None:
        run = Holding(
            fence, d.now, NEVER, NEVER, reason=Status.RELEASED, outcome=Outcome(Status.RELEASED), finish_at=d.now
        )
        d.slot(i, run=run, fence=claim.fence)
    else:
        d.act(Turn(finishes=(FinishRun(i, fence, Outcome(Status.RELEASED), release=True),)))


def _denied(d: Draft, i: int, slot: Slot, claim: Claim) -> None:
    remaining = claim.eligible_ms - claim.now_ms
    if claim.why in (Denied.PAUSED, Denied.PROTO):
        due, stale = NEVER, 0  # the seat's news tell when that ends
    elif remaining > 0:
        wait = min(remaining, seat.horizon(slot.spec))
        due, stale = d.now + wait + d.jitter(0, min(250, slot.spec.interval_ms // 20)), 0
    else:  # the row says "now", and yet it was denied: older than the winner, locked, or the role rule
        stale = slot.stale + 1
        quick = stale <= _QUICK and claim.why is not Denied.ROLE
        wait = d.jitter(50, 250) if quick else min(slot.spec.interval_ms, d.old.policy.seat_lease_max_ms)
        due = d.now + wait
    d.slot(i, due=due, stale=stale, adopted=False, newer=claim.why is Denied.PROTO)


def claim_failed(d: Draft, event: ClaimFailed) -> None:
    """Ask again later under the same request id, so that a claim won unheard is found again."""
    slot = d.slots[event.slot]
    if slot.asked and slot.request == event.request:  # the request id is kept: the claim may have been won
        failures = slot.failures + 1
        d.slot(event.slot, asked=0, failures=failures, due=d.now + d.backoff(failures))


# -- the run --------------------------------------------------------------------------------------------------------


def _current(d: Draft, i: int, fence: Fence) -> Holding | None:
    run = d.slots[i].run
    return run if run is not None and run.fence == fence else None


def renewed(d: Draft, event: Renewed) -> None:
    """Extend the trust window; it never shrinks by a late answer."""
    run = _current(d, event.slot, event.fence)
    if run is not None:
        until = event.sent + event.remaining - margin(d.slots[event.slot].spec.lease_ms)
        d.run(event.slot, trusted_until=max(run.trusted_until, until))


def lease_lost(d: Draft, event: LeaseLost) -> None:
    """The slot is another client's or nobody's: cancel the task at once."""
    run = _current(d, event.slot, event.fence)
    if run is None:
        return
    d.act(DropRun(event.slot, event.fence))
    if run.outcome is not None:  # the task has ended: a finish that is too late writes nothing
        _forget(d, event.slot, d.now + d.slots[event.slot].spec.lease_ms)
    elif run.reason is None:
        _cancel(d, event.slot, Status.LOST)


def _cancel(d: Draft, i: int, reason: Status) -> None:
    run = d.run(i, reason=reason, give_up_at=d.now + d.old.policy.cancel_grace_ms)
    d.act(CancelRun(i, run.fence, reason))


def run_ended(d: Draft, event: RunEnded) -> None:
    """The task is over, in whatever way: its outcome is to be written.

    What this computer cannot do is ended as neglected, so that whoever looks next takes it, programs of older versions
    too; this client stands aside until nobody does it (``due``).
    """
    slot, run = d.slots[event.slot], _current(d, event.slot, event.fence)
    if run is None or run.abandoned:
        d.slot(event.slot, abandoned=max(0, slot.abandoned - 1))
        if run is None:
            return
        d.run(event.slot, abandoned=False)
    elif run.outcome is None:
        outcome, unable_until = event.outcome, 0
        if outcome.elsewhere:
            outcome = replace(outcome, retry_ms=-3 * _standoff(d, slot) // 2)
            unable_until = d.now + max(_standoff(d, slot), min(slot.spec.interval_ms, d.old.policy.backoff_cap_ms))
        d.run(event.slot, outcome=outcome, finish_at=d.now, give_up_at=NEVER)
        d.slot(event.slot, unable_until=unable_until)


def finished(d: Draft, event: Finished) -> None:
    """The outcome is written, or was refused as stale: the slot is free again."""
    run, slot = _current(d, event.slot, event.fence), d.slots[event.slot]
    if run is None or run.outcome is None:
        return
    if not event.written:
        due = d.now + slot.spec.lease_ms
    elif run.outcome.status in GIVEN_BACK:
        due = d.now + d.jitter(1_000, 3_000)
    elif run.outcome.elsewhere:
        due = d.now
        d.act(Ring(tuple(dict.fromkeys((d.seats[0].scope, slot.spec.scope)))))
    else:
        due = _next_due(slot, d.now)
    _forget(d, event.slot, due)


def _next_due(slot: Slot, now: int) -> int:
    """Return the next instant of the slot's grid: a guess until the seat's news tell, never later than an interval."""
    interval = slot.spec.interval_ms
    return slot.phase + interval * ((now - slot.phase) // interval + 1)


def _forget(d: Draft, i: int, due: int) -> None:
    d.slot(i, run=None, due=due)


def finish_failed(d: Draft, event: FinishFailed) -> None:
    """Write the outcome again later; the lease is renewed meanwhile."""
    run = _current(d, event.slot, event.fence)
    if run is not None and run.finishing:
        failures = run.failures + 1
        d.run(event.slot, finishing=0, failures=failures, finish_at=d.now + d.backoff(failures))


# -- what time itself decides ---------------------------------------------------------------------------------------


def watch(d: Draft, i: int) -> int:
    """Look after one slot's ask and run; return when to look again."""
    slot = d.slots[i]
    if slot.asked:
        if d.now < slot.asked + d.old.policy.answer_ms:
            return slot.asked + d.old.policy.answer_ms
        claim_failed(d, ClaimFailed(i, slot.request))
    elif slot.request and d.now >= slot.first_asked + slot.spec.lease_ms:
        d.slot(i, request="")  # what that ask may have won is over
    run = slot.run
    if run is None:
        return NEVER
    return _watch_finish(d, i, run) if run.outcome is not None else _watch_task(d, i, run)


def _watch_task(d: Draft, i: int, run: Holding) -> int:
    """Cancel or abandon a run whose time is over, on Woke only: renewals are heard before it."""
    limits: list[tuple[int, Status]] = [(run.trusted_until, Status.LOST), (run.deadline, Status.LATE)]
    limits.append((d.get("finish_until"), Status.RELEASED))
    give_up_at: int = min(run.give_up_at, d.get("stop_at"))
    first = min(at for at, _ in limits) if run.reason is None else give_up_at
    if d.now < first or not d.woken:
        return first
    if run.reason is None:
        _cancel(d, i, next(reason for at, reason in limits if d.now >= at))
        return d.now + d.old.policy.cancel_grace_ms
    d.act(AbandonRun(i, run.fence))
    outcome = Outcome(run.reason, note=_("задача не прекратилась, когда её время вышло"))
    d.slot(i, abandoned=d.slots[i].abandoned + 1)
    run = d.run(i, abandoned=True, outcome=outcome, finish_at=d.now)
    return _watch_finish(d, i, run)


def _watch_finish(d: Draft, i: int, run: Holding) -> int:
    """Wait no longer for an answer that does not come; the turn asks again."""
    if not run.finishing:
        return NEVER
    late = run.finishing + d.old.policy.answer_ms
    if d.now < late:
        return late
    finish_failed(d, FinishFailed(i, run.fence))
    return NEVER


# -- when a slot is asked for, and how long a wish may wait for company in its turn ------------------------------------


def due(d: Draft, slot: Slot) -> int:
    """Return when a slot is to be asked for: what this computer could not do, not as long as others do it."""
    if not slot.unable_until or slot.poked or slot.request:
        return slot.due
    return max(slot.unable_until, slot.due + _standoff(d, slot))


def _standoff(d: Draft, slot: Slot) -> int:
    scope = d.seat_of(slot.spec.scope)
    assert scope is not None
    return seat.neglect(scope)


def slack(d: Draft, slot: Slot) -> int:
    """Return how long a claim that is due may wait, ms; a person, a first run, a doubt and a dead run do not wait."""
    if slot.poked or slot.request or slot.stale or slot.leased or not slot.known:
        return 0
    return min(d.old.policy.claim_slack_ms, slot.spec.interval_ms // 15)


def patience(d: Draft, slot: Slot, run: Holding) -> int:
    """Return how long an end that may be told may wait, ms: never into the next instant, nor far into the trust."""
    longest = min(d.old.policy.finish_slack_ms, slot.spec.lease_ms // 10, slot.spec.interval_ms // 15)
    if _is_awaited(run, 10 * longest) or _next_due(slot, run.finish_at) <= run.finish_at + 2 * longest:
        return 0
    return max(0, min(longest, run.trusted_until - slot.spec.lease_ms // 2 - run.finish_at))


def _is_awaited(run: Holding, soon: int) -> bool:
    """Say whether somebody waits for the end: a person, another client, the other side's retry, an earlier try."""
    outcome = run.outcome
    assert outcome is not None
    retried = outcome.retry_ms is not None and outcome.retry_ms < soon
    return run.poked or run.failures > 0 or outcome.status in GIVEN_BACK or retried
