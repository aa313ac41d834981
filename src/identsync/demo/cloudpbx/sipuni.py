"""Sipuni as it answers: forms signed by MD5, a CSV of whole days by Moscow's clock, JSON under a header of HTML."""

import csv
import hashlib
import io
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson

from identsync.demo.cloudpbx.desk import KEY, USER, Desk, Staged
from identsync.demo.cloudpbx.request import WAV, Asked, Route, Told

MOSCOW = ZoneInfo("Europe/Moscow")
PHONE = re.compile(r"7[0-9]{10}")
HEADS = """Тип;Статус;Время;Схема;Исходящая линия;Откуда;Куда;Кому звонили;Кто разговаривал;Кто ответил;\
Длительность звонка, сек;Длительность разговора, сек;Время ответа, сек;Оценка;ID записи;Метка;Теги;ID заказа звонка;\
Запись существует;Новый клиент;Состояние перезвона"""
WAYS = {"in": "Входящий", "out": "Исходящий", "inside": "Внутренний"}
REASONS = {"busy": "Занято", "cancelled": "Отменен", "failed": "Ошибка", "no answer": "Не отвечен", "": "Не отвечен"}
AGAIN = {None: "", True: "Перезвонили", False: "Не перезвонили"}


def export(desk: Desk, asked: Asked) -> Told:
    """Tell the calls of whole days."""
    form = asked.form()
    if (wrong := _hash(form)) is not None:
        return wrong
    try:
        days = [datetime.strptime(form[name], "%d.%m.%Y").replace(tzinfo=MOSCOW) for name in ("from", "to")]
    except (KeyError, ValueError):
        return _json({"success": False, "message": "Неверная дата"})
    calls = desk.finished("sipuni", days[0].timestamp(), (days[1] + timedelta(days=1)).timestamp() - 1)
    return _csv(HEADS.split(";"), [_row(desk, call) for call in calls])


def operators(desk: Desk, asked: Asked) -> Told:
    """Tell the employees."""
    people = [[f"{USER}{extension}", name, "online", "free"] for extension, name in desk.employees.items()]
    return _hash(asked.form()) or _csv(["Login", "Name", "Status", "Call state"], people)


def record(desk: Desk, asked: Asked) -> Told:
    """Give a recording by the call's id."""
    form = asked.form()
    if (wrong := _hash(form)) is not None:
        return wrong
    call = next((c for c in desk.calls if c.provider == "sipuni" and c.recording and _id(c) == form.get("id")), None)
    content = None if call is None else desk.sound(call)
    return _json({"success": False, "message": "Запись не найдена"}) if content is None else Told(200, content, WAV)


def call_number(desk: Desk, asked: Asked) -> Told:
    """Order a call: the employee's phone rings first."""
    form = asked.form()
    if (wrong := _hash(form)) is not None:
        return wrong
    if form.get("sipnumber") not in desk.employees:
        return _json({"success": False, "message": "Внутренний номер не найден"})
    if not PHONE.fullmatch(form.get("phone", "")) or form.get("reverse") != "0" or form.get("antiaon") != "0":
        return _json({"success": False, "message": "Неверный номер"})
    call = desk.dial("sipuni", "", form["sipnumber"], f"+{form['phone']}")
    assert call is not None  # without a token nothing is a repetition
    return _json({"success": True, "id": f"{call.id:x}"})


def _hash(form: dict[str, str]) -> Told | None:
    """Refuse a signature that is not of the values in the order of their names."""
    values = [value for name, value in sorted(form.items()) if name != "hash"]
    wanted = hashlib.md5("+".join([*values, KEY]).encode(), usedforsecurity=False).hexdigest()
    if form.get("user") == USER and form.get("hash") == wanted:
        return None
    return _json({"success": False, "message": "Неверная подпись (hash)"})


def _json(what: dict[str, object]) -> Told:
    return Told(200, orjson.dumps(what), "text/html; charset=UTF-8")


def _csv(heads: list[str], rows: list[list[str]]) -> Told:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=";", lineterminator="\n")
    writer.writerows([heads, *rows])
    return Told(200, b"\xef\xbb\xbf" + file.getvalue().encode(), "text/csv")


def _id(call: Staged) -> str:
    return f"{int(call.start)}.{call.id}"


def _row(desk: Desk, call: Staged) -> list[str]:
    def named(extension: str) -> str:
        return f"{extension} ({desk.employees.get(extension, '')})"

    last = (call.talked or call.rang)[-1]
    phone = call.phone or "Anonymous"
    ends = (phone, call.line) if call.direction == "in" else (named(last), phone)
    return [
        WAYS[call.direction],
        "Отвечен" if call.talked else REASONS[call.reason],
        datetime.fromtimestamp(int(call.start), UTC).astimezone(MOSCOW).strftime("%d.%m.%Y %H:%M:%S"),
        "Клиника",
        call.line,
        *ends,
        ", ".join(f"{named(each)} 5" for each in call.rang),
        ", ".join(f"{named(each)} {call.talk_s}" for each in call.talked),
        named(call.talked[0]) if call.talked else "",
        str(round((call.ended or call.start) - call.start)),
        str(call.talk_s),
        str(call.wait_s),
        "",
        _id(call),
        "",
        "",
        "",
        "1" if call.recording else "0",
        "0",
        "" if call.talked else AGAIN[call.called_back],
    ]


ROUTES: dict[str, Route] = {
    "POST /sipuni/statistic/export": export,
    "POST /sipuni/statistic/operators": operators,
    "POST /sipuni/statistic/record": record,
    "POST /sipuni/callback/call_number": call_number,
}
