"""One record against a table: everything wrong is found at once, and the right thing passes."""

import enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from identsync.errors import Problem
from identsync.settings.fields import record
from identsync.values import Address, DatabaseUrl, Duration, Secret, duration, milliseconds


class Colour(enum.StrEnum):
    RED = "red"


class Everything(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    count: Annotated[int, Meta(ge=1, le=10, description="сколько")]
    every: Annotated[Duration, Meta(ge=1000)] = 600_000
    key: Secret | None = None
    url: Address = "https://a.ru"
    base: DatabaseUrl = "sqlite:///x.db"
    flag: bool = False
    share: float = 0.3
    name: Annotated[str, Meta(min_length=1, max_length=5)] = "x"
    mode: Literal["fast", "slow"] = "fast"
    colour: Colour = Colour.RED
    branches: list[int] = []

    def mistakes(self) -> Any:
        if self.flag and self.share == 0:
            yield "share", "cross", "hint"


def read(**values: Any) -> tuple[Everything | None, list[Problem]]:
    problems: list[Problem] = []
    return record(Everything, values, "t", problems), problems


def test_a_right_table_becomes_the_record() -> None:
    made, problems = read(
        count=3, every="10m", key="env:K", url="https://a.ru/b/", flag=True, share=1, colour="red", branches=[1, 2]
    )
    assert problems == []
    assert made == Everything(
        count=3, every=600_000, key="env:K", url="https://a.ru/b", flag=True, share=1.0, branches=[1, 2]
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("count", "3"), ("count", True), ("count", 0), ("count", 11), ("count", 1.5),
        ("every", 10), ("every", "10"), ("every", "10 parsecs"), ("every", "5ms"), ("every", "-1m"),
        ("key", "hunter2"), ("key", "env:"), ("key", "keyring:service"), ("key", 5),
        ("url", "a.ru"), ("url", "ftp://a.ru"), ("url", "https://u:p@a.ru"), ("url", "https://a.ru/?k=1"), ("url", 1),
        ("url", "http://[::1"), ("url", "https://a.ru:99999"),
        ("base", "mysql://x"), ("base", "postgresql+psycopg://u:p@h/d"), ("base", "sqlite:///"), ("base", 1),
        ("base", "postgresql+psycopg://u@h/d?password=x"),
        ("base", "mssql+pyodbc:///?odbc_connect=DRIVER%3D1%3BUID%3Da%3BPWD%3Dsecret"),
        ("flag", 1), ("flag", "true"), ("share", "0.3"), ("share", False), ("name", ""), ("name", "abcdef"),
        ("name", 7), ("mode", "fsat"), ("mode", 1), ("mode", []), ("colour", "blue"), ("branches", 1),
        ("branches", ["1"]), ("branches", [1, [2]]), ("conut", 1),
    ],
)  # fmt: skip
def test_each_mistake_is_told_by_its_key(key: str, value: object) -> None:
    _made, problems = read(**({"count": 1} | {key: value}))
    assert len(problems) == 1
    assert problems[0].where.startswith(f"[t] {key}")
    assert problems[0].what
    if key == "key":
        assert "hunter2" not in str(problems)


def test_all_mistakes_come_together_and_across_keys() -> None:
    _made, problems = read(count=0, every="x", modee="fast", flag=True, share=0, name="")
    assert {problem.where for problem in problems} == {"[t] count", "[t] every", "[t] modee", "[t] name"}
    _made, problems = read(count=1, every="x", flag=True, share=0)  # a rule across keys beside a wrong key
    assert {problem.where for problem in problems} == {"[t] every", "[t] share"}


def test_the_nearest_spelling_and_the_missing_key() -> None:
    _made, problems = read(conut=1)
    assert [problem.where for problem in problems] == ["[t] conut", "[t] count"]
    assert "count" in problems[0].hint
    assert problems[1].hint == "сколько"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_no_value_of_any_kind_breaks_the_check(value: object) -> None:
    for key in Everything.__struct_fields__:
        made, problems = read(**({"count": 1} | {key: value}))
        assert made is not None or problems


@given(st.integers(0, 10**9))
def test_a_duration_is_written_as_it_is_read(ms: int) -> None:
    assert milliseconds(duration(ms)) == ms


@pytest.mark.parametrize(("text", "ms"), [("45s", 45_000), ("1.5h", 5_400_000), ("10 мин", 600_000), ("0,5m", 30_000)])
def test_durations(text: str, ms: int) -> None:
    assert milliseconds(text) == ms
