"""``python -m identsync.demo.n3 --port 0 --seed 1``: prints ``{"port": N}`` as one JSON line.

Ends on Ctrl-C, and with ``--with-parent`` when its standard input is closed.
"""

import argparse
import contextlib
import os
import sys
import threading

import orjson

from identsync.demo.n3.desk import Desk
from identsync.demo.n3.server import Server
from identsync.demo.n3.types import EDITIONS


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="identsync.demo.n3", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--edition", choices=EDITIONS, default="EMK5", help="generation of the contract")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input is closed")
    given = parser.parse_args()
    server = Server(Desk(given.seed, given.edition), os.environ.get("IDENTSYNC_N3_ADMIN_KEY", "demo-admin"), given.port)
    if given.with_parent:
        threading.Thread(target=_until_alone, args=(server,), daemon=True).start()
    sys.stdout.write(orjson.dumps({"port": server.server_port}).decode() + "\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever(0.1)


def _until_alone(server: Server) -> None:
    with contextlib.suppress(OSError, ValueError):
        while sys.stdin.buffer.read(4096):
            pass
    server.ended.set()
    server.shutdown()


if __name__ == "__main__":
    main()
