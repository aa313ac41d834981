"""``python -m identsync.demo.google --port 0 --seed 1``: prints ``{"port": N}`` as one JSON line.

Ends on Ctrl-C, on ``POST /_google/stop``, and with ``--with-parent`` when its standard input is closed.
"""

import argparse
import asyncio
import contextlib
import os
from functools import partial

from identsync.demo.exchange import serve
from identsync.demo.google.cloud import Cloud
from identsync.demo.google.options import Options
from identsync.demo.google.server import Calls


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="identsync.demo.google", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--consent", default=Options().consent, choices=("allow", "deny", "untick", "page"))
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    return parser.parse_args()


async def _main(given: argparse.Namespace) -> None:
    """Keys come from the environment: a command line is seen by every user of the computer."""
    secret = os.environ.get("IDENTSYNC_GOOGLE_SECRET", Options().client_secret)
    cloud = Cloud(Options(consent=given.consent, client_secret=secret), given.seed)
    key = os.environ.get("IDENTSYNC_GOOGLE_ADMIN_KEY", "demo-admin")
    await serve(partial(Calls, cloud, key), given.port, cloud.stopped, with_parent=given.with_parent)


def main() -> None:
    """Serve until told to stop."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(_arguments()))


if __name__ == "__main__":
    main()
