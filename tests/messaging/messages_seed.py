"""A plausible day of messages: every state and cause, replies, templates, consents, channels; for the page's tests."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, insert, text

from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.integrations.messaging import consent
from identsync.integrations.messaging.message import Kind, Medium
from identsync.integrations.messaging.reasons import ABSENT
from identsync.integrations.messaging.settings import Channel
from identsync.store.tables import (
    message,
    message_channel,
    message_reply,
    message_rule,
    message_template,
    outbox,
    outbox_event,
)

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock has no offset
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
CLINIC = GeneratorSettings(branches=2, doctors=4, days=8, seed=11, first_day=time.time_ns() // 86_400_000_000_000)
CHANNELS = {
    "smsc": Channel(kind="smsc", title="SMSC", user="clinic", password="env:X", price=4.6, price_ad=6.9),
    "reserve": Channel(kind="smsru", title="SMS.ru", password="env:X", price=5.2, sender="Clinic"),
    "mail": Channel(kind="email", title="Почта", host="smtp.example.ru", sender="clinic@example.ru"),
}
INVITATION = 4
"""The template of a mailing about no visit."""
TEXT = "{имя}, ждём вас {дата} в {время}, врач {врач}, {филиал}, {телефон_филиала}"
REASONS = (
    "нет телефона",
    "городской телефон: SMS на него не дойдёт",
    "отказался от сообщений",
    "запись отменена",
    "запись перенесена",
)


def clinic(engine: Engine) -> None:
    """Fill a clinic's database."""
    generate(engine, CLINIC)


def patients(engine: Engine, most: int = 60) -> list[Any]:
    """Give patients whose number nobody else has: id, phone, email, name."""
    asked = (
        "SELECT min(patient_id), min(phone), min(email), min(name) FROM clinic_patient WHERE phone_key IS NOT NULL "
        f"GROUP BY phone_key HAVING count(*) = 1 ORDER BY 1 LIMIT {most}"
    )
    with engine.connect() as connection:
        return list(connection.execute(text(asked)))


def day(connection: Connection, people: list[Any], now_ms: int) -> dict[str, list[int]]:
    """Write a day of messages; give the outbox ids by state."""
    templates(connection, now_ms)
    made: dict[str, list[int]] = {}
    for number, row in enumerate(rows(people, now_ms)):
        own = {name: row.pop(name) for name in list(row) if name not in outbox.c}
        values = {"stream": f"messaging/{own['medium']}", "scope": 0, "key": f"{number:064d}", "rank": 5} | row
        made.setdefault(values["state"], []).append(_id(connection.execute(insert(outbox).values(values))))
        connection.execute(insert(message).values(outbox_id=made[values["state"]][-1], **own))
    event = {"outbox_id": made["cancelled"][0], "at_ms": now_ms - HOUR, "state": "cancelled", "by": "Борис", "note": ""}
    connection.execute(insert(outbox_event).values(event))
    replies(connection, people, now_ms)
    channels(connection, now_ms)
    return made


def rows(people: list[Any], now: int) -> Iterator[dict[str, Any]]:
    """Give the day's messages: those of the night first."""
    at = iter(range(now - 8 * HOUR, now, 5 * MINUTE))
    who = iter(people)

    def one(state: str, channel: str | None = "smsc", **more: Any) -> dict[str, Any]:
        patient, phone, _email, name = next(who)
        made = next(at)
        sent = state not in ("planned", "held", "skipped", "cancelled")
        said = f"{name}, ждём вас 3 декабря в 14:30, врач Ершова А. И., Клиника на Садовой, +7 945 000-00-01"
        values = {
            "state": state,
            "made_ms": made,
            "due_ms": made,
            "until_ms": made + DAY,
            "changed_ms": made + 4_000,
            "submitted_ms": made + 1_000 if sent else None,
            "attempts": int(sent),
            "channel": channel if sent else None,
            "address": consent.normal(Medium.SMS, phone) if sent else None,
            "token": f"{made:032x}" if sent else None,
            "medium": "sms",
            "kind": "service",
            "purpose": "reminder",
            "patient_id": patient,
            "branch_id": 1,
            "template_id": 1,
            "rule_id": 1,
            "made_by": "",
            "text": said if sent else None,
            "parts": 2 if sent else None,
            "kopecks": 920 if sent else None,
        }
        return values | more

    yield from (one("delivered") for _each in range(14))
    yield from (one("skipped", reason=reason) for reason in (*REASONS, *REASONS[:2], REASONS[0]))
    yield one("failed", reason="номер не обслуживается", answer="err 6")
    yield one("expired", reason="срок вышел")
    yield one(
        "delivered",
        "mail",
        medium="email",
        subject="План лечения",
        purpose="plan",
        made_by="Анна",
        rule_id=None,
        template_id=None,
        text="Добрый день! Во вложении план лечения.",
        parts=1,
        kopecks=None,
        address="anna@example.ru",
    )
    yield one("unknown", reason="программа остановилась во время отправки")
    yield one("unknown", "reserve", reason=ABSENT, answer="HTTP 200: not found")
    yield one("unknown", reason="сервер не ответил, принял ли он письмо")
    yield one("cancelled")
    yield one("accepted")
    yield one("accepted", "reserve")
    yield one("submitting")
    yield one("planned", reason="ночью не отправляем", due_ms=now + 9 * HOUR)
    yield one("planned", due_ms=now + 2 * HOUR)
    yield one("held", purpose="bulk", kind="ad", rule_id=None, lot=77)


