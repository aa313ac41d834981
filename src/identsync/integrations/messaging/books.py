"""The room's rows beside the outbox: what went out and what it cost, how each channel does."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, select, update

from identsync.flows.outbox_rows import change
from identsync.integrations.messaging.message import Attachment, Balance, Missing, Rank, Sent
from identsync.spans import DAY_MS
from identsync.store.lists import portions
from identsync.store.tables import message, message_channel, message_file, outbox
from identsync.store.texts import fitting

ASKED_DAYS = 7  # what nothing was heard of for so long is asked about no more
AT_ONCE = 2_000
SURE_MS = 300_000  # so long a gateway may take to know what was handed to it
FEW = 20  # messages of a day from which on a share says something


def stream_of(medium: str) -> str:
    """Return the outbox stream of a medium."""
    return f"messaging/{medium}"


@dataclass(frozen=True, slots=True)
class Of:
    """A channel's rows: the stream of its medium, its name."""

    stream: str
    name: str


@dataclass(frozen=True, slots=True)
class Written:
    """What a message's row says once it is about to go out."""

    outbox_id: int
    subject: str
    text: str
    parts: int
    kopecks: int | None


def announce(connection: Connection, written: Sequence[Written]) -> None:
    """Write down what is going out, as it will be read."""
    values = [
        {
            "of_id": w.outbox_id,
            "subject": fitting(w.subject, 400) or None,
            "text": w.text,
            "parts": w.parts,
            "kopecks": w.kopecks,
        }
        for w in written
    ]
    connection.execute(_ANNOUNCE, values)


def cost(connection: Connection, told: Iterable[tuple[int, int | None, int | None]]) -> None:
    """Write down what the other side says of parts and price (outbox id, parts, kopecks); None = nothing."""
    for outbox_id, parts, kopecks in told:
        values = {name: value for name, value in (("parts", parts), ("kopecks", kopecks)) if value is not None}
        if values:
            connection.execute(update(message).where(message.c.outbox_id == outbox_id).values(values))


def files(connection: Connection, outbox_ids: Sequence[int]) -> dict[int, list[Attachment]]:
    """Give the files of messages by their outbox id."""
    f, found = message_file.c, dict[int, list[Attachment]]()
    rows = select(f.outbox_id, f.name, f.media_type, f.content).where(f.outbox_id.in_(outbox_ids)).order_by(f.id)
    for outbox_id, name, media_type, content in connection.execute(rows):
        found.setdefault(outbox_id, []).append(Attachment(name, media_type, content))
    return found


def under_way(connection: Connection, channel: Of, since_id: int, most: int, now_ms: int) -> tuple[list[Sent], int]:
    """Give what a channel has accepted lately and said no last word of, behind a row and then from the first on.

    At most so many, and the row to go on behind: telephones that stay switched off keep nobody else's news waiting.
    """
    o = outbox.c
    asked = select(o.provider_id, o.token, o.address, o.id).order_by(o.id)
    asked = asked.where(*_lately(channel, "accepted", now_ms), o.provider_id.is_not(None))
    rows = connection.execute(asked.where(o.id > since_id).limit(most)).all()
    if len(rows) < most:
        rows = [*rows, *connection.execute(asked.where(o.id <= since_id).limit(most - len(rows)))]
    return [Sent(*row[:3]) for row in rows], rows[-1].id if rows else 0


def missing(connection: Connection, channel: Of, now_ms: int) -> list[Missing]:
    """Give the messages of a channel of which nobody knows whether they went out, the newest first."""
    o = outbox.c
    rows = select(o.token, o.address, func.coalesce(message.c.text, ""), o.submitted_ms)
    rows = rows.outerjoin_from(outbox, message, message.c.outbox_id == o.id)
    rows = rows.where(*_lately(channel, "unknown", now_ms)).order_by(o.submitted_ms.desc())
    return [Missing(*row) for row in connection.execute(rows.limit(AT_ONCE))]


def _lately(channel: Of, state: str, now_ms: int) -> tuple[ColumnElement[bool], ...]:
    """Return what is true of a channel's messages of a week in a state, as the index of what is due has it."""
    o = outbox.c
    here = o.stream == channel.stream, o.scope == 0, o.state == state
    return *here, o.channel == channel.name, o.submitted_ms > now_ms - ASKED_DAYS * DAY_MS


def not_there(connection: Connection, tokens: Sequence[str], reason: str, now_ms: int) -> None:
    """Keep it as evidence that the other side does not know these: a person still decides.

    Not of those that were handed over a moment ago: they may still be on their way into its books.
    """
    o, ids = outbox.c, list[int]()
    for some in portions(tokens):
        here = o.token.in_(some), o.state == "unknown", o.reason != reason, o.submitted_ms < now_ms - SURE_MS
        ids += connection.execute(select(o.id).where(*here)).scalars()
    change(connection, ids, ("unknown",), {"reason": reason, "changed_ms": now_ms})


def failing(connection: Connection, channel: Of, now_ms: int) -> int:
    """Tell how many per cent of a channel's messages of the last day failed; 0 where they are too few to tell."""
    o, yesterday = outbox.c, now_ms - DAY_MS
    # What went out within the day was due within two: so the index of what is due leads to it, rank by rank.
    here = o.stream == channel.stream, o.scope == 0, o.state.in_(("delivered", "failed", "expired"))
    due = o.rank.in_([int(rank) for rank in Rank]), o.due_ms > yesterday - DAY_MS
    went = o.channel == channel.name, o.submitted_ms > yesterday
    rows = connection.execute(select(o.state, func.count()).where(*here, *due, *went).group_by(o.state))
    counts: dict[str, int] = {row[0]: row[1] for row in rows}
    total = sum(counts.values())
    return 0 if total < FEW else 100 * (total - counts.get("delivered", 0)) // total


def looked(connection: Connection, channel: str, now_ms: int, **values: Any) -> None:
    """Keep how a channel does: ``balance``, ``problem`` (None = none)."""
    balance: Balance | None = values.pop("balance", None)
    if balance is not None:
        values |= {"balance_kopecks": balance.kopecks, "balance_words": fitting(balance.words, 200) or None}
    values |= {"looked_ms": now_ms}
    if connection.execute(update(message_channel).where(message_channel.c.channel == channel).values(values)).rowcount:
        return
    connection.execute(insert(message_channel).values(channel=channel, **values))


def channels(connection: Connection) -> Mapping[str, Any]:
    """Give the rows of all channels by name."""
    return {row.channel: row for row in connection.execute(select(message_channel))}


def masked(text: str) -> str:
    """Return what the other side said without numbers and addresses of people."""
    return _PERSONAL.sub("…", text)


_PERSONAL = re.compile(r"\+?\d[\d\s()-]{8,}\d|[^\s@<>]+@[^\s@<>]+")
_ANNOUNCE = (
    update(message)
    .where(message.c.outbox_id == bindparam("of_id"))
    .values(
        subject=bindparam("subject"), text=bindparam("text"), parts=bindparam("parts"), kopecks=bindparam("kopecks")
    )
)
