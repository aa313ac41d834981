"""Words for the counts that tasks write into the journal."""

from collections.abc import Mapping

from identsync.console.i18n import Catalog


def _(sentence: str) -> str:
    return sentence


COUNTS = {
    "rows": _("{n} строка|{n} строки|{n} строк"),
    "pages": _("{n} страница|{n} страницы|{n} страниц"),
    "stored": _("{n} новая|{n} новые|{n} новых"),
    "rejected": _("{n} отклонена|{n} отклонены|{n} отклонено"),
    "confirmed": _("{n} принято|{n} принято|{n} принято"),
}


def said_counts(speech: Catalog, counts: Mapping[str, int]) -> list[str]:
    """Return each count that is not zero in words; the name and the number for one that has no words here."""
    return [speech.plural(n, COUNTS[name]) if name in COUNTS else f"{name} {n}" for name, n in counts.items() if n]
