"""When people are left in peace: quiet hours on the branch's wall clock, so many messages a day, and the policy."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from identsync.clinic.clock import DAY, minute_now, to_ms
from identsync.spans import MINUTE_MS
from identsync.store.lists import portions
from identsync.store.tables import message, message_policy, outbox

COUNTED = ("submitting", "accepted", "delivered", "unknown", "expired")
"""States of messages that went out, or may have: they count against the day's limit."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Nothing goes out from minute ``quiet_from`` of the day until ``quiet_until``; the same = there is no such time.

    ``per_day`` messages to one patient in a day of the branch, SMS and mails together; 0 = any number.
    ``service_consent``: reminders too need a recorded consent.
    """

    quiet_from: int = 21 * 60
    quiet_until: int = 9 * 60
    per_day: int = 3
    service_consent: bool = False

    def is_quiet(self, minute: int) -> bool:
        """Tell whether a wall minute lies in the quiet hours."""
        at, start, end = minute % DAY, self.quiet_from, self.quiet_until
        return start <= at < end if start <= end else at >= start or at < end


def policies(connection: Connection) -> dict[int, Policy]:
    """Give the policies by branch; 0 = the network's, always there."""
    p = message_policy.c
    rows = connection.execute(select(p.scope, p.quiet_from, p.quiet_until, p.per_day, p.service_consent))
    return {0: Policy()} | {scope: Policy(start, end, most, bool(asks)) for scope, start, end, most, asks in rows}


def policy(connection: Connection, branch: int = 0) -> Policy:
    """Give a branch's policy: its own, else the network's, else the usual one."""
    every = policies(connection)
    return every.get(branch, every[0])


def save_policy(connection: Connection, branch: int, wanted: Policy, *, by: str, now_ms: int) -> None:
    """Write a policy down; ``branch`` 0 = of the network. Raises ValueError for minutes that no day has."""
    if not (0 <= wanted.quiet_from <= DAY and 0 <= wanted.quiet_until <= DAY and 0 <= wanted.per_day <= 1_000):
        raise ValueError("quiet hours are minutes of a day, the limit is 0 to 1000")
    values: dict[str, Any] = {"quiet_from": wanted.quiet_from, "quiet_until": wanted.quiet_until}
    values |= {"per_day": wanted.per_day, "service_consent": int(wanted.service_consent)}
    values |= {"changed_by": by[:100], "changed_ms": now_ms}
    mine = message_policy.c.scope == branch
    if connection.execute(update(message_policy).where(mine).values(values)).rowcount == 0:
        connection.execute(insert(message_policy).values(scope=branch, **values))


def permitted(zone: str, at_ms: int, policy: Policy) -> int:
    """Give the first moment from ``at_ms`` on that is not quiet in ``zone`` (epoch ms UTC)."""
    minute = minute_now(zone, at_ms)
    if not policy.is_quiet(minute):
        return at_ms
    left = (policy.quiet_until - minute) % DAY or DAY
    until = to_ms(zone, minute + left)
    # Where the end's minute comes twice (clocks go back), ours may be its second time.
    until = until if until > at_ms else (at_ms // MINUTE_MS + left) * MINUTE_MS
    return until if not policy.is_quiet(minute_now(zone, until)) else permitted(zone, until + MINUTE_MS, policy)


def day_began(zone: str, at_ms: int) -> int:
    """Give when the day of ``at_ms`` began in ``zone`` (epoch ms UTC)."""
    return to_ms(zone, minute_now(zone, at_ms) // DAY * DAY)


def tomorrow(zone: str, at_ms: int, policy: Policy) -> int:
    """Give the first moment of the next day in ``zone`` that is not quiet."""
    return permitted(zone, to_ms(zone, (minute_now(zone, at_ms) // DAY + 1) * DAY), policy)


def went_out(connection: Connection, patients: Collection[int], since_ms: int) -> dict[int, list[int]]:
    """Give when messages went out, or may have, to these patients since then (epoch ms)."""
    found: dict[int, list[int]] = {}
    for some in portions(patients):
        here = message.c.patient_id.in_(some), outbox.c.state.in_(COUNTED)
        rows = select(message.c.patient_id, outbox.c.submitted_ms).join_from(
            message, outbox, outbox.c.id == message.c.outbox_id
        )
        for patient, submitted in connection.execute(rows.where(*here, outbox.c.submitted_ms >= since_ms)):
            found.setdefault(patient, []).append(submitted)
    return found
