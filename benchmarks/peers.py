"""Differences of two sorted (key, value) columns by what people would otherwise pick; each counts what changed."""

from typing import Any

from benchmarks.harness import Work, optional


def differences(old: tuple[Any, Any], new: tuple[Any, Any]) -> dict[str, Work]:
    """Return a contender per installed library; every one returns (added, changed, removed)."""
    found: dict[str, Work] = {}
    for name, make in (("numpy searchsorted", _numpy), ("polars", _polars), ("duckdb", _duckdb), ("pandas", _pandas)):
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
