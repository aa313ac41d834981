"""Lost answers: an event is there once, whatever became of the answers, and nobody else's event is touched."""

import random

import pytest
from servers import Outside, event, foreign, name

from identsync.demo.caldav.process import CalDavProcess
from identsync.errors import Limited, Unavailable, Unexpected
from identsync.flows.mirror import Confirmed
from identsync.integrations.calendar import keeping
from identsync.integrations.calendar.event import Event
from identsync.integrations.calendar.keeping import Kept
from identsync.integrations.calendar.wire import ical

EVENTS = 12
STORM = [
    {"kind": "lose", "share": 0.12},
    {"kind": "cut", "share": 0.08},
    {"kind": "drop", "share": 0.06},
    {"kind": "late", "share": 0.10, "status": 504},
    {"kind": "late", "share": 0.05, "status": 500},
    {"kind": "fail", "share": 0.08, "status": 503},
    {"kind": "fail", "share": 0.04, "status": 429},
    {"kind": "fail", "share": 0.03, "status": 423},
    {"kind": "html", "share": 0.04},
    {"kind": "no_etag", "share": 0.10},
    {"kind": "weak_etag", "share": 0.05},
]


class Clinic:
    """What is wanted and what is kept of it, as the engine keeps it: the etag is what the last sure answer said."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        self.kept = {number: Kept(1, name(number), 0) for number in range(EVENTS)}
        self.wanted: dict[int, Event] = {}
        self.doubtful: set[int] = set()

    async def settle(self, number: int) -> None:
        """Try until the other side has said so."""
        while True:
            try:
                verdict = await self._once(number)
            except (Unavailable, Limited, Unexpected):
                self.doubtful.add(number)
                continue
            if isinstance(verdict, Confirmed):
                self.doubtful.discard(number)
                gone = Kept(1, name(number), 0)
                self.kept[number] = Kept.unpack(verdict.payload) if verdict.payload else gone
                return

    async def _once(self, number: int) -> object:
        kept = self.kept[number]
        if number in self.wanted:
            return await keeping.put(self.outside.wire, self.wanted[number], kept)
        return await keeping.remove(self.outside.wire, kept, doubtful=number in self.doubtful)


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_twice_nothing_lost_nothing_foreign(spiteful: Outside, stub: CalDavProcess, seed: int) -> None:
    slug = spiteful.wire.url.split("/")[-2]
    stub.person("put", slug, "vacation.ics", body=foreign("hers").decode())
    for fault in STORM:
        stub.fault(times=None, **fault)
    clinic, dice = Clinic(spiteful), random.Random(seed)
    for turn in range(120):
        number = dice.randrange(EVENTS)
        if dice.random() < 0.3:
            clinic.wanted.pop(number, None)
        else:
            clinic.wanted[number] = event(number, f"Занято {turn}")
        await clinic.settle(number)
    stub.behave()
    items = stub.items(slug)
    assert items.pop("vacation.ics")["made_by"] == "person"
    found = [ical.parse(item["body"].encode()) for item in items.values()]
    assert sorted(found, key=lambda one: one.name) == [clinic.wanted[number] for number in sorted(clinic.wanted)]
    books = stub.books()
    assert books["foreign touched"] == 0
    assert sum(count for what, count in books["counts"].items() if what.startswith("fault ")) > 100
