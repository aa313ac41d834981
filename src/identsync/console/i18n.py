"""Words of the console in the reader's language: the Russian sentence is the key, ``locale/en.po`` has the English.

A plural is one sentence with its forms between bars, three in Russian, two in English:
``plural(5, "{n} заявка|{n} заявки|{n} заявок")``.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

LANGUAGES = ("ru", "en")
LOCALE = Path(__file__).with_name("locale")


class Catalog:
    """One language's sentences."""

    def __init__(self, language: str, sentences: Mapping[str, str]) -> None:
        self.language = language
        self._sentences = sentences

    def __call__(self, sentence: str, **values: object) -> str:
        """Return the sentence in this language with ``{name}`` places filled; an unknown one stays Russian."""
        text = self._sentences.get(sentence, sentence)
        return text.format(**values) if values else text

    def plural(self, n: int, forms: str, **values: object) -> str:
        """Return the form for ``n`` of a sentence whose forms stand between bars; ``{n}`` is filled."""
        known = self._sentences.get(forms)
        choices = (known or forms).split("|")
        index = int(n != 1) if known else russian_form(n)
        return choices[min(index, len(choices) - 1)].format(n=n, **values)

    def say(self, text: str | None) -> str:
        """Translate a text that came from data: the whole, else the part before the first colon, else not at all."""
        if not text:
            return ""
        if text in self._sentences:
            return self._sentences[text]
        head, colon, tail = text.partition(": ")
        return f"{self._sentences.get(head, head)}{colon}{tail}"


def russian_form(n: int) -> int:
    """Return which of three Russian forms goes with ``n``: 0 заявка, 1 заявки, 2 заявок."""
    n = abs(n)
    if n % 10 == 1 and n % 100 != 11:
        return 0
    return 1 if n % 10 in (2, 3, 4) and n % 100 not in (12, 13, 14) else 2


@cache
def catalog(language: str) -> Catalog:
    """Return the catalog of 'ru' or 'en' (any other language gets the Russian one), read once."""
    if language != "en":
        return Catalog("ru", {})
    import polib

    entries = polib.pofile(str(LOCALE / "en.po"))
    return Catalog("en", {entry.msgid: entry.msgstr for entry in entries if entry.msgstr})
