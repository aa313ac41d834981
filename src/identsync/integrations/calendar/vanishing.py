"""The brake of each doctor: where (nearly) all that is ahead of him would vanish in one pass, nothing of him goes.

What is new or has changed still comes: should the visits be gone for good, only they are shown too long.

A branch may lose a doctor's every visit without being suspicious itself. What counts is what lies in his calendar now
and has not begun, against what is wanted ahead: events that change their identity are no loss, nor are those whose time
has come while no client ran. Doctors who are wanted no more (gone from the staff, told to leave, of another branch) are
not compared, what becomes of them is known; nor are those whose calendars stand still anyway.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from identsync.engine.integration import Outcome, Status
from identsync.flows.brake import Brake, held_back
from identsync.flows.mirror_book import Book, payloads, weighed
from identsync.integrations.calendar.keeping import Kept
from identsync.integrations.calendar.published import Published
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.wanted import Wanted
from identsync.language import keyed as _
from identsync.spans import MINUTE_MS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from identsync.core.columns import Columns
    from identsync.engine.run import Run

FLOOR = 10  # events: who has no more than that ahead may well lose all of them


async def vanishing(
    run: "Run", stream: str, destination: CalendarDestination, wanted: Wanted, doctors: Collection[int],
    weights: Iterable[str],
) -> set[int]:  # fmt: skip
    """Return which of the ``doctors`` wait for a person; ``weights`` are the branch's, named by what is chosen."""

    def ahead(connection: "Connection") -> tuple[Book, dict[int, int]]:
        book = weighed(connection, stream, run.scope)
        return book, _ahead(connection, book, wanted, run.now_ms())

    return await _held(run, destination, wanted, doctors, weights, *await run.read(ahead))


async def vanishing_from_feeds(
    run: "Run", stream: str, destination: CalendarDestination, wanted: Wanted, doctors: Collection[int],
    desired: "Columns", weights: Iterable[str],
) -> set[int]:  # fmt: skip
    """Return which of the ``doctors`` wait for a person with their feeds."""

    def ahead(connection: "Connection") -> tuple[Book, dict[int, int]]:
        book, now = weighed(connection, stream, run.scope), run.now_ms()
        changed = book.confirmed.difference(desired).changed
        packed = payloads(connection, book, changed)
        files = {doctor: Published.unpack(one).events for doctor, one in packed.items()}
        return book, {doctor: sum(row[1] >= now for row in events) for doctor, events in files.items()}

    return await _held(run, destination, wanted, doctors, weights, *await run.read(ahead))


def _ahead(connection: "Connection", book: Book, wanted: Wanted, now_ms: int) -> dict[int, int]:
    """Count by doctor what lies ahead in the calendars, of those who would lose more than a few of it."""
    removed = book.confirmed.difference(wanted.columns).removed
    gone = [Kept.unpack(one) for one in payloads(connection, book, removed).values()]
    lost = Counter(one.doctor for one in gone if one.start_ms >= now_ms)
    there = {doctor: count for doctor, count in lost.items() if count > FLOOR}
    if there:
        for key in wanted.columns.keys:
            doctor = wanted.doctor(key)
            if doctor in there and key in book.confirmed and wanted.start(key) * MINUTE_MS >= now_ms:
                there[doctor] += 1
    return there


async def _held(
    run: "Run", destination: CalendarDestination, wanted: Wanted, doctors: Collection[int], weights: Iterable[str],
    book: Book, there: Mapping[int, int],
) -> set[int]:  # fmt: skip
    coming = wanted.coming(run.now_ms())
    parts = {
        str(doctor): (count, coming.get(doctor, 0))
        for doctor, count in there.items()
        if count > FLOOR and doctor in doctors
    }
    willed = not book.weights.keys() >= set(weights)  # of what is chosen now nothing was accepted yet
    brake = Brake(destination.doctor_shrink / 100, FLOOR)
    return {int(name) for name in await held_back(run, book, parts, brake, willed=willed)}


def stopped(doctors: Iterable[int]) -> str:
    """Return in words that these doctors' calendars wait for a person."""
    ids = ", ".join(map(str, sorted(doctors)[:10]))
    return _("событий резко стало меньше, решите на странице «Календари», врачи: {ids}", ids=ids)


def noted(outcome: Outcome, remark: str) -> Outcome:
    """Return an outcome with something that people should know; all is well no longer."""
    note = "; ".join(filter(None, (outcome.note, remark)))
    return replace(outcome, note=note, status=Status.PARTIAL if outcome.status is Status.OK else outcome.status)
