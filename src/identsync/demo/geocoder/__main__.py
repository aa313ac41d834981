"""``python -m identsync.demo.geocoder --port 0 --seed 1``: prints ``{"port": N}`` as one JSON line.

Ends on Ctrl-C, and with ``--with-parent`` when its standard input is closed.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import threading

import orjson

from identsync.demo.geocoder.desk import Desk
from identsync.demo.geocoder.server import Server


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
        threading.Thread(target=_until_alone, args=(loop, ended), daemon=True).start()
    sys.stdout.write(orjson.dumps({"port": found}).decode() + "\n")
    sys.stdout.flush()
    await ended.wait()


def _until_alone(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    with contextlib.suppress(OSError, ValueError):
        while sys.stdin.buffer.read(4096):
            pass
    loop.call_soon_threadsafe(ended.set)


if __name__ == "__main__":
    main()
