"""What the places of a template are filled with, out of the clinic's records."""

from datetime import date, timedelta

from identsync.clinic.clock import DAY
from identsync.clinic.source import Branch, Patient, Visit

MONTHS = ("января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября",
          "декабря")  # fmt: skip
WEEKDAYS = ("понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье")
_EPOCH = date(1970, 1, 1)


def filling(patient: Patient | None, branch: Branch | None, visit: Visit | None, doctor: str = "") -> dict[str, str]:
    """Give the values of all places by their Russian names; what is not known is empty."""
    values = {"имя": "", "отчество": "", "фамилия": "", "филиал": "", "адрес_филиала": "", "телефон_филиала": ""}
    if patient is not None:
        values |= {"имя": patient.name, "отчество": patient.patronymic, "фамилия": patient.surname}
    if branch is not None:
        values |= {"филиал": branch.name, "адрес_филиала": branch.address, "телефон_филиала": branch.phone}
    return values | (_visit(visit, doctor) if visit is not None else {})


def _visit(visit: Visit, doctor: str) -> dict[str, str]:
    day, minute = divmod(visit.start_minute, DAY)
    on = _EPOCH + timedelta(days=day)
    return {
        "дата": f"{on.day} {MONTHS[on.month - 1]}",
        "день_недели": WEEKDAYS[on.weekday()],
        "время": f"{minute // 60}:{minute % 60:02d}",
        "врач": short(doctor),
        "услуга": visit.service or "",
    }


def short(name: str) -> str:
    """Return 'Ершова А. И.' for 'Ершова Анна Ильинична'; one word stays as it is."""
    surname, *rest = name.split() or [""]
    return " ".join([surname, *(f"{part[0]}." for part in rest[:2])])
