"""Writing down what the other side has acknowledged: until it stands there, for what is forgotten is done again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from identsync.errors import Unavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from identsync.engine.run import Run

T = TypeVar("T")
Rest = Callable[[float], Awaitable[None]]

PAUSES_S = (0.2, 1, 2, 5, 10)  # between the tries of a write; the last one until the run is cancelled or stale


async def written(
    run: "Run", fn: "Callable[[Connection], T]", *, aside: bool = False, rest: Rest = asyncio.sleep
) -> T:  # fmt: skip
    """Return ``run.write(fn)``, tried until it lands: after a lost deadlock, a lost connection, a database that rests.

    What ends that is the engine, which cancels the run, or StaleFence. A try may have been committed unheard, so
    ``fn`` must write the same a second time. ``rest`` waits so many seconds before the next try.
    """
    tries = 0
    while True:
        try:
            return await run.write(fn, aside=aside)
        except Unavailable as error:
            run.log.warning("what was done is not written down yet", error=str(error), tries=tries + 1)
        await rest(PAUSES_S[min(tries, len(PAUSES_S) - 1)])
        tries += 1
