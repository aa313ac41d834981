"""``python -m identsync.demo.geocoder --port 0 --seed 1``: prints ``{"port": N}`` as one JSON line.

Ends on Ctrl-C, and with ``--with-parent`` when its standard input is closed.
"""

import argparse
import asyncio
import contextlib
import os

from identsync.demo.geocoder.desk import Desk
from identsync.demo.geocoder.server import Server
from identsync.demo.parent import announce, watch_parent


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="identsync.demo.geocoder", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(given.port, given.seed, with_parent=given.with_parent))


async def _serve(port: int, seed: int, *, with_parent: bool) -> None:
    server = Server(Desk(seed), os.environ.get("IDENTSYNC_GEOCODER_ADMIN_KEY", "demo-admin"))
    found, ended = await server.start(port), asyncio.Event()
    if with_parent:
        loop = asyncio.get_running_loop()
        watch_parent(lambda: loop.call_soon_threadsafe(ended.set))
    announce(port=found)
    await ended.wait()


if __name__ == "__main__":
    main()