def templates(connection: Connection, now_ms: int) -> None:
    """Write two templates and a rule."""
    by = {"changed_by": "Анна", "changed_ms": now_ms - 5 * DAY}
    warning = "Имеются противопоказания, необходима консультация специалиста"
    ad = f"{{имя}}, профессиональная гигиена за полцены до конца месяца. {warning}"
    connection.execute(
        insert(message_template),
        [
            {"name": "Напоминание за день", "medium": "sms", "kind": "service", "subject": "", "text": TEXT, **by},
            {"name": "Гигиена", "medium": "sms", "kind": "ad", "subject": "", "text": ad, **by},
            {
                "name": "Приглашение",
                "medium": "email",
                "kind": "service",
                "subject": "Ваш приём {дата}",
                "text": "Здравствуйте, {имя} {отчество|}!\n\nЖдём вас {дата} в {время}.\n{филиал}, {адрес_филиала}",
                **by,
            },
            {
                "name": "Осмотр",
                "medium": "sms",
                "kind": "service",
                "subject": "",
                "text": "{имя}, пора на осмотр",
                **by,
            },
        ],
    )
    rule = {"name": "За сутки", "template_id": 1, "before_minutes": 1440, **by}
    connection.execute(insert(message_rule).values(rule))


def replies(connection: Connection, people: list[Any], now_ms: int) -> None:
    """Write what people wrote back: a question, a STOP, an unknown number, one that is done."""
    said = [
        (people[0][1], "Здравствуйте! А можно перенести на час позже? Не успеваю с работы.", 200 * MINUTE, "open"),
        (people[1][1], "СТОП", 45 * MINUTE, "open"),
        ("+79450009999", "вы кто?", 10 * MINUTE, "open"),
        (people[2][1], "спасибо, буду", 300 * MINUTE, "done"),
    ]
    for number, (sender, words, ago, state) in enumerate(said):
        connection.execute(
            insert(message_reply).values(
                channel="smsc",
                key=str(number),
                sender=sender,
                text=words,
                at_ms=now_ms - ago,
                received_ms=now_ms - ago,
                state=state,
                done_by="Борис" if state == "done" else None,
            )
        )
    consent.stop(connection, Medium.SMS, people[1][1], source="ответ СТОП", now_ms=now_ms - 45 * MINUTE)
    consent.record(
        connection,
        people[0][0],
        Medium.SMS,
        Kind.AD,
        given=True,
        source="бумажное согласие",
        by="Анна",
        now_ms=now_ms - 90 * DAY,
    )


def channels(connection: Connection, now_ms: int) -> None:
    """Write how the channels do: one well, one out of money, one that was refused."""
    c = [
        {
            "channel": "smsc",
            "balance_kopecks": 1_234_550,
            "balance_words": None,
            "problem": None,
            "looked_ms": now_ms - 40_000,
        },
        {
            "channel": "reserve",
            "balance_kopecks": 31_200,
            "balance_words": None,
            "problem": None,
            "looked_ms": now_ms - 50_000,
        },
        {
            "channel": "mail",
            "balance_kopecks": None,
            "balance_words": None,
            "looked_ms": now_ms - 70 * MINUTE,
            "problem": "логин или пароль не подошли",
        },
    ]
    connection.execute(insert(message_channel), c)


def _id(done: Any) -> int:
    return int(done.inserted_primary_key[0])
