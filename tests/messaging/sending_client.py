"""One client that sends what is due until it is killed: ``sending_client.py SETTINGS``; JSON: store, clinic, url, dies.

``dies`` names the step at which it kills itself, '' = it waits to be killed: "announced" (committed, no byte out),
"sent" (answered, not written down), "settled" (written down).
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import create_engine

from claimed import run_now
from identsync.clinic.source import ClinicSource
from identsync.demo.gateway.desk import USER
from identsync.engine.integration import Outcome, Task
from identsync.integrations.messaging import resting
from identsync.integrations.messaging.settings import Channel
from identsync.integrations.messaging.task import Post, tasks
from identsync.store import Store, open_store

NAME = "there"


class Desk:
    """One client's view: its store, its clinic, its only channel."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.engine = create_engine(settings["clinic"])
        self.store: Store = open_store(settings["store"])
        self.clinic = ClinicSource(self.engine)
        channel = Channel(
            kind="smsc", url=settings["url"], user=USER, password="env:TEST_SMS", rate=80.0, window=4, timeout=1_000
        )
        self.tasks = {task.kind: task for task in tasks({NAME: channel}, [])}

    async def send(self) -> Outcome:
        """Send what is due."""
        return await self._run("messaging/sms.send")

    async def ask(self) -> Outcome:
        """Ask what became of it."""
        return await self._run(f"messaging/{NAME}")

    def close(self) -> None:
        self.store.close()
        self.engine.dispose()

    async def _run(self, kind: str) -> Outcome:
        task: Task = self.tasks[kind]
        return await run_now(self.store, self.clinic, task)


def die() -> None:
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # on Windows both end a process at once


def dying_at(step: str) -> None:
    """Make this process kill itself at the tenth time that it comes to ``step``."""
    came = [0]

    def came_to() -> None:
        came[0] += 1
        if came[0] == 10:
            die()

    submit, settle = Post.submit, Post.settle

    async def submitted(self: Post, ready: Any) -> Any:
        if step == "announced":
            came_to()
        verdict = await submit(self, ready)
        if step == "sent":
            came_to()
        return verdict

    def settled(self: Post, connection: Any, ended: Any) -> None:
        settle(self, connection, ended)
        if step == "settling":
            came_to()

    Post.submit, Post.settle = submitted, settled  # type: ignore[method-assign]


async def main() -> None:
    settings = json.loads(sys.argv[1])
    desk = Desk(settings)
    dying_at(settings["dies"])
    print("ready", flush=True)
    while True:
        resting.forget()  # it is the kills that count
        await desk.send()


if __name__ == "__main__":
    asyncio.run(main())
