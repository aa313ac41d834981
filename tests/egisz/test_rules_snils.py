"""СНИЛС against a twin that follows the pension fund's words step by step."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from identsync.integrations.egisz import snils


def twin(number: str) -> str:
    """Each digit times its place from the end; under 100 itself, 100 and 101 are 00, more is taken modulo 101."""
    total = sum(place * int(digit) for place, digit in enumerate(reversed(number), start=1))
    if total > 101:
        total %= 101
    return "00" if total in (100, 101) else f"{total:02d}"


@given(st.integers(1_001_999, 999_999_999))
@example(100_000_019)  # the sum is 101 or less
@example(999_999_998)
def test_exactly_one_of_a_hundred_check_numbers_is_right(number: int) -> None:
    text = f"{number:09d}"
    right = [f"{check:02d}" for check in range(100) if snils.fault(f"{text}{check:02d}") is None]
    assert right == ([] if len(set(text)) == 1 else [twin(text)])


@given(st.integers(1_001_999, 999_999_999), st.integers(0, 8), st.integers(1, 9))
def test_one_digit_mistyped_is_seen(number: int, place: int, by: int) -> None:
    text = f"{number:09d}"
    wrong = text[:place] + str((int(text[place]) + by) % 10) + text[place + 1 :]
    if int(wrong) > snils.UNCHECKED and twin(wrong) != twin(text):
        assert snils.fault(wrong + twin(text)) is not None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("112-233-445 95", None),
        ("11223344595", None),
        (" 112 233 445-95 ", None),
        ("087-654-303 00", None),  # the sum is 202
        ("001-001-998 77", None),  # the last without a check number
        ("000-000-001 00", None),
        ("112-233-445 96", snils.Fault.CHECK),
        ("001-001-999 00", snils.Fault.CHECK),
        ("000-000-000 00", snils.Fault.CHECK),
        ("111-111-111 45", snils.Fault.CHECK),
        ("112-233-445", snils.Fault.SHAPE),
        ("112-233-445 9A", snils.Fault.SHAPE),
        ("112_233_445 95", snils.Fault.SHAPE),
        ("١١٢٢٣٣٤٤٥٩٥", snils.Fault.SHAPE),  # digits, but not those that go on the wire
        ("", snils.Fault.SHAPE),
    ],
)
def test_known_numbers(text: str, fault: snils.Fault | None) -> None:
    assert snils.fault(text) == fault


@given(st.text(max_size=20))
def test_whatever_is_written_is_judged(text: str) -> None:
    if snils.fault(text) is None:
        assert len(snils.digits(text)) == 11
