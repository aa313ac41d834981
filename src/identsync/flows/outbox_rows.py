"""The outbox's rows as they are written: locked in one order, with texts that fit their columns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from identsync.store.lists import among, portions
from identsync.store.tables import outbox
from identsync.store.texts import fitting

OPEN = ("planned", "held")  # states of what has not gone out
TOKEN, ID, ADDRESS, ANSWER = 32, 200, 320, 400  # units of our token, and what is kept of theirs


def ours(token: str) -> str:
    """Return a token from outside that may be one of ours, '' where it cannot."""
    return token if len(token) <= TOKEN and token.isascii() and token.isprintable() else ""


def lock(connection: Connection, ids: Iterable[int]) -> None:
    """Lock rows until the transaction ends, in the order that holds for everybody: nobody waits in a circle."""
    for some in portions(sorted(set(ids))):
        rows = select(outbox.c.id).where(among(connection, outbox.c.id, some)).order_by(outbox.c.id)
        rows = rows.with_for_update(key_share=True).with_hint(outbox, "WITH (UPDLOCK, ROWLOCK)", "mssql")
        connection.execute(rows).all()


def change(connection: Connection, ids: Sequence[int], states: Sequence[str], values: Mapping[str, Any]) -> int:
    """Change those of the rows that are still in one of these states, the lowest id first; give their number."""
    changed = 0
    for some in portions(sorted(ids)):
        lock(connection, some)
        still = among(connection, outbox.c.id, some), outbox.c.state.in_(states)
        changed += connection.execute(update(outbox).where(*still).values(values)).rowcount
    return changed


def said(reason: str, answer: str) -> dict[str, str | None]:
    """Return the columns of what is said of a row: words for people, and what the other side said."""
    return {"reason": fitting(reason, ANSWER) or None, "answer": fitting(answer, ANSWER).strip() or None}
