"""``python -m identsync.demo.pbx --port 0 --admin 0``: prints ``{"port": the back door's, "ami": N}`` as one JSON line.

Ends on Ctrl-C, and with ``--with-parent`` when its standard input is closed.
"""

import argparse
import asyncio
import contextlib
import os
import threading
from pathlib import Path

from identsync.demo.parent import announce, watch_parent
from identsync.demo.pbx.door import Handler, Stage
from identsync.demo.pbx.house import House
from identsync.demo.pbx.peer import Exchange
from identsync.demo.serving import Server


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="identsync.demo.pbx", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the manager interface")
    parser.add_argument("--admin", type=int, default=0, help="of the back door")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recordings", type=Path, default=None, help="the folder that recordings are written to")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(given))


async def _serve(given: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    house = House(given.seed)
    house.recordings = given.recordings
    exchange = Exchange(house)
    await exchange.open(given.port)
    key = os.environ.get("IDENTSYNC_PBX_ADMIN_KEY", "demo-admin")
    door = Server(Handler, Stage(house, exchange, loop), key, given.admin)
    threading.Thread(target=door.serve_forever, args=(0.1,), daemon=True).start()
    announce(port=door.server_port, ami=exchange.port)
    ended = asyncio.Event()
    if given.with_parent:
        watch_parent(lambda: loop.call_soon_threadsafe(ended.set))
    await ended.wait()
    door.shutdown()
    await exchange.close()


if __name__ == "__main__":
    main()
