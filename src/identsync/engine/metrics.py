"""Counters of an engine for Prometheus; prometheus-client is imported only where somebody collects."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from identsync.engine.loop import Engine


class EngineCollector:
    """A collector for ``prometheus_client.CollectorRegistry.register``: reads the engine's own counts when asked."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    def collect(self) -> "Iterator[Any]":
        """Yield the metric families: runs by outcome, limiter statements by kind, what runs and what was given up."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        engine = self._engine
        runs = CounterMetricFamily("identsync_runs", "Runs that ended, by outcome", labels=["outcome"])
        for outcome, count in sorted(engine.outcomes.items()):
            runs.add_metric([outcome], count)
        asks = CounterMetricFamily("identsync_limiter", "Asks of the limiter, by kind", labels=["ask"])
        for ask, count in engine.keeper.counts.items():
            asks.add_metric([ask], count)
        permits = CounterMetricFamily("identsync_permits", "Permits of outside services", labels=["what"])
        for what, count in engine.channels.counts.items():
            permits.add_metric([what], count)
        yield runs
        yield asks
        yield permits
        yield CounterMetricFamily("identsync_abandoned", "Tasks that ignored cancellation", value=engine.abandoned)
        yield CounterMetricFamily("identsync_threads_replaced", "Hung database calls", value=engine.worker.replaced)
        yield GaugeMetricFamily("identsync_running", "Runs going on", value=len(engine.live))
        seats = sum(seat.held for seat in engine.snapshot().seats)
        yield GaugeMetricFamily("identsync_seats", "Seats held", value=seats)
