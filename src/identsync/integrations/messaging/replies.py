"""What people write back: kept once, with whose it is where that is known; who says STOP gets nothing more."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select

from identsync.flows.outbox_rows import ours
from identsync.integrations.messaging import consent
from identsync.integrations.messaging.message import Medium, Reply
from identsync.language import _
from identsync.store.lists import portions
from identsync.store.tables import message, message_reply, outbox
from identsync.store.texts import fitting, printable


def take(connection: Connection, channel: str, medium: Medium, replies: Sequence[Reply], now_ms: int) -> None:
    """Write down those that are new, and stop whoever says so: where he writes from, and where we had written to."""
    answered = _answered(connection, replies)
    for reply in _new(connection, channel, replies):
        connection.execute(insert(message_reply).values(_row(channel, reply, answered, now_ms)))
        if consent.is_stop(reply.text):
            wrote_to = answered[reply.token].address if reply.token in answered else None
            for address in {reply.sender, wrote_to or reply.sender}:
                consent.stop(connection, medium, address, source=_("ответ СТОП"), now_ms=now_ms)


def _answered(connection: Connection, replies: Iterable[Reply]) -> dict[str, Any]:
    """Give what replies answer, by its token: to which address it went (None = forgotten), to which patient."""
    found: dict[str, Any] = {}
    asked = select(outbox.c.token, outbox.c.address, message.c.patient_id)
    asked = asked.join_from(outbox, message, message.c.outbox_id == outbox.c.id)
    for some in portions({token for reply in replies if (token := ours(reply.token))}):
        found.update((row.token, row) for row in connection.execute(asked.where(outbox.c.token.in_(some))))
    return found


def _new(connection: Connection, channel: str, replies: Sequence[Reply]) -> list[Reply]:
    keyed: dict[str, Reply] = {}
    for reply in replies:
        keyed.setdefault(_key(reply), reply)
    r, here = message_reply.c, set[str]()
    for some in portions(keyed):
        here.update(connection.execute(select(r.key).where(r.channel == channel, r.key.in_(some))).scalars())
    return [reply for key, reply in keyed.items() if key not in here]


def _row(channel: str, reply: Reply, answered: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    return {
        "channel": channel,
        "key": _key(reply),
        "sender": fitting(reply.sender, 320),
        "patient_id": answered[reply.token].patient_id if reply.token in answered else None,
        "text": printable(reply.text)[:4_000],
        "at_ms": reply.at_ms,
        "received_ms": now_ms,
    }


def _key(reply: Reply) -> str:
    return fitting(reply.key, 64).encode("ascii", "replace").decode()
