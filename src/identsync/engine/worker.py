"""One thread for all blocking database work of a client's tasks; replaced when a call in it hangs."""

import asyncio
import itertools
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
_names = itertools.count(1)


@dataclass(eq=False, slots=True)
class _Job:
    work: Callable[[], Any]
    owner: object
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    over: asyncio.Future[None]  # the call has returned, whatever became of its future


@dataclass(eq=False, slots=True)
class _Shift:
    """A thread and the job it is at; a retired one ends after its job and takes no other."""

    retired: bool = False
    job: _Job | None = None
    thread: threading.Thread | None = field(default=None, repr=False)


class Worker:
    """Runs blocking calls one after another in a thread of its own.

    A call that hangs blocks the calls behind it until its owner's deadline; then ``replace`` puts a fresh thread in
    its place. A running call cannot be stopped from outside: it ends by itself or with the process.
    """

    def __init__(self, name: str = "identsync-database") -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._shift: _Shift | None = None
        self.replaced = 0  # how many threads were given up

    def call(self, work: Callable[[], T], owner: object = None) -> "asyncio.Future[T]":
        """Queue ``work`` and return a future of the running loop; cancelled before its turn, the call is skipped."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._shift is None:
            self._shift = self._open()
        self._jobs.put(_Job(work, owner, future, loop, loop.create_future()))
        return future

    def busy_with(self, owner: object) -> bool:
        """Say whether the thread is inside a call of that owner now."""
        return self.call_of(owner) is not None

    def call_of(self, owner: object) -> "asyncio.Future[None] | None":
        """Return a future of the end of the call of that owner that the thread is in now, or None."""
        job = self._shift.job if self._shift else None
        return job.over if job is not None and job.owner is owner else None

    def replace(self, owner: object) -> bool:
        """Give up the thread if it is inside a call of that owner; the calls behind it go on in a fresh one."""
        if self._shift is None or not self.busy_with(owner):
            return False
        self._shift.retired = True
        self._shift = self._open()
        self.replaced += 1
        return True

    def close(self, timeout: float = 5.0) -> bool:
        """End the thread after the calls that are queued; False where it did not end in time (seconds)."""
        shift, self._shift = self._shift, None
        if shift is None or shift.thread is None:
            return True
        self._jobs.put(None)
        shift.thread.join(timeout)
        return not shift.thread.is_alive()

    def _open(self) -> _Shift:
        shift = _Shift()
        name = f"{self._name}-{next(_names)}"
        shift.thread = threading.Thread(target=self._work, args=(shift,), name=name, daemon=True)
        shift.thread.start()
        return shift

    def _work(self, shift: _Shift) -> None:
        while not shift.retired:
            job = self._jobs.get()
            if job is None:
                return
            shift.job = job
            if not job.future.cancelled():
                _perform(job)
            shift.job = None
            del job  # a result must not live until the next call


def _perform(job: _Job) -> None:
    try:
        result, error = job.work(), None
    except BaseException as caught:
        result, error = None, caught
    try:
        job.loop.call_soon_threadsafe(_settle, job, result, error)
    except RuntimeError:  # the loop was closed meanwhile: nobody waits
        return


def _settle(job: _Job, result: Any, error: BaseException | None) -> None:
    job.over.set_result(None)
    future = job.future
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
