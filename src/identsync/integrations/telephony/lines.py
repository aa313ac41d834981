"""A line's PBX by its kind: what it can do, and how it is opened."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any

from identsync.engine.channel import Channel as Rate
from identsync.integrations.telephony.call import Abilities, Exchange, KeepsTime, Permit

if TYPE_CHECKING:
    from identsync.engine.run import Run
    from identsync.integrations.telephony.settings import Line

BURST = 4


def abilities(line: "Line") -> Abilities:
    """Return what a line's kind of PBX can do."""
    found: Abilities = _wire(line).ABILITIES
    return found


def window_ms(line: "Line") -> int:
    """Return the longest period that a line's history may be asked for at once."""
    return int(_wire(line).WINDOW_MS)


def open_line(line: "Line", permit: Permit) -> Exchange:
    """Make a line's PBX, not connected yet."""
    make: Callable[[Line, Permit], Exchange] = _wire(line).open
    return make(line, permit)


async def for_run(run: "Run", name: str, line: "Line", stack: AsyncExitStack) -> Exchange:
    """Make the PBX of a line, not connected yet, with its permits."""
    rate = Rate(f"telephony/{name}", line.rate or _wire(line).RATE, BURST)
    permits = await stack.enter_async_context(run.permits(rate))
    pbx = open_line(line, permits.take)
    if isinstance(pbx, KeepsTime):
        pbx.clock = run.now_ms
    return pbx


def for_person(line: "Line") -> Exchange:
    """Make the PBX of a line for one question of a person, who needs no permits."""
    return open_line(line, _at_once)


async def _at_once() -> None:
    return None


def _wire(line: "Line") -> Any:
    return import_module(f"identsync.integrations.telephony.wire.{line.kind}")
