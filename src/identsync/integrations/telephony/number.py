"""Telephone numbers as PBXs write them: E.164 where they can be called, as they came where not."""

import re
from dataclasses import dataclass
from functools import lru_cache

from identsync.flows.phone import callable_number

LONGEST = 60
_SIP = re.compile(r"(?:sips?|tel):([^@;>]+)", re.IGNORECASE)
_HIDDEN = frozenset(("", "anonymous", "unknown", "<unknown>", "unavailable", "private", "restricted", "hidden", "null"))


@dataclass(frozen=True, slots=True)
class Number:
    """A number: as it came ('' = hidden), E.164 or None, its last ten digits (what a patient is found by) or None."""

    shown: str
    e164: str | None = None
    key: str | None = None


@lru_cache(maxsize=8_192)
def read(text: str, area: str = "") -> Number:
    """Read a number; one without a code belongs to the ``area``.

    '8 495 ...', '8-10 ...' (Russia's way abroad), '00...', 'sip:...@host' and 'tel:...' are read; '+8' and ten digits
    is a Russian number with a plus too many, or one in Vietnam: not recognised.
    """
    shown = text.strip()[:LONGEST]
    if shown.lower() in _HIDDEN:
        return Number("")
    found = _SIP.search(shown)
    inner = found[1] if found else shown
    digits = "".join(character for character in inner if character in "0123456789")
    if not digits or re.search(r"[^\W\d_]", inner) or (inner.lstrip().startswith("+8") and len(digits) == 11):
        return Number(shown)
    spelled = _spelled(inner, digits, area)
    e164 = callable_number(spelled, None) if spelled else None
    return Number(shown, e164, e164.removeprefix("+")[-10:]) if e164 else Number(shown)


def _spelled(text: str, digits: str, area: str) -> str | None:
    if text.lstrip().startswith("+"):
        return "+" + digits
    if digits.startswith("810") and len(digits) > 10:
        return "+" + digits[3:]
    if digits.startswith("00") and len(digits) > 10:
        return "+" + digits[2:]
    if len(digits) == 11 and digits[0] in "78":
        return "+7" + digits[1:]
    if len(digits) == 10:
        return "+7" + digits
    if area and len(area) + len(digits) == 10:
        return "+7" + area + digits
    return "+" + digits if len(digits) > 11 else None
