"""Numbers as PBXs write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync.integrations.telephony.number import Number, read


@pytest.mark.parametrize(
    ("written", "area", "e164"),
    [
        ("+7 (916) 123-45-67", "", "+79161234567"),
        ("89161234567", "", "+79161234567"),
        ("79161234567", "", "+79161234567"),
        ("9161234567", "", "+79161234567"),
        ("8 (4932) 41-22-33", "", "+74932412233"),
        ("412233", "4932", "+74932412233"),
        ("1234567", "495", "+74951234567"),
        ("412233", "", None),  # whose town nobody knows
        ("412233", "495", None),  # too short for that town
        ("8-10-372-5551234", "", "+3725551234"),
        ("00 44 20 7946 0958", "", "+442079460958"),
        ("+3725551234", "", "+3725551234"),
        ("sip:+79161234567@sip.example", "", "+79161234567"),
        ('"Анна" <sip:89161234567@10.0.0.1;user=phone>', "", "+79161234567"),
        ("tel:+74951234567", "", "+74951234567"),
        ("+84951234567", "", None),  # a Russian number with a plus too many, or one in Vietnam
        ("101", "495", None),
        ("112", "", None),
        ("ivan", "", None),
        ("+7999", "", None),
        ("7" * 40, "", None),
    ],
)
def test_a_number_is_read(written: str, area: str, e164: str | None) -> None:
    number = read(written, area)
    assert number.e164 == e164
    assert number.key == (e164.removeprefix("+")[-10:] if e164 else None)
    assert number.shown  # what cannot be called is kept as it came


@pytest.mark.parametrize("written", ["", " ", "anonymous", "Anonymous", "<unknown>", "Unavailable", "restricted"])
def test_a_hidden_number_is_empty(written: str) -> None:
    assert read(written, "495") == Number("")


@given(st.text(max_size=90), st.sampled_from(["", "495", "4932", "35164"]))
def test_whatever_comes_is_kept_and_never_raises(written: str, area: str) -> None:
    number = read(written, area)
    assert len(number.shown) <= 60
    assert number.e164 is None or (number.e164[0] == "+" and number.e164[1:].isascii() and number.e164[1:].isdigit())
    assert (number.key is None) == (number.e164 is None)


@given(st.integers(9_000_000_000, 9_999_999_999))
def test_one_number_is_one_however_it_is_written(digits: int) -> None:
    d = str(digits)
    ways = (f"+7{d}", f"8{d}", f"7{d}", d, f"8 ({d[:3]}) {d[3:6]}-{d[6:8]}-{d[8:]}", f"sip:+7{d}@pbx")
    assert {read(way).key for way in ways} in ({d}, {None})
