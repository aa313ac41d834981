"""``python -m identsync.demo.cloudpbx --port 0 --seed 1``: prints ``{"port": N}`` as one JSON line.

Ends on Ctrl-C, and with ``--with-parent`` when its standard input is closed.
"""

import argparse
import os

from identsync.demo.cloudpbx.desk import Desk
from identsync.demo.cloudpbx.server import Handler
from identsync.demo.serving import Server


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="identsync.demo.cloudpbx", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    given = parser.parse_args()
    server = Server(Handler, Desk(given.seed), os.environ.get("IDENTSYNC_CLOUDPBX_ADMIN_KEY", "demo-admin"), given.port)
    server.run(with_parent=given.with_parent)


if __name__ == "__main__":
    main()
