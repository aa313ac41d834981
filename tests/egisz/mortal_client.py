"""A client that dies where a test wants it to, in this process: what it wrote is there, what it did not is not."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from identsync.integrations.egisz import exchange
from identsync.integrations.egisz.case import Reply
from identsync.integrations.egisz.shelf import Items

STEPS = ("asking", "answered", "announcing", "saving")
"""Before a request, after its answer, before it is written down, when it is written and not committed."""


def beset(reach: Callable[[str], None], put: Callable[[object, str, object], None] = setattr) -> None:
    """Have ``reach`` told of each step by its name: what it raises, or does to this process, is the client's end."""
    told, save = exchange.told, Items.save

    async def telling(asked: Any, *each: Any) -> Reply:
        try:
            reach("asking")
        except BaseException:
            asked.close()
            raise
        reply = await told(asked, *each)
        reach("answered")
        return reply

    def saving(items: Items, *each: Any, **more: Any) -> Any:
        reach("announcing")
        columns = save(items, *each, **more)
        reach("saving")
        return columns

    put(exchange, "told", telling)
    put(Items, "save", saving)


class Died(BaseException):
    """What a killed client leaves: everything ends here, nothing is written any more."""


class Mortal:
    """Lets the client die at the so-manieth step of one kind; in this process, so that a life is a second long."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.step, self.left = "", 0
        beset(self.at, patch.setattr)

    def die(self, step: str, left: int) -> None:
        self.step, self.left = step, left

    def at(self, step: str) -> None:
        if step == self.step:
            self.left -= 1
            if self.left < 0:
                self.step = ""
                raise Died


@pytest.fixture
def mortal() -> Iterator[Mortal]:
    with pytest.MonkeyPatch.context() as patch:
        yield Mortal(patch)
