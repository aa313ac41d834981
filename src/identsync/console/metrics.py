"""The engine's state for Prometheus: small, without personal data, answered to this computer only."""

from collections import Counter

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from identsync.engine.integration import PageContext, Role
from identsync.store import slots


def metrics(context: PageContext) -> bytes:
    """Return the text exposition of the slots and of who is present."""
    registry = CollectorRegistry()
    due = Gauge(
        "identsync_task_eligible_seconds", "Next due time, or end of the lease.", ["kind", "scope"], registry=registry
    )
    fine = Gauge(
        "identsync_task_last_ok_seconds", "When the task last ended well.", ["kind", "scope"], registry=registry
    )
    tries = Gauge(
        "identsync_task_attempts", "Tries since the task last ended well.", ["kind", "scope"], registry=registry
    )
    paused = Gauge("identsync_task_paused", "1 where a person paused the task.", ["kind", "scope"], registry=registry)
    clients = Gauge("identsync_clients", "Clients present, by role.", ["role"], registry=registry)
    with context.store.read() as connection:
        views = slots.overview(connection)
        seats = slots.seats(connection)
    for slot in views:
        labels = (slot.kind, str(slot.scope))
        due.labels(*labels).set(slot.eligible_ms / 1000)
        tries.labels(*labels).set(slot.attempt)
        paused.labels(*labels).set(int(slot.paused))
        if slot.last_ok_ms is not None:
            fine.labels(*labels).set(slot.last_ok_ms / 1000)
    present = Counter(role for _client, role in {(one.client, one.role) for seat in seats for one in seat.present})
    for role in (Role.ADMINISTRATOR, Role.DIRECTOR):
        clients.labels(role.name.lower()).set(present[role])
    return generate_latest(registry)
