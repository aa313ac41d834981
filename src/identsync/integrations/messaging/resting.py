"""Channels that are left alone for a while, by all runs of this program: refused ones, and those that asked to wait.

A wrong password that is tried again every quarter of a minute, because the next channel sends meanwhile, is what
gateways and mail services close an address for. One that takes what it gets and never says so leaves each message
unknown, for a person to decide on: after a few in a row no more are given to it for a while.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from identsync.errors import AskPerson, Later, Unavailable
from identsync.language import _

if TYPE_CHECKING:
    from identsync.engine.run import Run
    from identsync.store import Store

REFUSED_MS = 300_000  # until what a person must put right is tried again
DOUBTS = 3  # in a row
DOUBT_MS, MOST_MS = 30_000, 600_000  # how long a channel is left alone after them, doubled by each further one


@dataclass(slots=True)
class _Channel:
    doubts: int = 0  # in a row
    until_ms: int = 0
    error: AskPerson | Later | None = None


_channels: "WeakKeyDictionary[Store, dict[str, _Channel]]" = WeakKeyDictionary()  # as long as a client's store lives


def rest(run: "Run", name: str, error: AskPerson | Later) -> None:
    """Leave a channel alone for as long as its error says; where that says nothing the next run may try."""
    after = REFUSED_MS if isinstance(error, AskPerson) else error.after_ms
    if after:
        channel = _channel(run, name)
        channel.until_ms, channel.error = run.now_ms() + after, error


def resting(run: "Run", name: str) -> AskPerson | Later | None:
    """Return why a channel is left alone now, None where it is not."""
    channel, now = _channel(run, name), run.now_ms()
    if channel.error is None or channel.until_ms <= now:
        channel.error = None
        return None
    if isinstance(channel.error, Later):
        channel.error.after_ms = channel.until_ms - now
    return channel.error.with_traceback(None)  # it would grow by each raise


def doubt(run: "Run", name: str) -> Later | None:
    """Note that nobody knows whether a channel took a message; return why it is left alone now, None = not yet."""
    channel = _channel(run, name)
    channel.doubts += 1
    if channel.doubts < DOUBTS:
        return None
    after = min(DOUBT_MS * 2 ** (channel.doubts - DOUBTS), MOST_MS)
    return Unavailable(_("канал берёт сообщения и не отвечает, приняты ли они"), sent=False, after_ms=after)


def works(run: "Run", name: str) -> None:
    """Note that a channel said what became of a message."""
    _channel(run, name).doubts = 0


def forget() -> None:
    """Leave nobody alone any more."""
    _channels.clear()


def _channel(run: "Run", name: str) -> _Channel:
    return _channels.setdefault(run.store, {}).setdefault(name, _Channel())
