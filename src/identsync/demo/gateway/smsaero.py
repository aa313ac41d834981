"""SMS Aero v2 as it answers: Basic access, JSON, a list by pages."""

import base64
from typing import Any

from identsync.demo.gateway.desk import KEY, SENDER, USER, Answer, Desk, Fields, Taken, is_phone

PAGE = 50


def aero_send(desk: Desk, headers: Fields, f: Fields) -> Answer:
    """SMS Aero: Basic access, JSON; "success": false with words."""
    if (wrong := _aero_key(headers)) is not None:
        return wrong
    if not f.get("text") or f.get("sign") != SENDER:
        return 400, {"success": False, "data": {"sign": ["invalid"]}, "message": "Validation error: sign"}
    if not is_phone(f.get("number")):
        return 400, {"success": False, "data": {"number": ["invalid"]}, "message": "Validation error: number"}
    taken = desk.take("smsaero", f["number"], f["text"], f["sign"])
    if taken is None:
        return 200, {"result": "no credits"}
    return 200, {"success": True, "data": _aero_row(desk, taken), "message": None}


def aero_status(desk: Desk, headers: Fields, f: Fields) -> Answer:
    """SMS Aero: one id."""
    if (wrong := _aero_key(headers)) is not None:
        return wrong
    message = desk.of("smsaero", str(f.get("id", "")))
    if message is None:
        return 404, {"success": False, "data": None, "message": "Not found"}
    return 200, {"success": True, "data": _aero_row(desk, message), "message": None}


def aero_list(desk: Desk, headers: Fields, f: Fields) -> Answer:
    """SMS Aero: fifty a page (told in the address), the newest first, as an object of numbered rows with links."""
    if (wrong := _aero_key(headers)) is not None:
        return wrong
    wanted = str(f.get("number", ""))
    rows = [m for m in reversed(desk.taken) if m.gateway == "smsaero" and wanted in ("", m.phone)]
    number = int(f.get("?page", 1))
    at = (number - 1) * PAGE
    page: dict[str, Any] = {str(i): _aero_row(desk, message) for i, message in enumerate(rows[at : at + PAGE])}
    links = {"self": f"/v2/sms/list?page={number}"}
    if at + PAGE < len(rows):
        links["next"] = f"/v2/sms/list?page={number + 1}"
    return 200, {"success": True, "data": page | {"links": links, "totalCount": str(len(rows))}, "message": None}


def aero_balance(desk: Desk, headers: Fields, _f: Fields) -> Answer:
    """SMS Aero: the money left."""
    return _aero_key(headers) or (200, {"success": True, "data": {"balance": desk.balance / 100}, "message": None})


def _aero_key(headers: Fields) -> Answer | None:
    wanted = f"Basic {base64.b64encode(f'{USER}:{KEY}'.encode()).decode()}"
    if headers.get("authorization") == wanted:
        return None
    return 401, {"success": False, "data": None, "message": "Your request was made with invalid credentials."}


def _aero_row(desk: Desk, message: Taken) -> dict[str, Any]:
    state = desk.state(message)
    return {
        "id": int(message.id),
        "from": message.sender,
        "number": message.phone,
        "text": message.text,
        "status": {"queued": 0, "delivered": 1, "failed": 2}[state],
        "extendStatus": {"queued": "queue", "delivered": "delivery", "failed": "undelivery"}[state],
        "cost": message.kopecks / 100,
        "dateCreate": int(message.at),
    }
