"""What each gateway answers: (path) -> function of the desk, the headers and the decoded body; strict as they are."""

import base64
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from identsync.demo.gateway.desk import KEY, SENDER, USER, Desk, Taken, is_phone

Answer = tuple[int, Any]
Fields = Mapping[str, Any]


def smsc_send(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """SMSC.ru: errors 2, 1, 6, 7, 9, 3; ``id`` of ours is the message's id."""
    if (wrong := _smsc_key(f)) is not None:
        return wrong
    if f.get("fmt") != "3" or not f.get("mes") or not f.get("phones"):
        return 200, {"error": "parameters error", "error_code": 1}
    own = f.get("id", "")
    if len(own) > 40:
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
    return 200, {"id": taken.id, "cnt": taken.parts, "cost": _roubles(taken.kopecks), "balance": _roubles(desk.balance)}


def smsc_status(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """SMSC.ru: one id and one phone give an object, lists with a comma at the end a list."""
    if (wrong := _smsc_key(f)) is not None:
        return wrong
    ids, phones = f.get("id", "").split(","), f.get("phone", "").split(",")
    if len(ids) != len(phones):
        return 200, {"error": "parameters error", "error_code": 1}
    rows = [_smsc_row(desk, number, phone) for number, phone in zip(ids, phones, strict=True) if number]
    return 200, rows if f.get("id", "").endswith(",") else rows[0]


def smsc_balance(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """SMSC.ru: the money left."""
    return _smsc_key(f) or (200, {"balance": _roubles(desk.balance)})


def _smsc_key(f: Fields) -> Answer | None:
    if (f.get("login"), f.get("psw")) == (USER, KEY):
        return None
    return 200, {"error": "authorise error", "error_code": 2}


def _smsc_row(desk: Desk, number: str, phone: str) -> dict[str, Any]:
    message = desk.of("smsc", number)
    if message is None or message.phone != phone:
        return {"status": -3, "id": number, "phone": phone}
    code = {"queued": -1, "delivered": 1, "failed": 20}[desk.state(message)]
    return {"status": code, "last_timestamp": int(time.time()), "err": 0, "id": number, "phone": phone}


def smsru_send(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """SMS.ru: codes 200, 203, 204, 202, 231, 201 in the place where each stands there."""
    if f.get("api_id") != KEY:
        return 200, _smsru(200, "Неправильный api_id")
    if f.get("json") != "1" or not f.get("msg"):
        return 200, _smsru(203, "Нет текста сообщения")
    phone = f.get("to", "")
    if f.get("from", SENDER) != SENDER:
        return 200, _smsru_one(phone, _smsru(204, "Имя отправителя не согласовано"))
    if not is_phone(phone):
        return 200, _smsru_one(phone, _smsru(202, "Неправильно указан номер"))
    if desk.repeated("smsru", phone, f["msg"]):
        return 200, _smsru_one(phone, _smsru(231, "Одинаковые сообщения на номер в минуту"))
    taken = desk.take("smsru", phone, f["msg"], f.get("from", ""))
    if taken is None:
        return 200, _smsru_one(phone, _smsru(201, "Не хватает средств"))
    told = _smsru(100, "") | {"sms_id": taken.id, "cost": taken.kopecks / 100, "sms": taken.parts}
    return 200, _smsru_one(phone, told) | {"balance": desk.balance / 100}


def smsru_status(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """SMS.ru: up to a hundred ids."""
    if f.get("api_id") != KEY:
        return 200, _smsru(200, "Неправильный api_id")
    ids = f.get("sms_id", "").split(",")
    if len(ids) > 100:
        return 200, _smsru(213, "Больше 100 номеров")
    return 200, _smsru(100, "") | {"sms": {number: _smsru(_smsru_code(desk, number), "") for number in ids}}


def smsru_balance(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """SMS.ru: the money left."""
    if f.get("api_id") != KEY:
        return 200, _smsru(200, "Неправильный api_id")
    return 200, _smsru(100, "") | {"balance": desk.balance / 100}


def _smsru(code: int, words: str) -> dict[str, Any]:
    return {"status": "OK" if code < 200 else "ERROR", "status_code": code, "status_text": words}


def _smsru_one(phone: str, told: dict[str, Any]) -> dict[str, Any]:
    return {"status": "OK", "status_code": 100, "sms": {phone: told}}


def _smsru_code(desk: Desk, number: str) -> int:
    message = desk.of("smsru", number)
    return -1 if message is None else {"queued": 102, "delivered": 103, "failed": 108}[desk.state(message)]


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
        return 402, {"success": False, "data": None, "message": "Not enough credits"}
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
    """SMS Aero: fifty a page, the newest first, as an object of numbered rows."""
    if (wrong := _aero_key(headers)) is not None:
        return wrong
    rows = [message for message in reversed(desk.taken) if message.gateway == "smsaero"]
    at = (int(f.get("page", 1)) - 1) * 50
    page = {str(i): _aero_row(desk, message) for i, message in enumerate(rows[at : at + 50])}
    return 200, {"success": True, "data": page | {"totalCount": str(len(rows))}, "message": None}


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


def iq_send(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """Take messages as iqsms: one status each."""
    if (wrong := _iq_key(f)) is not None:
        return wrong
    rows = f.get("messages")
    if not isinstance(rows, list) or not 0 < len(rows) <= 200:
        return 200, {"status": "error", "description": "error messages"}
    return 200, {"status": "ok", "messages": [_iq_take(desk, row) for row in rows]}


def iq_status(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """Tell the states as iqsms: up to two hundred."""
    if (wrong := _iq_key(f)) is not None:
        return wrong
    return 200, {"status": "ok", "messages": [_iq_state(desk, row) for row in f.get("messages", [])]}


def iq_balance(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """Tell the money left as iqsms."""
    left = {"type": "RUB", "balance": desk.balance / 100, "credit": 0}
    return _iq_key(f) or (200, {"status": "ok", "balance": [left]})


def _iq_key(f: Fields) -> Answer | None:
    if (f.get("login"), f.get("password")) == (USER, KEY):
        return None
    return 200, {"status": "error", "description": "error authorization"}


def _iq_take(desk: Desk, row: Fields) -> dict[str, Any]:
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
    return {"status": "accepted", "smscId": taken.id, "clientId": own}


def _iq_state(desk: Desk, row: Fields) -> dict[str, Any]:
    message = desk.of("iqsms", str(row.get("smscId", "")))
    if message is None:
        return {"status": "incorrect id", **row}
    state = {"queued": "queued", "delivered": "delivered", "failed": "delivery error"}[desk.state(message)]
    return {"status": state, "smscId": message.id, "clientId": message.own}


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
    mine = [message for message in reversed(desk.taken) if message.gateway == "exolve"]
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
        "destination": message.phone,
        "text": message.text,
        "delivery_status": state,
        "created_at": made,
    }


def _roubles(kopecks: int) -> str:
    return f"{kopecks / 100:.2f}"


PATHS: dict[str, Callable[[Desk, Fields, Fields], Answer]] = {
    "/smsc/sys/send.php": smsc_send,
    "/smsc/sys/status.php": smsc_status,
    "/smsc/sys/balance.php": smsc_balance,
    "/smsru/sms/send": smsru_send,
    "/smsru/sms/status": smsru_status,
    "/smsru/my/balance": smsru_balance,
    "/smsaero/sms/send": aero_send,
    "/smsaero/sms/status": aero_status,
    "/smsaero/sms/list": aero_list,
    "/smsaero/balance": aero_balance,
    "/iqsms/send.json": iq_send,
    "/iqsms/status.json": iq_status,
    "/iqsms/balance.json": iq_balance,
    "/exolve/messaging/v1/SendSMS": exolve_send,
    "/exolve/messaging/v1/GetList": exolve_list,
}
FORMS = ("/smsc/", "/smsru/")
"""These take forms, the others JSON; anything else is refused with 415."""
