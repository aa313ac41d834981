"""Generated people and the leads they leave: nobody here exists.

A lead is a dict spelled as on the wire. ``TRAPS`` are the oddities of real sites; each is made now and then, or on
demand.
"""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

SURNAMES = (
    "Белоозёров",
    "Громов",
    "Дорофеев",
    "Журавлёв",
    "Зимин",
    "Калашников",
    "Лапин",
    "Мельников",
    "Назаров",
    "Овчинников",
    "Платонов",
    "Рыбаков",
    "Селезнёв",
    "Туманов",
    "Уваров",
    "Филатов",
    "Черкасов",
    "Шубин",
)
NAMES = (("Артём", "Егор", "Илья", "Кирилл", "Павел"), ("Алина", "Вера", "Дарья", "Ирина", "Юлия"))
PATRONYMICS = (("Андреевич", "Игоревич", "Олегович"), ("Андреевна", "Игоревна", "Олеговна"))
FORMS = ("Запись на приём", "Обратный звонок", "Акция «Чистка»", "Калькулятор имплантации", "Вопрос врачу")
COMMENTS = ("Болит зуб", "Перезвоните после 18:00", "Сколько стоит коронка?", "Ребёнку 6 лет", "Хочу к тому же врачу")
EMOJI = ("🦷", "😬", "🙏🏻", "👩‍⚕️", "🇷🇺")
SOURCES = ("yandex", "vk", "2gis", "prodoctorov")

Lead = dict[str, Any]
Free = tuple[int, str, str, int]  # doctor id, doctor name, start as on the wire, minutes


class People:
    """Makes leads; the same ``seed`` makes the same ones. ``zone`` is the site's own."""

    def __init__(self, seed: int, zone: str = "Europe/Moscow") -> None:
        self.random = random.Random(seed)
        self.zone = ZoneInfo(zone)
        self._tag = f"{self.random.getrandbits(32):08x}"
        self._made = 0
        self.known: list[tuple[str, str]] = []  # phone and full name of people the clinic knows
        self.free: list[Free] = []  # free time the site was last told

    def lead(self, at: datetime, trap: str | None = None) -> Lead:
        """Return a lead left at ``at`` (aware), with one oddity of ``TRAPS`` where ``trap`` names it."""
        self._made += 1
        lead: Lead = {"Id": f"{self._tag}-{self._made}", "DateAndTime": self.spell(at)}
        lead |= self._person() | {"FormName": self._one(FORMS)}
        if self.random.random() < 0.6:
            lead["Comment"] = self._one(COMMENTS)
        if self.random.random() < 0.3:
            lead |= {"UtmSource": self._one(SOURCES), "UtmMedium": "cpc", "HttpReferer": "https://site.example/?q=1"}
        if self.free and self.random.random() < 0.5:
            lead |= self._plan()
        if trap is not None:
            TRAPS[trap](self, lead, at)
        return lead

    def spell(self, at: datetime) -> str:
        """Spell a moment as the site does: its own offset, whole seconds."""
        return at.astimezone(self.zone).isoformat(timespec="seconds")

    def odd(self) -> str | None:
        """Return a trap for the next lead: most have none."""
        return self.random.choice(list(TRAPS)) if self.random.random() < 0.25 else None

    def bad(self, at: datetime) -> Any:
        """Return a row that no receiver can take."""
        good = self.lead(at)
        rows: Sequence[Any] = (
            good | {"Id": None},
            good | {"DateAndTime": "вчера"},
            good | {"ClientPhone": None, "ClientFullName": 7},
            good | {"PlanStart": "2026-05-12T12:00:00+03:00", "PlanEnd": "2026-05-12T11:00:00+03:00"},
            "not an object",
            None,
        )
        return self.random.choice(rows)

    def _one(self, of: Sequence[str]) -> str:
        return self.random.choice(of)

    def _person(self) -> Lead:
        if self.known and self.random.random() < 0.3:
            phone, name = self.random.choice(self.known)
            return {"ClientPhone": phone, "ClientFullName": name}
        woman = self.random.random() < 0.5
        surname = self._one(SURNAMES) + ("а" if woman else "")
        name, patronymic = self._one(NAMES[woman]), self._one(PATRONYMICS[woman])
        person: Lead = {"ClientPhone": self._phone()}
        if self.random.random() < 0.5:
            return person | {"ClientFullName": f"{surname} {name} {patronymic}"}
        return person | {"ClientSurname": surname, "ClientName": name, "ClientPatronymic": patronymic}

    def _phone(self) -> str:
        number = f"9{self.random.randrange(10**9):09d}"
        spelled = f"({number[:3]}) {number[3:6]}-{number[6:8]}-{number[8:]}"
        return self.random.choice(
            (f"+7 {spelled}", f"8 {spelled}", f"7{number}", number, f"8-{number[:3]}-{number[3:]}")
        )

    def _plan(self) -> Lead:
        doctor, name, start, minutes = self.random.choice(self.free)
        end = datetime.fromisoformat(start) + timedelta(minutes=minutes)
        return {"PlanStart": start, "PlanEnd": end.isoformat(), "DoctorId": doctor, "DoctorName": name}


def _emoji(people: People, lead: Lead, _at: datetime) -> None:
    lead["Comment"] = f"{people.random.choice(COMMENTS)} {''.join(EMOJI)}"


def _long_id(people: People, lead: Lead, _at: datetime) -> None:
    long = lead["Id"] + "-🦷" + f"{people.random.getrandbits(256):064x}" * 7
    lead["Id"] = long[:399]  # 400 as databases count: the tooth is two of UTF-16's units


def _plus8(people: People, lead: Lead, _at: datetime) -> None:
    number = f"9{people.random.randrange(10**9):09d}"
    lead["ClientPhone"] = f"+8 ({number[:3]}) {number[3:6]}-{number[6:]}"


def _naive(_people: People, lead: Lead, _at: datetime) -> None:
    lead["DateAndTime"] = lead["DateAndTime"][:19]


def _fraction(_people: People, lead: Lead, at: datetime) -> None:
    lead["DateAndTime"] = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _nulls(_people: People, lead: Lead, _at: datetime) -> None:
    for key in ("ClientEmail", "Comment", "DoctorId", "PlanStart", "PlanEnd", "UtmTerm", "HttpReferer"):
        lead.setdefault(key, None)


def _late(people: People, lead: Lead, at: datetime) -> None:
    lead["DateAndTime"] = people.spell(at - timedelta(seconds=people.random.randrange(30, 240)))


def _unknown_doctor(_people: People, lead: Lead, _at: datetime) -> None:
    lead |= {"DoctorId": 2_000_000_000, "DoctorName": "Доктор, который уволился"}


TRAPS: dict[str, Callable[[People, Lead, datetime], None]] = {
    "emoji": _emoji,
    "long_id": _long_id,
    "plus8": _plus8,
    "naive": _naive,
    "fraction": _fraction,
    "nulls": _nulls,
    "late": _late,
    "unknown_doctor": _unknown_doctor,
}
