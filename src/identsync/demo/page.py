"""The console of the demo: served by the demo itself, so that it is there whoever is killed."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from identsync import integrations
from identsync.client import call, loop_factory
from identsync.console.server import Console
from identsync.demo.plan import USER
from identsync.demo.stage import Stage


@contextmanager
def page(stage: Stage) -> Iterator[str]:
    """Serve the console from a thread; yields its address."""
    settings = stage.settings
    with asyncio.Runner(loop_factory=loop_factory(settings.client.loop)) as runner:
        loop = runner.get_loop()
        thread = threading.Thread(target=loop.run_forever, name="page", daemon=True)
        thread.start()
        console = Console(
            stage.store,
            stage.clinic,
            rooms=[(integrations.load(name), table) for name, table in settings.rooms.items()],
            tasks=stage.tasks,
            host=settings.console.host,
            port=settings.console.port,
            language=settings.console.language,
            zone=stage.clinic.branches()[0].zone,
            user=USER,
        )
        try:
            call(loop, console.start())
            try:
                yield console.url
            finally:
                call(loop, console.stop())
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
