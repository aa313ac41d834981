"""A run whose function has not ended, and how a database call that hangs in it is parted with."""

import asyncio
import threading
from dataclasses import dataclass

from identsync.engine.integration import Status
from identsync.engine.run import Run
from identsync.engine.worker import Worker


@dataclass(slots=True, eq=False)
class Live:
    """What the task sees, since when (local ms), the thread of its calls, its asyncio task, why it was cancelled."""

    run: Run
    since: int
    worker: Worker
    task: "asyncio.Task[None] | None" = None
    reason: Status | None = None
    abandoned: bool = False

    def cancel(self, reason: Status) -> None:
        """Let the task end; after LOST it writes nothing any more."""
        assert self.task is not None
        self.reason = reason
        self.run.lost = self.run.lost or reason is Status.LOST
        self.run.log.warning("run cancelled", reason=str(reason))
        self.task.cancel()

    def abandon(self) -> None:
        """Take from a task that ignores its cancellation what others need: its thread, and the row it may hold."""
        self.abandoned = self.run.lost = True
        if self.worker.replace(self.run):
            threading.Thread(target=self.run.sever, name="identsync-sever", daemon=True).start()
        self.run.log.error("the task ignores its cancellation and was abandoned")

    async def free_worker(self, grace_s: float) -> None:
        """Wait a little for a database call of a cancelled run; one that hangs loses its thread."""
        call = self.worker.call_of(self.run)
        if call is None:
            return
        done, _ = await asyncio.wait({call}, timeout=grace_s)
        if not done and self.worker.replace(self.run):
            self.run.lost = True
            await asyncio.to_thread(self.run.sever)  # before the finish: it would meet the row locked
            self.run.log.error("a database call hangs: its thread was replaced", call_ms=int(grace_s * 1000))
