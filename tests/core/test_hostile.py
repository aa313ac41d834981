"""Whatever is thrown at the core, it answers with an exception and stays alive."""

import random
import struct
from array import array
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
import twins
from hypothesis import given
from hypothesis import strategies as st

from identsync.core.board import Boards
from identsync.core.columns import Columns, digest

DAY = 20_000
BASE = DAY * 1440


def boards() -> Boards:
    made = Boards([(1, 1), (1, 2), (3, 1)], DAY, 3, 15)
    made.add_shifts([(1, 1, BASE + 540, 600), (3, 1, BASE + 2000, 300)])
    made.add_busy([(1, 1, BASE + 600, 45), (1, 2, BASE, 5000)])
    return made


def columns() -> Columns:
    return Columns.from_rows((key, key * key) for key in range(20))


PACKED: list[tuple[Callable[[bytes], object], bytes]] = [
    (Boards.unpack, boards().pack()),
    (Columns.unpack, columns().pack()),
]


@pytest.mark.parametrize(("unpack", "packed"), PACKED, ids=["boards", "columns"])
class TestUnpack:
    def test_every_flipped_bit_is_noticed(self, unpack: Callable[[bytes], object], packed: bytes) -> None:
        for at in range(len(packed)):
            for bit in range(8):
                damaged = bytearray(packed)
                damaged[at] ^= 1 << bit
                with pytest.raises(ValueError):
                    unpack(damaged)

    def test_every_truncation_is_noticed(self, unpack: Callable[[bytes], object], packed: bytes) -> None:
        for size in range(len(packed)):
            with pytest.raises(ValueError):
                unpack(packed[:size])
        with pytest.raises(ValueError):
            unpack(packed + b"\0")

    def test_random_bytes_are_refused(self, unpack: Callable[[bytes], object], packed: bytes) -> None:
        chance = random.Random(7)
        for _ in range(2000):
            noise = packed[: chance.choice([0, 8])] + chance.randbytes(chance.randrange(200))
            with pytest.raises(ValueError):
                unpack(noise)

    def test_a_right_checksum_is_still_not_believed(self, unpack: Callable[[bytes], object], packed: bytes) -> None:
        """Any word replaced and the checksum made right: refused, or read as what it says."""
        chance = random.Random(11)
        values = [0, 1, -1, 2**31, 2**62, 2**63 - 1, -(2**63), 7, 10**6]
        for _ in range(1500):
            forged = bytearray(packed)
            at = 16 + 8 * chance.randrange((len(packed) - 16) // 8)
            struct.pack_into("<q", forged, at, chance.choice([*values, chance.getrandbits(63)]))
            struct.pack_into("<Q", forged, 8, digest(bytes(forged[16:])) % 2**64)
            try:
                read = unpack(forged)
            except ValueError:
                continue
            assert read.pack() == forged  # type: ignore[attr-defined]


def test_padding_bits_stay_zero() -> None:
    packed = bytearray(boards().pack())
    struct.pack_into("<Q", packed, len(packed) - 8, 1 << 63)
    struct.pack_into("<Q", packed, 8, twins.xxh64(bytes(packed[16:])))
    with pytest.raises(ValueError):
        Boards.unpack(packed)
    full = Boards([(1, 1)], DAY, 1, 15)
    full.add_busy([(1, 1, -(2**63), 2**63 - 1), (1, 1, 0, 2**63 - 1)])
    assert struct.unpack("<QQQQ", full.pack()[-32:]) == (0, 0, 2**64 - 1, 2**32 - 1)


BAD_ROWS = [
    (1, 1, BASE),
    (1, 1, BASE, 30, 1),
    (1, 1, BASE, 1.5),
    (1, 1, BASE, float("nan")),
    (1, 1, BASE, Decimal(30)),
    (1, 1, BASE, None),
    (1, 1, BASE, "30"),
    (1, 1, 2**63, 30),
    (1, -(2**70), BASE, 30),
    "abcd",
    b"ab",
    {1: 2, 3: 4, 5: 6, 7: 8},
    None,
    7,
]


@pytest.mark.parametrize("row", BAD_ROWS, ids=repr)
def test_a_bad_row_is_named(row: object) -> None:
    made = boards()
    for add in (made.add_shifts, made.add_busy):
        with pytest.raises(ValueError, match="row 1"):
            add([(1, 1, BASE, 15), row])  # type: ignore[list-item]


@pytest.mark.parametrize("row", [(1,), (1, 2, 3), (1, 1.5), (None, 1), (2**63, 1), "ab", 5], ids=repr)
def test_a_bad_pair_is_named(row: object) -> None:
    with pytest.raises(ValueError, match="row 1"):
        Columns.from_rows([(1, 1), row])  # type: ignore[list-item]


def test_a_row_that_lies_about_itself() -> None:
    class Liar(list[int]):
        def __len__(self) -> int:
            return 4

    with pytest.raises(ValueError, match="row 0"):
        boards().add_busy([Liar()])


def test_an_error_of_the_source_comes_through_as_it_is() -> None:
    def rows() -> Iterator[tuple[int, int, int, int]]:
        yield 1, 1, BASE, 30
        raise OverflowError("the driver's own")

    with pytest.raises(OverflowError, match="own"):
        boards().add_busy(rows())


def test_rows_that_change_the_boards_while_they_are_read() -> None:
    made = boards()

    def rows() -> Iterator[tuple[int, int, int, int]]:
        for minute in range(100):
            made.add_busy([(1, 1, BASE + minute * 30, 30)])
            yield 1, 2, BASE, 30

    made.add_busy(rows())
    assert made.counts()[1] > 0


@pytest.mark.parametrize(
    "buffer",
    [
        array("i", [1, 2]),
        array("d", [1, 2]),
        array("Q", [1, 2]),
        b"12345678" * 2,
        array("q", [1]),
        array("q", [1, 2, 3]),
        pytest.param(memoryview(array("q", [1, 2, 3, 4]))[::2], id="every other"),
        pytest.param(memoryview(array("q", range(4))).cast("B").cast("q", (2, 2)), id="two dimensions"),
        [1, 2],
        None,
        "12",
    ],
    ids=repr,
)
def test_a_wrong_column_is_refused(buffer: object) -> None:
    good = array("q", [1, 2])
    made = boards()
    for place in range(4):
        arguments = [good, good, good, good]
        arguments[place] = buffer  # type: ignore[call-overload]
        with pytest.raises((ValueError, TypeError, BufferError)):
            made.add_busy_columns(*arguments)
        with pytest.raises((ValueError, TypeError, BufferError)):
            made.add_shift_columns(*arguments)
    with pytest.raises((ValueError, TypeError, BufferError)):
        Columns.from_buffers(good, buffer)  # type: ignore[arg-type]


def test_read_only_columns_are_read() -> None:
    columns = [memoryview(array("q", [value])).toreadonly() for value in (1, 1, BASE, 30)]
    assert boards().add_busy_columns(*columns) == 0
    with pytest.raises((ValueError, TypeError, BufferError)):
        boards().busy_spans(columns[0])


def test_things_that_are_no_boards() -> None:
    made = boards()
    for other in (None, 5, b"", columns()):
        with pytest.raises(TypeError):
            made.difference(other)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            columns().difference(made)  # type: ignore[arg-type]
        assert made != other
    for data in (None, 5, "text"):
        with pytest.raises(TypeError):
            Boards.unpack(data)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            digest(data)  # type: ignore[arg-type]
    for value in (1.5, "1", None):
        with pytest.raises((TypeError, ValueError)):
            Boards([(1, 1)], value, 1, 15)  # type: ignore[arg-type]
        with pytest.raises((TypeError, ValueError)):
            Boards([(1, 1)], 0, value, 15)  # type: ignore[arg-type]
        with pytest.raises((TypeError, ValueError)):
            Boards([(1, value)], 0, 1, 15)  # type: ignore[list-item]


def test_calling_init_again_changes_nothing() -> None:
    made = boards()
    before = made.pack()
    made.__init__([(9, 9)], 0, 1, 5)  # type: ignore[misc]
    assert made.pack() == before


@given(st.binary(max_size=300))
def test_digest_takes_any_bytes(data: bytes) -> None:
    assert -(2**63) <= digest(data) < 2**63
    with pytest.raises(ValueError):
        digest(data, 2**64)
