"""The law of a channel: judged step by step, by seeds, and the judge by broken laws."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ceiling import excess
from engine.permits_weather import REPLAY, Weather
from engine.permits_world import Ledger
from identsync.engine.channel import Block, Channel, Terms
from identsync.store.limiter import Grant

EPS = 1e-6  # of a permit: floating point
CHANNELS = st.builds(
    Channel, st.just("x"), st.sampled_from([0.1, 1.0, 3.0, 7.0, 20.0, 333.0, 20_000.0]), st.sampled_from([1, 2, 5, 40])
)
MS = st.one_of(st.just(0.0), st.floats(0, 3), st.floats(0, 300), st.floats(0, 20_000))


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(channel=CHANNELS, data=st.data())
def test_no_window_exceeds_the_ceiling_however_slow_the_way_and_the_use(channel: Channel, data: st.DataObject) -> None:
    """Blocks of many clients, each with its own clock, way and habits; a use comes at any moment wait() allows."""
    now, uses = 1e9, []
    ledger = Ledger(lambda: now)
    for _ in range(data.draw(st.integers(1, 8))):
        now += data.draw(MS)
        n, slack = data.draw(st.integers(1, 12)), data.draw(st.sampled_from([40.0, 100.0, 2_000.0]))
        terms = channel.terms(n, slack)
        grant = ledger.block("x", 0, cost_ms=terms.cost_ms, back_ms=terms.back_ms, ahead_ms=300 * 86_400_000)
        drift, origin = data.draw(st.sampled_from([0.9999, 1.0, 1.0001])), data.draw(st.sampled_from([0.0, 1e7]))
        there, back, at, start = data.draw(MS), data.draw(MS), now, now
        block = Block(terms, grant, origin - there * drift, origin + back * drift)
        at += back
        while (wait := block.wait(origin + (at - start) * drift)) is not None:
            if wait:
                at += wait / drift + data.draw(MS)
                continue
            block.take()
            uses.append(at)
            at += data.draw(MS)
    assert not uses or excess(uses, channel.rate, channel.burst) <= EPS


def test_whatever_clients_do_no_window_exceeds_the_ceiling() -> None:
    """Slow, hasty, refused, dying and shared clients, ways of a second, clocks set back; and a newcomer after all."""
    for seed in range(60):
        above = Weather(seed).excess()
        assert above <= EPS, f"{above} permits above the ceiling: {REPLAY.format(seed, seed + 1)}"


REAL_TERMS, REAL_INIT = Channel.terms, Block.__init__


def close_spacing(channel: Channel, n: int, slack_ms: float) -> Terms:
    return replace(REAL_TERMS(channel, n, slack_ms), spacing_ms=channel.period_ms)


def no_end(block: Block, terms: Terms, grant: Grant, asked: float, answered: float) -> None:
    REAL_INIT(block, replace(terms, width_ms=1e9), grant, asked, answered)


def early_opening(block: Block, terms: Terms, grant: Grant, asked: float, answered: float) -> None:
    REAL_INIT(block, terms, grant, asked, asked)


def late_closing(block: Block, terms: Terms, grant: Grant, asked: float, answered: float) -> None:
    REAL_INIT(block, replace(terms, width_ms=terms.width_ms + answered - asked), grant, asked, answered)


@pytest.mark.parametrize(
    ("owner", "name", "mutant"),
    [(Channel, "terms", close_spacing), (Block, "__init__", no_end), (Block, "__init__", early_opening),
     (Block, "__init__", late_closing)],
)  # fmt: skip
def test_the_judge_finds_a_broken_law(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, mutant: Any) -> None:
    monkeypatch.setattr(owner, name, mutant)
    assert any(Weather(seed).excess() > EPS for seed in range(60))


@pytest.mark.parametrize(
    "values",
    [("", 1, 1), ("смс", 1, 1), ("x" * 65, 1, 1), ("x", 0, 1), ("x", -1, 1), ("x", float("nan"), 1),
     ("x", float("inf"), 1), ("x", 1e-9, 1), ("x", 1e7, 1), ("x", 1, 0), ("x", 1, 10**7), ("x", 1e-5, 1_000)],
)  # fmt: skip
def test_a_channel_that_makes_no_sense_is_refused(values: tuple[str, float, int]) -> None:
    with pytest.raises(ValueError, match=r"channel|permits"):
        Channel(*values)


@pytest.mark.parametrize("at_once", [0, 100, 101, -1])
def test_a_quota_keeps_some_of_itself_for_later(at_once: int) -> None:
    with pytest.raises(ValueError, match="at once"):
        Channel.quota("x", 100, 86_400, at_once)
