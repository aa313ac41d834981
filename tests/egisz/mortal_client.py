"""A client that dies where a test wants it to, in this process: what it wrote is there, what it did not is not."""

from collections.abc import Iterator
from typing import Any

import pytest

from identsync.integrations.egisz import exchange
from identsync.integrations.egisz.case import Reply
from identsync.integrations.egisz.shelf import Items

STEPS = ("asking", "answered", "announcing", "saving")
"""Before a request, after its answer, before it is written down, when it is written and not committed."""


class Died(BaseException):
    """What a killed client leaves: everything ends here, nothing is written any more."""


class Mortal:
    """Lets the client die at the so-manieth step of one kind; in this process, so that a life is a second long."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.step, self.left = "", 0
        self._told, self._save = exchange.told, Items.save
        patch.setattr(exchange, "told", self.told)
        patch.setattr(Items, "save", lambda items, *each: self.save(items, *each))  # noqa: PLW0108  a method must bind

    def die(self, step: str, left: int) -> None:
        self.step, self.left = step, left

    def at(self, step: str) -> None:
        if step == self.step:
            self.left -= 1
            if self.left < 0:
                self.step = ""
                raise Died

    async def told(self, asked: Any, *each: Any) -> Reply:
        try:
            self.at("asking")
        except Died:
            asked.close()
            raise
        reply = await self._told(asked, *each)
        self.at("answered")
        return reply

    def save(self, items: Items, *each: Any) -> Any:
        self.at("announcing")
        columns = self._save(items, *each)
        self.at("saving")
        return columns


@pytest.fixture
def mortal() -> Iterator[Mortal]:
    with pytest.MonkeyPatch.context() as patch:
        yield Mortal(patch)
