"""The core's kernels timed by the standard library alone, one JSON object of seconds: numpy does not start in Wine 8.

What ``python -m benchmarks`` measures with peers on Linux is measured here beside nothing: figures.py compares two
wheels. Data: 2,000 doctors for 60 days (120,000 boards of 15-minute cells), 1 M busy rows, 1 M keys.
"""

import json
import random
import timeit
from array import array
from collections.abc import Callable

from identsync.core.board import Boards
from identsync.core.columns import Columns, digest
from identsync.core.limiter import Memory
from identsync.core.payload import TimetableBody

FIRST, DAYS, BRANCHES, DOCTORS, ROWS = 20_600, 60, 100, 20, 1_000_000


def main() -> None:
    """Time every kernel: the best of some runs, so that the machine's other work stays out."""
    print(json.dumps({name: min(timeit.repeat(work, number=1, repeat=9)) for name, work in kernels().items()}))


def kernels() -> dict[str, Callable[[], object]]:
    """Return the kernels by name; those over buffers first, those over Python objects after them."""
    rows = busy_rows(random.Random(1))
    one, other = boards(rows), boards(rows)
    other.add_busy([(3, 7, (FIRST + 5) * 1440 + 900, 30)])
    keys = array("q", range(ROWS))
    old = Columns.from_buffers(keys, array("q", (k * 7 for k in keys)))
    new = Columns.from_buffers(keys, array("q", (k * 7 + (k % 1000 == 0) for k in keys)))
    names = {doctor: f"Врач {doctor}" for doctor in range(1, DOCTORS + 1)}
    zone = array("q", [180, 1440, 180, 0] * DAYS)
    body = TimetableBody(
        one, names, dict.fromkeys(range(1, BRANCHES + 1), "Филиал"), dict.fromkeys(range(1, 101), zone)
    )
    memory, data, some = Memory(64), bytes(8 << 20), list(zip(*(column[:50_000] for column in rows), strict=True))
    return {
        "buffer: boards, difference": lambda: one.difference(other).cells,
        "buffer: busy rows into boards": lambda: boards(rows),
        "buffer: columns, difference": lambda: len(old.difference(new)),
        "buffer: timetable body": lambda: sum(map(len, body.chunks())),
        "buffer: digest of 8 MB": lambda: digest(data),
        "objects: runs as arrays": one.runs,
        "objects: 50,000 busy rows as tuples": lambda: one.add_busy(some),
        "objects: 100,000 checks of the memory": lambda: [memory.check(5) for _ in range(100_000)],
    }


def busy_rows(dice: random.Random) -> tuple[array, array, array, array]:
    """Make busy rows as columns: branch, doctor, start minute, length."""
    minute = FIRST * 1440
    starts = (minute + dice.randrange(DAYS) * 1440 + 480 + 15 * dice.randrange(48) for _ in range(ROWS))
    branch = array("q", (dice.randint(1, BRANCHES) for _ in range(ROWS)))
    doctor = array("q", (dice.randint(1, DOCTORS) for _ in range(ROWS)))
    return branch, doctor, array("q", starts), array("q", (dice.choice((15, 30, 45)) for _ in range(ROWS)))


def boards(rows: tuple[array, array, array, array]) -> Boards:
    """Build a network's boards: everybody works from 8 to 20."""
    seats = [(branch, doctor) for branch in range(1, BRANCHES + 1) for doctor in range(1, DOCTORS + 1)]
    made = Boards(seats, FIRST, DAYS, 15)
    made.add_shifts((b, d, (FIRST + day) * 1440 + 480, 720) for b, d in seats[:200] for day in range(DAYS))
    made.add_busy_columns(*rows)
    return made


if __name__ == "__main__":
    main()
