"""``python -m identsync.demo.caldav --port 0 --seed 1``: prints ``{"port": N}`` as one JSON line.

Users and passwords come as JSON in IDENTSYNC_CALDAV_USERS. Ends on Ctrl-C, on ``POST /_caldav/stop``, and with
``--with-parent`` when its standard input is closed.
"""

import argparse
import asyncio
import contextlib
import os
from functools import partial

import msgspec

from identsync.demo.caldav.house import House, Options
from identsync.demo.caldav.server import Calls
from identsync.demo.exchange import serve

_USERS = '{"doctor@clinic.example": "demo-password"}'


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="identsync.demo.caldav", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trashbin", action="store_true", help="a deleted UID is not taken back")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    return parser.parse_args()


def _house(given: argparse.Namespace) -> House:
    """Passwords come from the environment: a command line is seen by every user of the computer."""
    admin_key = os.environ.get("IDENTSYNC_CALDAV_ADMIN_KEY", Options().admin_key)
    users = msgspec.json.decode(os.environ.get("IDENTSYNC_CALDAV_USERS", _USERS), type=dict[str, str])
    return House(Options(admin_key=admin_key, trashbin=given.trashbin), users, given.seed)


async def _main(given: argparse.Namespace) -> None:
    house = _house(given)
    await serve(partial(Calls, house), given.port, house.stopped, with_parent=given.with_parent)


def main() -> None:
    """Serve until told to stop."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(_arguments()))


if __name__ == "__main__":
    main()
