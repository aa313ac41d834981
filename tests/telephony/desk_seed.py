"""A plausible day of calls over a generated clinic: generated people only."""

import time
import wave
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, text

from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.integrations.telephony import missed as worklist
from identsync.integrations.telephony.call import Call, Direction, Employee, Reason, State
from identsync.integrations.telephony.settings import Line
from identsync.store.tables import phone_line, phone_missed, phone_recording

from .calls import tell

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
CLINIC = GeneratorSettings(branches=2, doctors=4, days=8, seed=11, first_day=time.time_ns() // 86_400_000_000_000 - 3)
LINES = {
    "pbx": Line(kind="mango", title="АТС на Садовой", user="x", password="env:X", hours="00:00-24:00"),
    "uis": Line(kind="uis", title="UIS", password="env:X", branch=2, hours="00:00-24:00"),
}
ANNA, BORIS, VERA = Employee("101", "Анна Орлова"), Employee("102", "Борис Лебедев"), Employee("103", "Вера Котова")
STRANGER = "+79450000777"


def clinic(engine: Engine) -> None:
    """Fill a clinic's database; three of its patients are a family with one number."""
    generate(engine, CLINIC)
    ids = "SELECT patient_id FROM clinic_patient ORDER BY patient_id DESC LIMIT 3"
    with engine.begin() as connection:
        own = "phone = '+79450999999', phone_key = '9450999999'"
        connection.execute(text(f"UPDATE clinic_patient SET {own} WHERE patient_id IN ({ids})"))


def patients(engine: Engine, most: int = 60) -> list[Any]:
    """Give patients whose number nobody else has: id, phone, surname."""
    asked = (
        "SELECT min(patient_id), '+7' || phone_key, min(surname) FROM clinic_patient WHERE phone_key IS NOT NULL "
        f"GROUP BY phone_key HAVING count(*) = 1 ORDER BY 1 LIMIT {most}"
    )
    with engine.connect() as connection:
        return list(connection.execute(text(asked)))


def family(engine: Engine) -> tuple[str, list[int]]:
    """Give a number that several patients have, and them."""
    several = (
        "SELECT phone_key, '+7' || phone_key FROM clinic_patient WHERE phone_key IS NOT NULL GROUP BY phone_key "
        "HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
    )
    with engine.connect() as connection:
        key, phone = connection.execute(text(several)).one()
        ids = connection.execute(text("SELECT patient_id FROM clinic_patient WHERE phone_key = :key"), {"key": key})
        return phone, sorted(ids.scalars())


def call(
    key: str, phone: str, at: int, *, waited: int = 12_000, talked: int = 0, who: Employee = ANNA, **more: Any
) -> Call:
    """An ended call: ``talked`` milliseconds, 0 = nobody did."""
    took = {"answered_ms": at + waited, "talked": (who,)} if talked else {}
    state = State.ANSWERED if talked else State.MISSED
    fields: dict[str, Any] = {"direction": Direction.IN, "rang": (ANNA, BORIS), "ended_ms": at + waited + talked}
    return Call(key=key, phone=phone, start_ms=at, state=state, **(fields | took | more))


def day(connection: Connection, people: list[Any], now: int) -> None:
    """Write a day: talks, some with recordings; people who wait; what came of others."""
    phones = [phone for _patient, phone, _surname in people]
    known = {phone[-10:]: [patient] for patient, phone, _surname in people}
    out = Direction.OUT

    def put(*calls: Call, line: str = "pbx") -> None:
        for each in calls:
            tell(
                connection,
                each,
                now=max(each.ended_ms or 0, each.start_ms),
                line=line,
                settings=LINES[line],
                people=known,
                history=True,
            )

    staff = (ANNA, BORIS, VERA)
    for n in range(24):
        at = now - 9 * HOUR + n * 20 * MINUTE
        recordings = (f"2026/{n}.wav",) if n % 2 else ()
        put(
            call(
                f"t{n}",
                phones[20 + n],
                at,
                waited=4_000 + n * 1_500,
                talked=40_000 + n * 17_000,
                who=staff[n % 3],
                recordings=recordings,
            )
        )
    put(call("u1", phones[45], now - 6 * HOUR, talked=200_000, who=VERA), line="uis")
    put(
        call("m0", phones[0], now - 95 * MINUTE),
        call("m0b", phones[0], now - 61 * MINUTE),
        call("m0c", phones[0], now - 20 * MINUTE),
    )
    put(call("m1", STRANGER, now - 34 * MINUTE))
    put(call("m2", phones[2], now - 11 * MINUTE))
    put(
        call("m3", phones[3], now - 4 * HOUR), call("m3o", phones[3], now - 3 * HOUR, direction=out, reason=Reason.BUSY)
    )
    put(call("m4", phones[4], now - 50 * MINUTE), call("m5", phones[5], now - 44 * MINUTE))
    put(call("m6", phones[6], now - 7 * MINUTE), call("m6b", phones[6], now - 5 * MINUTE, talked=61_000))
    put(
        call("m7", phones[7], now - 8 * MINUTE),
        call("m7o", phones[7], now - 6 * MINUTE, direction=out, talked=95_000, who=BORIS),
    )
    put(call("m8", phones[8], now - 25 * MINUTE))
    put(call("h1", "", now - 70 * MINUTE), call("h2", "anonymous", now - 30 * MINUTE, talked=15_000))
    rows = connection.execute(select(phone_missed.c.id, phone_missed.c.phone_key)).all()
    entry = {key: number for number, key in rows}
    worklist.take(connection, entry[phones[4][-10:]], "Борис (REG-2)", now - 9 * MINUTE)
    worklist.note(connection, entry[phones[4][-10:]], "просил после шести", "Борис (REG-2)", now - 8 * MINUTE)
    worklist.close(connection, entry[phones[8][-10:]], "booked", "на среду", "Вера (REG-3)", now - 12 * MINUTE)
    lines(connection, now)


def lines(connection: Connection, now: int) -> None:
    """Write how the lines do: one is heard, one was refused."""
    problem = "АТС не пускает: адрес не в списке разрешённых"
    well = {"line": "pbx", "listening_ms": now - 5 * HOUR, "heard_ms": now - 9_000, "history_ms": now - 3 * MINUTE}
    bad = {"line": "uis", "listening_ms": None, "heard_ms": now - 2 * HOUR, "history_ms": None}
    rows = [well | {"problem": None}, bad | {"problem": problem}]
    connection.execute(insert(phone_line), [row | {"changed_ms": now} for row in rows])


def recording(folder: Path, connection: Connection, call_id: int, seconds: int = 30) -> None:
    """Keep a recording of a call in a folder: a tone, 8 kHz, 8 bit."""
    name = f"{call_id}-0.wav"
    with wave.open(str(folder / name), "wb") as sound:
        sound.setparams((1, 1, 8_000, 0, "NONE", ""))
        sound.writeframes(bytes(128 + 40 * (1 if n % 20 < 10 else -1) for n in range(8_000)) * seconds)
    values = {"call_id": call_id, "place": 0, "file": name, "media_type": "audio/wav", "stored_ms": 0}
    connection.execute(insert(phone_recording).values(**values, size=8_000 * seconds))
