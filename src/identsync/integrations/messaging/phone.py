"""Numbers an SMS can be sent to, out of what a clinic writes into the field "telephone"."""

import re
from functools import lru_cache

from identsync.integrations.messaging.reasons import BAD_PHONE, LANDLINE, NO_PHONE

_SPACE = str.maketrans("", "", " \u00a0-()\t")
_MOBILE = re.compile(r"(?:\+?7|8)?(9(?:[0-24-9]\d|3[1-9])\d{7})", re.ASCII)
"""Nearly all of Russia's mobile numbers: what is so written needs no library (a test compares the two)."""
_DOUBTFUL = re.compile(r"\+8(?:[\s()-]*\d){10}(?!\d)", re.ASCII)
"""A Russian number with a plus too many, or one abroad: '+8 495 123-45-67' is a stranger's telephone in Vietnam."""
LONGEST = 100


def number(text: str | None) -> tuple[str, str]:
    """Return (E.164 number, '') or ('', why not: a message key). Of several numbers the first mobile one counts.

    '+8' and ten digits may be one of two telephones, and so is none.
    """
    if not text or not text.strip():
        return "", NO_PHONE
    plain = _MOBILE.fullmatch(text.translate(_SPACE))
    return ("+7" + plain[1], "") if plain else _asked(_DOUBTFUL.sub(" ", text[:LONGEST]))


@lru_cache(maxsize=4_096)
def _asked(text: str) -> tuple[str, str]:
    import phonenumbers

    try:
        found = [phonenumbers.parse(text, "RU")]
    except phonenumbers.NumberParseException:
        found = [match.number for match in phonenumbers.PhoneNumberMatcher(text, "RU")]
    valid = [each for each in found if phonenumbers.is_valid_number(each)]
    if not valid:
        return "", BAD_PHONE
    landline = phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.TOLL_FREE
    mobile = [each for each in valid if phonenumbers.number_type(each) not in landline]
    if not mobile:
        return "", LANDLINE
    return phonenumbers.format_number(mobile[0], phonenumbers.PhoneNumberFormat.E164), ""
