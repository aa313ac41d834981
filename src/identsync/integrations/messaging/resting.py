"""Channels that are left alone for a while, by all runs of this program: refused ones, and those that asked to wait.

A wrong password that is tried again every quarter of a minute, because the next channel sends meanwhile, is what
gateways and mail services close an address for. One that takes what it gets and never says so leaves each message
unknown, for a person to decide on: after a few in a row no more are given to it for a while.
"""

from typing import TYPE_CHECKING

from identsync.errors import AskPerson, Later, Unavailable
from identsync.language import _

if TYPE_CHECKING:
    from identsync.engine.run import Run

REFUSED_MS = 300_000  # until what a person must put right is tried again
DOUBTS = 3  # in a row
DOUBT_MS, MOST_MS = 30_000, 600_000  # how long a channel is left alone after them, doubled by each further one
_doubts: dict[tuple[int, str], int] = {}
_until: dict[tuple[int, str], tuple[int, AskPerson | Later]] = {}


def rest(run: "Run", name: str, error: AskPerson | Later) -> None:
    """Leave a channel alone for as long as its error says; where that says nothing the next run may try."""
    after = REFUSED_MS if isinstance(error, AskPerson) else error.after_ms
    if after:
        _until[id(run.store), name] = run.now_ms() + after, error


def resting(run: "Run", name: str) -> AskPerson | Later | None:
    """Return why a channel is left alone now, None where it is not."""
    key, now = (id(run.store), name), run.now_ms()
    until, error = _until.get(key, (0, None))
    if error is None or until <= now:
        _until.pop(key, None)
        return None
    if isinstance(error, Later):
        error.after_ms = until - now
    return error.with_traceback(None)  # it would grow by each raise


def doubt(run: "Run", name: str) -> Later | None:
    """Note that nobody knows whether a channel took a message; return why it is left alone now, None = not yet."""
    key = id(run.store), name
    _doubts[key] = many = _doubts.get(key, 0) + 1
    if many < DOUBTS:
        return None
    after = min(DOUBT_MS * 2 ** (many - DOUBTS), MOST_MS)
    return Unavailable(_("канал берёт сообщения и не отвечает, приняты ли они"), sent=False, after_ms=after)


def works(run: "Run", name: str) -> None:
    """Note that a channel said what became of a message."""
    _doubts.pop((id(run.store), name), None)


def forget() -> None:
    """Leave nobody alone any more."""
    _until.clear()
    _doubts.clear()
