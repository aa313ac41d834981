"""A morning by itself: people call, most are answered, some give up; those who are called in one click answer."""

import asyncio

import msgspec

from identsync.demo.pbx.call import Call
from identsync.demo.pbx.house import House, Phone

LINE = "74951234567"


class Life(msgspec.Struct, forbid_unknown_fields=True):
    """Who calls and how often; no numbers = nobody."""

    numbers: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ("101", "102")
    line: str = LINE
    every_s: float = 20.0
    answered: float = 0.75  # share of calls that somebody answers
    ring_s: float = 4.0
    talk_s: float = 15.0
    most: int = 3  # calls at one time


class Alive:
    """Lets people call while it is told to."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._life = Life()
        self._next: asyncio.TimerHandle | None = None

    def live(self, life: Life) -> None:
        """Begin, change or (no numbers) stop."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._life = life
        self._house.takes_orders_s = 0.0
        if life.numbers:
            self._house.takes_orders_s = life.ring_s / 2
            self._house.anyone = Phone(mood="answers", after_s=life.ring_s, talk_s=life.talk_s)
            for extension in life.extensions:
                self._house.phones.setdefault(extension, Phone())
            self._wait()

    def _wait(self) -> None:
        pause = self._house.random.uniform(0.5, 1.5) * self._life.every_s
        self._next = self._house.board.later(pause, self._somebody)

    def _somebody(self) -> None:
        life, luck = self._life, self._house.random
        here = {call.source.number for call in self._house.calls.values()}
        if len(self._house.calls) < life.most and (others := [each for each in life.numbers if each not in here]):
            call = self._house.incoming(luck.choice(others), life.line, list(life.extensions))
            rings = luck.uniform(0.5, 1.5) * life.ring_s
            if call.ringing and luck.random() < life.answered:
                self._house.board.later(rings, lambda: self._answer(call, luck.choice(life.extensions)))
            else:
                self._house.board.later(rings * 2, lambda: self._end(call, luck.choice(("caller", "timeout"))))
        self._wait()

    def _answer(self, call: Call, extension: str) -> None:
        if extension in call.ringing:
            call.answer(extension)
            lasts = self._house.random.uniform(0.3, 2.0) * self._life.talk_s
            self._house.board.later(lasts, lambda: self._end(call, "caller"))

    def _end(self, call: Call, by: str) -> None:
        if self._house.calls.get(call.key) is call:
            call.hang_up(by)
