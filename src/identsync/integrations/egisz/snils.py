"""СНИЛС: the number that people are known by; its digits, and whether its check number agrees."""

from enum import StrEnum

SEPARATORS = dict.fromkeys(map(ord, " -\u00a0\u2010\u2011\u2012\u2013\u2014\u2212\u2009\u202f"))
UNCHECKED = 1_001_998
"""Numbers up to 001-001-998 were given without a check number."""


class Fault(StrEnum):
    """What is wrong with a СНИЛС."""

    SHAPE = "shape"  # not eleven digits
    CHECK = "check"  # the check number does not agree, or the number is a filler


def digits(text: str) -> str:
    """Return what was written without the separators that people write: '112-233-445 95' -> '11223344595'."""
    return text.translate(SEPARATORS)


def fault(text: str) -> Fault | None:
    """Tell what is wrong with a СНИЛС as written, None = nothing."""
    number = digits(text)
    if len(number) != 11 or not (number.isascii() and number.isdigit()):
        return Fault.SHAPE
    if len(set(number[:9])) == 1:
        return Fault.CHECK  # 000-000-000 and 111-111-111 fill a form, nobody has them
    return None if int(number[:9]) <= UNCHECKED or check(number[:9]) == number[9:] else Fault.CHECK


def check(number: str) -> str:
    """Return the two digits of the check number of nine digits: each times its place from the end, modulo 101."""
    total = sum(int(digit) * (9 - at) for at, digit in enumerate(number))
    return f"{total % 101 % 100:02d}"
