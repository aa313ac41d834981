"""Columns against their twin."""

from array import array

import pytest
import twins
from hypothesis import given
from hypothesis import strategies as st

from identsync.core.columns import Columns, digest

numbers = st.one_of(st.integers(-20, 20), st.integers(-(2**63), 2**63 - 1), st.sampled_from([-(2**63), 2**63 - 1]))
tables = st.dictionaries(numbers, st.integers(-3, 3) | numbers, max_size=40)


def columns_of(table: dict[int, int]) -> Columns:
    return Columns.from_rows(table.items())


def as_table(columns: Columns) -> dict[int, int]:
    return dict(zip(columns.keys, columns.digests, strict=True))


@given(tables)
def test_rows_in_any_order_come_out_sorted(table: dict[int, int]) -> None:
    by_rows = Columns.from_rows([list(row) for row in table.items()])
    by_buffers = Columns.from_buffers(array("q", table.keys()), array("q", table.values()))
    assert by_rows == by_buffers == columns_of(dict(sorted(table.items())))
    assert by_rows.keys.tolist() == sorted(table)
    assert as_table(by_rows) == table
    assert len(by_rows) == len(table)


@given(tables, tables)
def test_difference_is_that_of_the_twin(old: dict[int, int], new: dict[int, int]) -> None:
    changes = columns_of(old).difference(columns_of(new))
    expected = twins.columns_difference(old, new)
    assert (list(changes.added), list(changes.changed), list(changes.removed)) == expected
    assert len(changes) == sum(map(len, expected))


@given(
    st.integers(0, 400),
    st.sets(st.integers(0, 400), max_size=12),
    st.sets(st.integers(0, 400), max_size=12),
    st.sets(st.integers(0, 400), max_size=12),
    st.integers(1, 5),
)
def test_long_equal_stretches(n: int, gone: set[int], fresh: set[int], flips: set[int], wide: int) -> None:
    """Stretches of equal pairs are skipped in blocks; here they begin and end anywhere, also beside one another."""
    spread = {first + i for first in flips for i in range(wide)}
    old = {key * 2: key for key in range(n)}
    new = {key: value + (key // 2 in spread) for key, value in old.items() if key // 2 not in gone}
    new |= {key * 2 + 1: key for key in fresh}
    changes = columns_of(old).difference(columns_of(new))
    expected = twins.columns_difference(old, new)
    assert (list(changes.added), list(changes.changed), list(changes.removed)) == expected


def test_columns_of_several_pages_come_and_go() -> None:
    keys = array("q", range(700_000))
    columns = Columns.from_buffers(keys, keys)
    view = columns.keys
    other = Columns.from_buffers(keys, array("q", bytes(len(keys) * 8)))
    assert len(columns.difference(other)) == len(keys) - 1
    assert columns != other
    del columns
    assert view[699_999] == 699_999
    assert Columns() == Columns.from_rows([])
    assert Columns().keys.tolist() == []


@pytest.mark.parametrize("n", [8191, 8192, 8193, 30_000])
def test_difference_goes_over_the_edges_of_its_blocks(n: int) -> None:
    old = {key: key for key in range(0, 3 * n, 3)}
    new = {key: value + (key % 5 == 0) for key, value in old.items() if key % 7} | {n: 1, 4 * n: 1}
    changes = columns_of(old).difference(columns_of(new))
    expected = twins.columns_difference(old, new)
    assert (list(changes.added), list(changes.changed), list(changes.removed)) == expected


@given(tables, tables, st.lists(numbers, max_size=10, unique=True))
def test_with_is_that_of_the_twin(old: dict[int, int], fresh: dict[int, int], removed: list[int]) -> None:
    arguments = array("q", fresh.keys()), array("q", fresh.values()), array("q", removed)
    if fresh.keys() & set(removed):
        with pytest.raises(ValueError, match="both set and removed"):
            columns_of(old).with_(*arguments)
        return
    assert list(as_table(columns_of(old).with_(*arguments)).items()) == twins.columns_with(old, fresh, removed)


@given(tables, numbers)
def test_get_finds_what_is_there(table: dict[int, int], key: int) -> None:
    columns = columns_of(table)
    assert columns.get(key) == table.get(key)
    assert [columns.get(known) for known in table] == list(table.values())
    assert (key in columns) == (key in table)
    assert columns.get(2**70) is None


@given(tables)
def test_packed_columns_come_back(table: dict[int, int]) -> None:
    columns = columns_of(table)
    assert Columns.unpack(columns.pack()) == columns


@given(st.binary(max_size=200), st.integers(-(2**63), 2**64 - 1))
def test_digest_is_xxh64(data: bytes, seed: int) -> None:
    assert digest(data, seed) == twins.signed(twins.xxh64(data, seed))


def test_digest_has_the_published_values() -> None:
    assert digest(b"") % 2**64 == 0xEF46DB3751D8E999
    assert digest(b"a") % 2**64 == 0xD24EC4F1A98C6E5B
    assert digest(b"abc") % 2**64 == 0x44BC2CF5AD770999


def test_a_key_that_comes_twice_is_named() -> None:
    with pytest.raises(ValueError, match="key 7 comes twice"):
        Columns.from_rows([(7, 1), (3, 1), (7, 1)])
    with pytest.raises(ValueError, match="key 7 comes twice"):
        Columns.from_buffers(array("q", [7, 7]), array("q", [1, 2]))
    with pytest.raises(ValueError, match="key 5 comes twice"):
        Columns().with_(array("q"), array("q"), array("q", [5, 5]))


def test_views_outlive_their_columns_and_are_read_only() -> None:
    keys = Columns.from_rows([(1, 2)]).keys
    assert keys.tolist() == [1]
    assert keys.readonly
