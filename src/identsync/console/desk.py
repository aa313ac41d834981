"""The thread of the console's database work: pages are read and drawn here, never on the engine's loop."""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from identsync.errors import NoDatabase
from identsync.language import _

T = TypeVar("T")
PATIENCE = 20.0  # seconds


class Desk:
    """One thread that does the pages' work in order; left behind, and replaced, when a call in it hangs."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._orders: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] | None = None

    async def call(self, work: Callable[[], T]) -> T:
        """Return ``work()``; NoDatabase where it takes longer than ``patience`` seconds."""
        if self._orders is None:
            self._orders = self._hire()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        orders = self._orders
        orders.put((work, future))
        try:
            return await asyncio.wait_for(future, self.patience)
        except TimeoutError:
            if orders is self._orders:
                self.close()
            raise NoDatabase(_("база данных не ответила"), sent=False) from None

    def close(self) -> None:
        """Let the thread end after what it is doing."""
        if self._orders is not None:
            self._orders.put(None)
        self._orders = None

    def _hire(self) -> "queue.SimpleQueue[Any]":
        orders: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # A daemon: a database that never answers must not keep the client from ending.
        threading.Thread(target=_serve, args=(orders,), name="identsync-console", daemon=True).start()
        return orders


def _serve(orders: "queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None]") -> None:
    while order := orders.get():
        work, future = order
        if future.cancelled():
            continue
        try:
            result, error = work(), None
        except BaseException as caught:
            result, error = None, caught
        try:
            future.get_loop().call_soon_threadsafe(_settle, future, result, error)
        except RuntimeError:  # the loop has ended meanwhile
            return


def _settle(future: "asyncio.Future[Any]", result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
