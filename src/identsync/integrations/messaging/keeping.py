"""What is forgotten: first what messages said and to whom, later the messages themselves, replies, campaigns.

All of it is personal data. Texts, addresses and files go after ``texts`` days, and what stays is a line without them:
which patient was written to, when, and what became of it. The line goes after ``remember`` days. Of several channels
the longest days count for all. A message that waits, or of which nobody knows whether it went out, stays whole.

The lines of a campaign are counted on its page, so they stay until the campaign goes, which is ``remember`` days after
its end, and then nothing is counted any more. The newest campaign stays: SQLite would give its number away again, and
the keys of its messages are made of that.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, exists, func, select, update

from identsync.engine.integration import Outcome
from identsync.engine.keeping import Keeping, longest
from identsync.flows.intake import cursor, move
from identsync.flows.outbox_keeping import ENDED, Walk, empty, erase
from identsync.integrations.messaging.books import stream_of
from identsync.integrations.messaging.message import Medium
from identsync.spans import DAY_MS
from identsync.store.keeping import named_go, oldest_go
from identsync.store.lists import among
from identsync.store.tables import message, message_campaign, message_file, message_reply, outbox

if TYPE_CHECKING:
    from identsync.engine.run import Run
    from identsync.integrations.messaging.settings import Channel

EMPTIED = "messaging/emptied"
"""Where is kept how far messages have been emptied."""
STREAMS = tuple(stream_of(medium) for medium in Medium)
_c, _o, _r = message_campaign.c, outbox.c, message_reply.c


def terms(settings: Mapping[str, "Channel"]) -> tuple[int, int]:
    """Return the days of texts and of lines, each the longest of all channels; 0 where one of them keeps for ever."""
    channels = settings.values()
    return longest(channel.texts for channel in channels), longest(channel.remember for channel in channels)


async def forget(run: "Run", settings: Mapping[str, "Channel"]) -> Outcome:
    """Forget what is too old; what one run does not get to waits for the next one."""
    keeping, now = Keeping(run, "emptied", "forgotten"), run.now_ms()
    texts, remember = terms(settings)
    if texts:
        before = now - texts * DAY_MS
        since = await run.read(lambda connection: cursor(connection, EMPTIED, 0))  # a line tells not that it is empty
        walk = Walk(STREAMS, before, at=(since or 0, 0))
        await keeping.portions("emptied", partial(_emptied, walk=walk, now_ms=now), lambda: walk.more)
        await keeping.portions("forgotten", partial(_replies, before_ms=before))
    if remember:
        before = now - remember * DAY_MS
        await run.write(partial(campaigns, before_ms=before))
        old = Walk(STREAMS, before, await run.read(_kept))
        await keeping.portions("forgotten", partial(_erased, walk=old), lambda: old.more)
    return keeping.outcome()


def _emptied(connection: Connection, walk: Walk, now_ms: int) -> int:
    """Empty a portion, and write down how far that is."""
    if ids := walk.step(connection):
        empty(connection, ids)
        mine = among(connection, message.c.outbox_id, ids)
        connection.execute(update(message).where(mine).values(subject=None, text=None))
        named_go(connection, message_file, message_file.c.outbox_id, ids)
    move(connection, EMPTIED, 0, walk.at[0], now_ms)
    return len(ids)


def _erased(connection: Connection, walk: Walk) -> int:
    """Erase a portion of the lines."""
    ids = walk.step(connection)
    erase(connection, ids, (message_file, message))
    return len(ids)


def _kept(connection: Connection) -> frozenset[int]:
    return frozenset(connection.execute(select(_c.id)).scalars())


def campaigns(connection: Connection, before_ms: int) -> int:
    """Forget the campaigns that ended before then and that nobody has a question left of; give their number."""
    newest = select(func.max(message_campaign.alias().c.id)).scalar_subquery()
    open_rows = exists().where(_o.lot == _c.id, _o.stream.in_(STREAMS), _o.state.not_in(ENDED))
    ended = _c.state.in_(("stopped", "done")), _c.changed_ms < before_ms, _c.id < newest, ~open_rows
    return connection.execute(delete(message_campaign).where(*ended)).rowcount


def _replies(connection: Connection, before_ms: int) -> int:
    """Forget a portion of the replies that somebody has dealt with."""
    return oldest_go(connection, message_reply, _r.at_ms, before_ms, _r.state == "done")
