"""Small reference books for demo and tests: identifiers as N3 has them, codes and names made up but for those below.

Real are the shapes of МКБ-10 (K00-K14) and of the nomenclature of services (A16.07, B01), the codes 14 (passport of
Russia) and 223 (СНИЛС) of the book of documents, 1 and 2 of the kinds of visit.
"""

from collections.abc import Mapping

LPU = "11111111-2222-3333-4444-555555555555"
FRMO_NAME = "Общество с ограниченной ответственностью «Учебная стоматология»"


def _numbered(title: str, *codes: int) -> dict[str, str]:
    return {str(code): f"{title} {code}" for code in codes}


def _diagnoses() -> dict[str, str]:
    codes = {f"K{group:02d}": f"Учебная группа болезней зубов {group}" for group in range(15)}
    fine = {f"K{group:02d}.{at}": f"Учебная болезнь зубов {group}.{at}" for group in range(15) for at in range(10)}
    return codes | fine | {"Z01.2": "Учебный стоматологический осмотр"}


def _services() -> dict[str, str]:
    done = {f"A16.07.{number:03d}": f"Учебная работа стоматолога {number}" for number in range(1, 100)}
    done |= {f"A16.07.002.{number:03d}": f"Учебное восстановление зуба {number}" for number in range(1, 13)}
    kinds = range(63, 69)
    return done | {
        f"B01.{kind:03d}.{number:03d}": f"Учебный приём {kind}.{number}" for kind in kinds for number in (1, 2)
    }


PAPERS = {
    "3": "Свидетельство о рождении",
    "10": "Паспорт иностранного гражданина",
    "12": "Вид на жительство",
    "14": "Паспорт гражданина Российской Федерации",
    "223": "СНИЛС",
}
EDITIONS: Mapping[str, Mapping[str, str]] = {
    "1.2.643.2.69.1.1.1.6": PAPERS,
    "1.2.643.2.69.1.1.1.16": _numbered("Вид помощи", 1, 2, 3),
    "1.2.643.2.69.1.1.1.17": _numbered("Результат обращения", *range(1, 13)),
    "1.2.643.2.69.1.1.1.18": _numbered("Место посещения", 1, 2, 3, 4),
    "1.2.643.2.69.1.1.1.19": _numbered("Цель посещения", *range(1, 11)),
    "1.2.643.2.69.1.1.1.32": _numbered("Источник оплаты", 1, 2, 3, 4, 5),
    "1.2.643.2.69.1.1.1.35": _numbered("Тип случая", 1, 2, 3, 4),
    "1.2.643.2.69.1.1.1.64": {LPU: FRMO_NAME},
    "1.2.643.2.69.1.1.1.90": _numbered("Уровень конфиденциальности", 1, 2, 3),
    "1.2.643.2.69.1.1.1.195": _numbered("Вид медицинского документа", 198, 309, 316, 372),
    "1.2.643.5.1.13.2.1.1.106": _numbered("Цель обращения", *range(1, 8)),
    "1.2.643.5.1.13.2.1.1.181": _numbered("Специальность", *range(50, 120)),
    "1.2.643.5.1.13.2.1.1.607": _numbered("Должность", *range(20, 90)),
    "1.2.643.5.1.13.2.1.1.688": _numbered("Результат случая", *range(1, 9)),
    "1.2.643.5.1.13.2.7.1.15": _numbered("Родство", *range(1, 16)),
    "1.2.643.5.1.13.2.7.1.30": _numbered("Роль", 1, 2, 3, 4),
    "1.2.643.5.1.13.13.11.1005": _diagnoses(),
    "1.2.643.5.1.13.13.11.1007": {"1": "первичный", "2": "повторный"},
    "1.2.643.5.1.13.13.11.1070": _services(),
}
"""Names by code, by OID."""
