"""The language of the engine's own words at the command line: Russian in the code, English from ``locale/en.po``.

The console chooses a language per reader; this is the language of one process.
"""

import os
from collections.abc import Mapping
from pathlib import Path

LANGUAGES = ("ru", "en")
_catalogue: Mapping[str, str] = {}


def preferred(environment: Mapping[str, str]) -> str:
    """Return 'ru' or 'en': IDENTSYNC_LANG, else the usual variables of the system where they ask for English."""
    for name in ("IDENTSYNC_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(name, ""):
            return "en" if value.lower().startswith("en") else "ru"
    return "ru"


def speak(language: str | None = None) -> str:
    """Choose the language of this process ('ru', 'en', None = as the environment asks) and return it."""
    global _catalogue  # noqa: PLW0603  one language a process, read everywhere
    chosen = language or preferred(os.environ)
    if chosen not in LANGUAGES:
        raise ValueError(f"no such language: {chosen}")
    _catalogue = _read(chosen) if chosen != "ru" else {}
    return chosen


def _(sentence: str, **values: object) -> str:
    """Return the sentence in the chosen language with ``{name}`` places filled; unknown ones stay Russian."""
    text = _catalogue.get(sentence, sentence)
    return text.format(**values) if values else text


def _read(language: str) -> Mapping[str, str]:
    import polib

    entries = polib.pofile(str(Path(__file__).with_name("locale") / f"{language}.po"))
    return {entry.msgid: entry.msgstr for entry in entries if entry.msgstr}
