"""The journal of what was asked of N3 and what it answered: token and people are masked before it gets here."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert

from identsync.engine.clock import monotonic_ms
from identsync.integrations.egisz.case import Fate, Reply
from identsync.spans import DAY_MS
from identsync.store.keeping import oldest_go
from identsync.store.tables import egisz_exchange
from identsync.store.texts import fitting, printable

KEPT_MS = 90 * DAY_MS
PERSON = "person"
"""The fate of a line that tells of a person's decision, not of a request."""
LONGEST = 200_000  # characters of a request or an answer: a document of megabytes is not kept twice


@dataclass(frozen=True, slots=True)
class Entry:
    """One exchange; ``item`` None = of no item."""

    item: int | None
    operation: str
    at_ms: int
    took_ms: int
    fate: Fate
    words: str
    request: str
    answer: str


async def told(asked: Awaitable[Reply], entries: list[Entry], item: int | None, operation: str, now_ms: int) -> Reply:
    """Wait for an exchange and add it to the entries."""
    began = monotonic_ms()
    reply = await asked
    took = monotonic_ms() - began
    words = reply.words or "; ".join(filter(None, (each.words for each in reply.complaints)))
    request, answer = printable(reply.request[:LONGEST]), printable(reply.answer[:LONGEST])
    entries.append(Entry(item, operation, now_ms, took, reply.fate, fitting(words, 400), request, answer))
    return reply


def write(connection: Connection, organisation: str, entries: Sequence[Entry]) -> None:
    """Write down exchanges."""
    values = [
        {
            "organisation": organisation, "item_id": each.item, "operation": each.operation, "at_ms": each.at_ms,
            "took_ms": each.took_ms, "fate": str(each.fate), "words": each.words, "request": each.request,
            "answer": each.answer,
        }
        for each in entries
    ]  # fmt: skip
    if values:
        connection.execute(insert(egisz_exchange), values)


def forget(connection: Connection, now_ms: int) -> int:
    """Erase a portion of what is older than 90 days, but for what people decided; give how many there were."""
    e = egisz_exchange.c
    return oldest_go(connection, egisz_exchange, e.at_ms, now_ms - KEPT_MS, e.fate != PERSON)
