"""The text of an SMS: hard cases counted by hand, everything else against the twin."""

import pytest
import twins
from hypothesis import given
from hypothesis import strategies as st

from identsync.core.texts import LONGEST, decode_gsm, encode, measure, split

HARD = [
    ("", "gsm", 0, [0]),
    ("a" * 160, "gsm", 160, [160]),
    ("a" * 161, "gsm", 161, [153, 8]),
    ("a" * 306, "gsm", 306, [153, 153]),
    ("a" * 307, "gsm", 307, [153, 153, 1]),
    ("я" * 70, "ucs2", 70, [70]),
    ("я" * 71, "ucs2", 71, [67, 4]),
    ("я" * 134, "ucs2", 134, [67, 67]),
    ("я" * 135, "ucs2", 135, [67, 67, 1]),
    ("^{}\\[~]|€\f", "gsm", 20, [20]),
    ("€" * 80, "gsm", 160, [160]),
    ("€" * 81, "gsm", 162, [152, 10]),  # 153 would cut an escape from its code
    ("a" * 152 + "€" + "a" * 10, "gsm", 164, [152, 12]),
    ("a" * 151 + "€" + "a" * 10, "gsm", 163, [153, 10]),
    ("a" * 159 + "€", "gsm", 161, [153, 8]),
    ("€" * 229, "gsm", 458, [152, 152, 152, 2]),  # 458 / 153 would be three
    ("ё", "ucs2", 1, [1]),
    ("`", "ucs2", 1, [1]),
    ("ç", "ucs2", 1, [1]),  # the alphabet has the capital one only
    ("\x1b", "ucs2", 1, [1]),
    ("a\0b", "ucs2", 3, [3]),
    ("\u20ad", "ucs2", 1, [1]),  # one behind the euro
    ("😀", "ucs2", 2, [2]),
    ("😀" * 35, "ucs2", 70, [70]),
    ("😀" * 36, "ucs2", 72, [66, 6]),  # 67 would cut a pair
    ("я" * 66 + "😀" * 3, "ucs2", 72, [66, 6]),
    ("я" * 65 + "😀" * 3, "ucs2", 71, [67, 4]),
    ("\ud83d", "ucs2", 1, [1]),
    ("\ud83d\ude00", "ucs2", 2, [2]),  # two halves are not a pair
    ("a" * 600, "gsm", 600, [153, 153, 153, 141]),  # more than the stack has room for
    ("я" * 600, "ucs2", 600, [67] * 8 + [64]),
]


@pytest.mark.parametrize(("text", "alphabet", "units", "sizes"), HARD, ids=[repr(case[0][-12:]) for case in HARD])
def test_hard_cases(text: str, alphabet: str, units: int, sizes: list[int]) -> None:
    coding, segments = split(text)
    width = 2 if alphabet == "ucs2" else 1
    assert measure(text) == (alphabet, units, len(sizes))
    assert (coding, [len(segment) // width for segment in segments]) == (8 if width == 2 else 0, sizes)
    assert encode(text) == (coding, b"".join(segments))


def test_the_octets_are_those_of_the_standard() -> None:
    assert encode("@£\n_ ¡§ä€^") == (0, bytes([0, 1, 10, 0x11, 0x20, 0x40, 0x5F, 0x7B, 0x1B, 0x65, 0x1B, 0x14]))
    assert encode("Ё€😀") == (8, "Ё€😀".encode("utf-16-be"))
    assert encode("\udc00я") == (8, "\ufffdя".encode("utf-16-be"))


def test_as_many_segments_as_the_header_can_count() -> None:
    assert len(split("a" * 153 * 255)[1]) == len(split("я" * 67 * 255)[1]) == 255
    for text in ("a" * (153 * 255 + 1), "я" * (67 * 255 + 1)):
        assert measure(text)[2] == 256
        with pytest.raises(ValueError, match="255 segments"):
            split(text)
        assert encode(text)[1]


def test_a_text_is_capped_at_the_door() -> None:
    assert measure("€" * LONGEST) == ("gsm", 2 * LONGEST, -(-LONGEST // 76))
    assert measure("😀" * LONGEST) == ("ucs2", 2 * LONGEST, -(-LONGEST // 33))
    for function in (measure, split, encode):
        with pytest.raises(ValueError, match="characters"):
            function("a" * (LONGEST + 1))
        for thing in (None, b"text", 5):
            with pytest.raises(TypeError):
                function(thing)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="octets"):
        decode_gsm(bytes(2 * LONGEST + 1))
    with pytest.raises(TypeError):
        decode_gsm("text")  # type: ignore[arg-type]


def test_strings_that_are_more_than_strings() -> None:
    class Text(str):
        def __len__(self) -> int:
            return 10**9

    assert split(Text("abc")) == (0, [b"abc"])


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"", ""),
        (b"\x00\x1be\x1b\x0a", "@€\f"),
        (b"a\x1b", "a "),
        (b"\x1b\x1ba", " a"),
        (b"\x1baz", "az"),  # the extension table has nothing there: the default one counts
        (b"a\xe9b", "a\ufffdb"),
    ],
)
def test_septets_are_read(octets: bytes, text: str) -> None:
    assert decode_gsm(octets) == text


gsm = st.text(st.sampled_from([*twins.GSM, *twins.GSM_FURTHER]), max_size=700)
mostly = st.text(st.sampled_from("aя€{😀\ud83d\ude00`\0\x1bё"), max_size=400)


@given(gsm | mostly | st.text(st.characters(codec=None), max_size=300))
def test_as_the_twin(text: str) -> None:
    coding, segments = twins.sms(text)
    joined = [b"".join(segment) for segment in segments]
    size = sum(map(len, joined))
    assert split(text) == (coding, joined)
    assert encode(text) == (coding, b"".join(joined))
    assert measure(text) == ("ucs2" if coding else "gsm", size // 2 if coding else size, len(joined))


@given(gsm)
def test_what_was_written_is_read(text: str) -> None:
    assert decode_gsm(encode(text)[1]) == text


@given(st.binary(max_size=500))
def test_any_octets_are_read(octets: bytes) -> None:
    assert len(decode_gsm(octets)) <= len(octets)
