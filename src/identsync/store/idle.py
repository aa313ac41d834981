"""Connections that nobody uses are closed: a hundred clients would else want more than PostgreSQL gives out."""

import contextlib
import threading
import time
import weakref
from typing import Any

from sqlalchemy import Engine, QueuePool, event

IDLE_S = 20.0  # of the limiter's connection too (engine/keeper.py)


class Idle:
    """Closes the one connection that an engine's pool keeps, ``IDLE_S`` seconds after it was last given back."""

    def __init__(self, engine: Engine) -> None:
        self._engine = weakref.ref(engine)
        self._after_s = IDLE_S
        self._lock = threading.Lock()
        self._since: float | None = None  # None: nothing is pooled
        self._timer: threading.Timer | None = None
        event.listen(engine, "checkin", self._given_back)
        event.listen(engine, "engine_disposed", self._disposed)

    def _given_back(self, connection: Any, _record: Any) -> None:
        with self._lock:
            self._since = None if connection is None else time.monotonic()
            if self._since is not None and self._timer is None:
                self._look_in(self._after_s)

    def _disposed(self, _engine: Engine) -> None:
        with self._lock:
            self._since, timer, self._timer = None, self._timer, None
        if timer is not None and timer is not threading.current_thread():
            timer.cancel()
            timer.join()

    def _look_in(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._look)
        self._timer.name, self._timer.daemon = "identsync-idle", True
        self._timer.start()

    def _look(self) -> None:
        with self._lock:
            self._timer = None
            if self._since is None:
                return
            left = self._since + self._after_s - time.monotonic()
            if left > 0:
                self._look_in(left)
                return
            self._since = None
        self._close()

    def _close(self) -> None:
        engine = self._engine()
        # Not pooled: somebody has it, or the engine was disposed of.
        if engine is not None and isinstance(engine.pool, QueuePool) and engine.pool.checkedin():
            with contextlib.suppress(Exception):  # the connection was broken already
                idle = engine.raw_connection()
                idle.invalidate()
                idle.close()
