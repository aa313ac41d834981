"""SMS.ru as it answers: a code for the request and one for each message."""

from typing import Any

from identsync.demo.gateway.desk import KEY, SENDER, Answer, Desk, Fields, is_phone, segments


def smsru_send(desk: Desk, _headers: Fields, f: Fields) -> Answer:
    """SMS.ru: codes 200, 203, 204, 202, 231, 201 in the place where each stands there."""
    if f.get("api_id") != KEY:
        return 200, _smsru(200, "Неправильный api_id")
    if f.get("json") != "1" or not f.get("msg"):
        return 200, _smsru(203, "Нет текста сообщения")
    phone = f.get("to", "")
    if "," in phone:
        return 200, _smsru(207, "Больше 100 номеров" if phone.count(",") > 99 else "Несколько номеров")
    if not f.get("ttl", "1").isdigit() or not 1 <= int(f.get("ttl", "1")) <= 1_440:
        return 200, _smsru(203, "Неправильный ttl")
    if f.get("from", SENDER) != SENDER:
        return 200, _smsru_one(phone, _smsru(204, "Имя отправителя не согласовано"))
    if not is_phone(phone):
        return 200, _smsru_one(phone, _smsru(202, "Неправильно указан номер"))
    if segments(f["msg"]) > 8:
        return 200, _smsru_one(phone, _smsru(205, "Сообщение длиннее 8 СМС"))
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
