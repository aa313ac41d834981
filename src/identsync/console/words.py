"""Words for the counts that tasks write into the journal."""

from collections.abc import Mapping

from identsync.console.i18n import Catalog


def _(sentence: str) -> str:
    return sentence


COUNTS = {
    "pages": _("{n} страница|{n} страницы|{n} страниц"),
    "received": _("{n} строка|{n} строки|{n} строк"),
    "new": _("{n} новая|{n} новые|{n} новых"),
    "repeated": _("{n} повтор|{n} повтора|{n} повторов"),
    "rejected": _("{n} отклонена|{n} отклонены|{n} отклонено"),
    "desired": _("{n} часть|{n} части|{n} частей"),
    "confirmed": _("{n} принято|{n} принято|{n} принято"),
    "removed": _("{n} удалена|{n} удалены|{n} удалено"),
    "later": _("{n} отложена|{n} отложены|{n} отложено"),
    "unknown": _("{n} без ответа|{n} без ответа|{n} без ответа"),
    "left": _("{n} в очереди|{n} в очереди|{n} в очереди"),
    "repaired": _("{n} исправлена|{n} исправлены|{n} исправлено"),
    "forgotten": _("{n} забыта|{n} забыты|{n} забыто"),
    "deleted": _("{n} старая запись убрана|{n} старые записи убраны|{n} старых записей убрано"),
}


def said_counts(speech: Catalog, counts: Mapping[str, int]) -> list[str]:
    """Return each count that is not zero in words; the name and the number for one that has no words here."""
    return [speech.plural(n, COUNTS[name]) if name in COUNTS else f"{name} {n}" for name, n in counts.items() if n]
