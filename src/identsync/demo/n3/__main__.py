"""``python -m identsync.demo.n3 --port 0 --seed 1``: prints ``{"port": N}`` as one JSON line.

Ends on Ctrl-C, and with ``--with-parent`` when its standard input is closed.
"""

import argparse
import os

from identsync.demo.n3.desk import Desk
from identsync.demo.n3.server import Handler
from identsync.demo.n3.types import EDITIONS
from identsync.demo.serving import Server


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="identsync.demo.n3", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--edition", choices=EDITIONS, default="EMK5", help="generation of the contract")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    given = parser.parse_args()
    key = os.environ.get("IDENTSYNC_N3_ADMIN_KEY", "demo-admin")
    server = Server(Handler, Desk(given.seed, given.edition), key, given.port)
    server.run(with_parent=given.with_parent)


if __name__ == "__main__":
    main()
