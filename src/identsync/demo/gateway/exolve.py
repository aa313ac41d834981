"""МТС Exolve as it answers: a bearer's key, JSON, a list of what was sent."""

from datetime import UTC, datetime
from typing import Any

from identsync.demo.gateway.desk import KEY, SENDER, Answer, Desk, Fields, Taken, is_phone


def exolve_send(desk: Desk, headers: Fields, f: Fields) -> Answer:
    """Take a message as МТС Exolve: ``number`` is the sender, ``destination`` the recipient."""
    if (wrong := _exolve_key(headers)) is not None:
        return wrong
    if f.get("number") != SENDER or not f.get("text"):
        return 400, {"error": {"code": 3, "message": "invalid number"}}
    if not is_phone(f.get("destination")):
        return 400, {"error": {"code": 3, "message": "invalid destination"}}
    taken = desk.take("exolve", f["destination"], f["text"], f["number"])
    if taken is None:
        return 400, {"error": {"code": 9, "message": "not enough balance"}}
    return 200, {"message_id": taken.id}


def exolve_list(desk: Desk, headers: Fields, f: Fields) -> Answer:
    """List messages as МТС Exolve, the newest first."""
    if (wrong := _exolve_key(headers)) is not None:
        return wrong
    limit = int(f.get("limit", 20))
    if limit > 2_000:
        return 400, {"error": {"code": 3, "message": "limit"}}
    since = datetime.fromisoformat(f.get("date_gte", "1970-01-01T00:00:00Z")).timestamp()
    mine = [message for message in reversed(desk.taken) if message.gateway == "exolve" and message.at >= since]
    return 200, {"messages": [_exolve_row(desk, message) for message in mine[int(f.get("offset", 0)) :][:limit]]}


def _exolve_key(headers: Fields) -> Answer | None:
    if headers.get("authorization") == f"Bearer {KEY}":
        return None
    return 401, {"error": {"code": 16, "message": "token"}}


def _exolve_row(desk: Desk, message: Taken) -> dict[str, Any]:
    state = {"queued": "SENT", "delivered": "DELIVERED", "failed": "UNDELIVERED"}[desk.state(message)]
    made = datetime.fromtimestamp(message.at, UTC).isoformat()
    return {
        "message_id": message.id,
        "number": message.sender,
        "sender": message.sender,
        "receiver": message.phone,
        "text": message.text,
        "delivery_status": state,
        "date": made,
    }
