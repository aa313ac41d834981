"""SMSC.ru as it answers: errors by number, our own ids, lists of states."""

import re
from datetime import datetime, timedelta, timezone
from typing import Any

from identsync.demo.gateway.desk import KEY, SENDER, USER, Answer, Desk, Fields, is_phone, roubles

MOSCOW = timezone(timedelta(hours=3))
OWN = re.compile(r"[A-Za-z0-9._-]{1,40}")


def smsc_send(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """SMSC.ru: errors 2, 1, 6, 7, 9, 3; ``id`` of ours is the message's id."""
    if (wrong := _smsc_key(f)) is not None:
        return wrong
    if f.get("fmt") != "3" or not f.get("mes") or not f.get("phones"):
        return 200, {"error": "parameters error", "error_code": 1}
    own = f.get("id", "")
    if own and not OWN.fullmatch(own):
        return 200, {"error": "parameters error", "error_code": 1}
    if not f.get("valid", "1").isdigit() or not 1 <= int(f.get("valid", "1")) <= 24:
        return 200, {"error": "parameters error", "error_code": 1}
    if f.get("sender", SENDER) != SENDER:
        return 200, {"error": "message is denied", "error_code": 6, "id": own}
    if not is_phone(f["phones"]):
        return 200, {"error": "invalid number", "error_code": 7, "id": own}
    if desk.repeated("smsc", f["phones"], f["mes"]):
        return 200, {"error": "duplicate request, wait a minute", "error_code": 9}
    taken = desk.take("smsc", f["phones"], f["mes"], f.get("sender", ""), own)
    if taken is None:
        return 200, {"error": "no money", "error_code": 3, "id": own}
    return 200, {"id": taken.id, "cnt": taken.parts, "cost": roubles(taken.kopecks), "balance": roubles(desk.balance)}


def smsc_status(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """SMSC.ru: one id and one phone give an object without them, lists with a comma at the end a list with them."""
    if (wrong := _smsc_key(f)) is not None:
        return wrong
    ids, phones = f.get("id", "").split(","), f.get("phone", "").split(",")
    if len(ids) != len(phones):
        return 200, {"error": "parameters error", "error_code": 1}
    rows = [_smsc_row(desk, number, phone) for number, phone in zip(ids, phones, strict=True) if number]
    if not f.get("id", "").endswith(",") and len(rows) == 1:
        return 200, {name: value for name, value in rows[0].items() if name not in ("id", "phone")}
    if 0 <= desk.now() - desk.mass_at < desk.mass_s:
        return 200, {"error": "too many mass requests", "error_code": 9}
    desk.mass_at = desk.now()
    return 200, rows


def smsc_balance(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """SMSC.ru: the money left."""
    return _smsc_key(f) or (200, {"balance": roubles(desk.balance)})


def smsc_replies(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """SMSC.ru: what people wrote back in the last hours, Moscow's time."""
    if (wrong := _smsc_key(f)) is not None:
        return wrong
    if f.get("get_answers") != "1" or f.get("fmt") != "3" or not 0 < int(f.get("hour", 1)) <= 168:
        return 200, {"error": "parameters error", "error_code": 1}
    since = desk.now() - int(f.get("hour", 1)) * 3_600
    return 200, [_smsc_reply(7_000 + at, *each) for at, each in enumerate(desk.replies) if each[2] > since]


def _smsc_reply(number: int, phone: str, text: str, at: float) -> dict[str, Any]:
    when = datetime.fromtimestamp(at, MOSCOW).strftime("%d.%m.%Y %H:%M:%S")
    return {"id": number, "received": when, "phone": phone, "message": text, "to_phone": "79990000000", "sent": when}


def _smsc_key(f: Fields) -> Answer | None:
    if (f.get("login"), f.get("psw")) == (USER, KEY):
        return None
    return 200, {"error": "authorise error", "error_code": 2}


def _smsc_row(desk: Desk, number: str, phone: str) -> dict[str, Any]:
    message = desk.of("smsc", number)
    if message is None or message.phone != phone:
        return {"status": -3, "id": number, "phone": phone}
    code = {"queued": -1, "delivered": 1, "failed": 20}[desk.state(message)]
    return {"status": code, "last_timestamp": int(desk.now()), "err": 0, "id": number, "phone": phone}
