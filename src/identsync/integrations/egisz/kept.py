"""How the register keeps what a case lacks and what N3 complained of: two JSON lists in its rows.

A line is ``{"rule", "who", "fields": [[name, value], ...]}``, a complaint ``{"code", "field", "words"}``.
"""

from collections.abc import Sequence

import msgspec

from identsync.integrations.egisz.case import Complaint
from identsync.integrations.egisz.rules_table import RULES, Missing

_encode = msgspec.json.Encoder().encode
_missing = msgspec.json.Decoder(list[Missing]).decode
_complaints = msgspec.json.Decoder(list[Complaint]).decode
EMPTY = frozenset(("", "[]"))


def missing_text(lines: Sequence[Missing]) -> str:
    """Return the lines of a case as the register keeps them."""
    return _encode(list(lines)).decode()


def missing_of(text: str) -> list[Missing]:
    """Return the lines that the register keeps; those by rules of a newer program are left out."""
    return [line for line in _missing(text) if line.rule in RULES] if text not in EMPTY else []


def complaints_text(complaints: Sequence[Complaint]) -> str:
    """Return what N3 complained of as the register keeps it."""
    return _encode(list(complaints)).decode()


def complaints_of(text: str) -> list[Complaint]:
    """Return what the register keeps of N3's complaints, as N3 said it."""
    return _complaints(text) if text not in EMPTY else []
