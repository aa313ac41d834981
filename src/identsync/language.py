"""The language of the engine's own words at the command line: Russian in the code, English from ``locale/en.po``.

The console chooses a language per reader; this is the language of one process.
"""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("ru", "en")
_catalogue: Mapping[str, str] = {}
_chosen = "ru"


def preferred(environment: Mapping[str, str]) -> str:
    """Return 'ru' or 'en': IDENTSYNC_LANG, else the usual variables of the system where they ask for English."""
    for name in ("IDENTSYNC_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name, ""):
            return "en" if value.lower().startswith("en") else "ru"
    return "ru"


def speak(language: str | None = None) -> str:
    """Choose the language of this process ('ru', 'en', None = as the environment asks) and return it."""
    global _catalogue, _chosen
    chosen = language or preferred(os.environ)
    if chosen not in LANGUAGES:
        raise ValueError(f"no such language: {chosen}")
    _catalogue, _chosen = _read(chosen) if chosen != "ru" else {}, chosen
    return chosen


def spoken() -> str:
    """Return the language of this process, 'ru' or 'en'."""
    return _chosen


def _(sentence: str, **values: object) -> str:
    """Return the sentence in the chosen language with ``{name}`` places filled; unknown ones stay Russian."""
    text = _catalogue.get(sentence, sentence)
    return text.format(**values) if values else text


class Words(str):
    """A sentence of the chosen language that knows what it was made of: kept like that, others read it in theirs."""

    sentence: str
    fields: Mapping[str, object]


def keyed(sentence: str, **values: object) -> Words:
    """Return what ``_`` does, in a form that ``kept`` can take apart; places may be filled with such ones."""
    words = Words(_(sentence, **values))
    words.sentence, words.fields = sentence, values
    return words


def kept(text: str, longest: int) -> str:
    """Return a text for a column of ``longest`` characters: Words by their key and fields, others as they are."""
    if isinstance(text, Words):
        packed = json.dumps(_parts(text), ensure_ascii=False)
        if len(packed) <= longest:
            return packed
    return text[:longest]


def _parts(words: object) -> object:
    if isinstance(words, Words):
        return {"say": words.sentence, "with": {name: _parts(value) for name, value in words.fields.items()}}
    return words if isinstance(words, int | float | str) else str(words)


def said(text: str, language: str | None = None) -> str:
    """Return what ``kept`` was given in a language (None = the chosen one); any other text as it is."""
    if not text.startswith('{"say"'):
        return text
    try:
        return _told(json.loads(text), _catalogue if language is None else _known(language))
    except (ValueError, LookupError, TypeError, AttributeError):
        return text


def _told(parts: Mapping[str, Any], catalogue: Mapping[str, str]) -> str:
    fields = {
        name: _told(value, catalogue) if isinstance(value, dict) else value for name, value in parts["with"].items()
    }
    sentence = str(parts["say"])
    text = catalogue.get(sentence, sentence)
    return text.format(**fields) if fields else text


@cache
def _known(language: str) -> Mapping[str, str]:
    return _read(language) if language == "en" else {}


def _read(language: str) -> Mapping[str, str]:
    import polib

    entries = polib.pofile(str(Path(__file__).with_name("locale") / f"{language}.po"))
    return {entry.msgid: entry.msgstr for entry in entries if entry.msgstr}
