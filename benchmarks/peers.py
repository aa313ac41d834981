"""Differences of two sorted (key, value) columns by what people would otherwise pick; each counts what changed."""

from typing import Any

from benchmarks.harness import Work, optional


def differences(old: tuple[Any, Any], new: tuple[Any, Any]) -> dict[str, Work]:
    """Return a contender per installed library; every one returns (added, changed, removed)."""
    found: dict[str, Work] = {}
    for name, make in PEERS.items():
        optional(found, name, lambda make=make: make(*old, *new))  # type: ignore[misc]
    return found


def _numpy(old_keys: Any, old_values: Any, new_keys: Any, new_values: Any) -> Work:
    import numpy as np

    def work() -> tuple[int, int, int]:
        at = np.searchsorted(old_keys, new_keys)
        at[at == len(old_keys)] = 0
        both = old_keys[at] == new_keys
        changed = new_keys[both][old_values[at[both]] != new_values[both]]
        added = new_keys[~both]
        gone = np.ones(len(old_keys), bool)
        gone[at[both]] = False
        return len(added), len(changed), len(old_keys[gone])

    return work


def _isin(old_keys: Any, old_values: Any, new_keys: Any, new_values: Any) -> Work:
    """Numpy takes a table where keys lie as densely as here; hashed keys it sorts, which takes twice as long."""
    import numpy as np

    def work() -> tuple[int, int, int]:
        stays = np.isin(old_keys, new_keys, assume_unique=True)
        known = np.isin(new_keys, old_keys, assume_unique=True)
        changed = new_keys[known][old_values[stays] != new_values[known]]
        return len(new_keys[~known]), len(changed), len(old_keys[~stays])

    return work


def _by_blocks(old_keys: Any, old_values: Any, new_keys: Any, new_values: Any) -> Work:
    """The best we could make of numpy: searchsorted only in blocks that differ, each small enough for the cache."""
    import numpy as np

    def work() -> tuple[int, int, int]:
        cuts = np.arange(0, len(old_keys), 1 << 14)
        starts = np.searchsorted(new_keys, old_keys[cuts])
        ends = (np.append(cuts[1:], len(old_keys)), np.append(starts[1:], len(new_keys)))
        found = np.array([starts[0], 0, 0])
        for i, j, after_i, after_j in zip(cuts, starts, *ends, strict=True):
            old, new = slice(i, after_i), slice(j, after_j)
            found += _numpy(old_keys[old], old_values[old], new_keys[new], new_values[new])()
        return tuple(found.tolist())

    return work


def _polars(old_keys: Any, old_values: Any, new_keys: Any, new_values: Any) -> Work:
    import polars as pl

    old, new = pl.DataFrame({"k": old_keys, "a": old_values}), pl.DataFrame({"k": new_keys, "b": new_values})

    def work() -> tuple[int, int, int]:
        joined = old.join(new, on="k", how="full", coalesce=True)
        found = joined.filter(pl.col("a").ne_missing(pl.col("b")))
        added, removed = found["a"].null_count(), found["b"].null_count()
        return added, len(found) - added - removed, removed

    return work


def _duckdb(old_keys: Any, old_values: Any, new_keys: Any, new_values: Any) -> Work:
    import duckdb
    import polars as pl

    base = duckdb.connect()
    frames = {"o": {"k": old_keys, "a": old_values}, "n": {"k": new_keys, "b": new_values}}
    for name, columns in frames.items():
        base.register("frame", pl.DataFrame(columns).to_arrow())
        base.execute(f"CREATE TABLE {name} AS SELECT * FROM frame")
    query = "SELECT k, a, b FROM o FULL JOIN n USING (k) WHERE a IS DISTINCT FROM b"

    def work() -> tuple[int, int, int]:
        found = base.sql(query).to_arrow_table()
        added, removed = found["a"].null_count, found["b"].null_count
        return added, len(found) - added - removed, removed

    return work


def _pandas(old_keys: Any, old_values: Any, new_keys: Any, new_values: Any) -> Work:
    import pandas as pd

    old = pd.Series(old_values, index=old_keys, name="a").to_frame()
    new = pd.Series(new_values, index=new_keys, name="b").to_frame()

    def work() -> tuple[int, int, int]:
        joined = old.join(new, how="outer")
        found = joined[joined["a"].ne(joined["b"])]
        added, removed = int(found["a"].isna().sum()), int(found["b"].isna().sum())
        return added, len(found) - added - removed, removed

    return work


PEERS = {
    "numpy searchsorted": _numpy,
    "numpy isin": _isin,
    "numpy by blocks": _by_blocks,
    "polars": _polars,
    "duckdb": _duckdb,
    "pandas": _pandas,
}
