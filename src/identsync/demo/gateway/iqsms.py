"""iqsms as it answers: a state in words for each message, a queue of states."""

import re
from typing import Any

from identsync.demo.gateway.desk import KEY, SENDER, USER, Answer, Desk, Fields, is_phone

QUEUE = re.compile(r"[A-Za-z0-9]{3,16}")


def iq_send(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """Take messages as iqsms: one status each."""
    if (wrong := _iq_key(f)) is not None:
        return wrong
    rows = f.get("messages")
    if not isinstance(rows, list) or not 0 < len(rows) <= 200:
        return 200, {"status": "error", "description": "error messages"}
    queue = str(f.get("statusQueueName", ""))
    if queue and not QUEUE.fullmatch(queue):
        return 200, {"status": "ok", "messages": [{"status": "invalid status queue name"} for _row in rows]}
    return 200, {"status": "ok", "messages": [_iq_take(desk, row, queue) for row in rows]}


def iq_status(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """Tell the states as iqsms: up to two hundred."""
    if (wrong := _iq_key(f)) is not None:
        return wrong
    rows = f.get("messages")
    if not isinstance(rows, list) or not 0 < len(rows) <= 200:
        return 200, {"status": "error", "description": "error messages"}
    return 200, {"status": "ok", "messages": [_iq_state(desk, row) for row in rows]}


def iq_queue(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """Tell each state of a queue once, as iqsms: up to a thousand."""
    if (wrong := _iq_key(f)) is not None:
        return wrong
    limit, queue = f.get("statusQueueLimit"), str(f.get("statusQueueName", ""))
    if not isinstance(limit, int) or not 0 < limit <= 1_000 or not QUEUE.fullmatch(queue):
        return 200, {"status": "error", "description": "error statusQueue"}
    fresh = [m for m in desk.taken if m.gateway == "iqsms" and m.queue == queue and desk.state(m) != m.told][:limit]
    for message in fresh:
        message.told = message.state
    rows = [_iq_state(desk, {"smscId": message.id}) for message in fresh]
    return 200, {"status": "ok", "statusQueueName": queue, "messages": rows}


def iq_balance(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """Tell the money left as iqsms."""
    left = {"type": "RUB", "balance": desk.balance / 100, "credit": 0}
    return _iq_key(f) or (200, {"status": "ok", "balance": [left]})


def _iq_key(f: Fields) -> Answer | None:
    if (f.get("login"), f.get("password")) == (USER, KEY):
        return None
    return 200, {"status": "error", "description": "error authorization"}


def _iq_take(desk: Desk, row: Fields, queue: str) -> dict[str, Any]:
    own = str(row.get("clientId", ""))
    if not is_phone(row.get("phone")):
        return {"status": "invalid mobile phone", "clientId": own}
    if not row.get("text"):
        return {"status": "text is empty", "clientId": own}
    if row.get("sender", SENDER) != SENDER:
        return {"status": "sender address invalid", "clientId": own}
    taken = desk.take("iqsms", row["phone"], row["text"], row.get("sender", ""), own)
    if taken is None:
        return {"status": "not enough balance", "clientId": own}
    taken.queue = queue
    return {"status": "accepted", "smscId": taken.id, "clientId": own}


def _iq_state(desk: Desk, row: Fields) -> dict[str, Any]:
    message = desk.of("iqsms", str(row.get("smscId", "")))
    if message is None:
        return {"status": "incorrect id", **row}
    state = {"queued": "queued", "delivered": "delivered", "failed": "delivery error"}[desk.state(message)]
    return {"status": state, "smscId": message.id, "clientId": message.own}
