"""Many at once: whom to write to, what that costs, and the portions that go out day by day.

A campaign is a template and an audience. Started, it is filled: one row for each patient that may be written to, held,
and one skipped row with its reason for each that may not. The planner's task then releases what is due of a day: as
many as are not on their way or gone already that day. The same address gets a campaign once, however many patients
share it. Whether a message still goes out is asked again before it is sent (``whether``).

A pause or a stop is the campaign's state, and at once the first rows in line, which a sender may have decided on
already. The rest follows portion by portion from the planner: a hundred thousand rows in one transaction would hold up
the sender, and the person, for seconds.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, func, insert, or_, select, update

from identsync.flows import outbox_book as book
from identsync.flows.outbox import Changed
from identsync.flows.outbox_rows import OPEN
from identsync.integrations.messaging.audience import EVERYBODY, Audience, Reckoning, preview
from identsync.integrations.messaging.message import Medium
from identsync.integrations.messaging.rules import NAME, Mistaken, Template, templates
from identsync.integrations.messaging.template import Mistake
from identsync.store.lists import portions
from identsync.store.tables import message_campaign, outbox
from identsync.store.texts import fitting

__all__ = [
    "EVERYBODY", "Audience", "Campaign", "Reckoning", "campaign", "campaigns", "pause", "preview",
    "progress", "resume", "running", "save", "start", "stop",
]  # fmt: skip

MOST_A_DAY = 1_000_000
AT_ONCE = 2_000  # rows changed in one transaction: more than a sender reads ahead
PLANNER = "messaging/bulk.plan"
"""The kind of the task that does what follows from a campaign's state."""


def _(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign; ``state`` draft, running, paused, stopped, done; ``id`` 0 = not saved yet."""

    name: str
    template_id: int
    audience: Audience = EVERYBODY
    per_day: int = 0  # 0 = all at once
    id: int = 0
    state: str = "draft"
    filled_ms: int | None = None
    made_by: str = ""
    made_ms: int = 0
    changed_ms: int = 0


def campaigns(connection: Connection, most: int = 200) -> list[Campaign]:
    """Give the campaigns, the newest first."""
    rows = select(*_CAMPAIGN).order_by(message_campaign.c.id.desc()).limit(most)
    return [_campaign(row) for row in connection.execute(rows)]


def campaign(connection: Connection, campaign_id: int) -> Campaign | None:
    """Give one campaign."""
    row = connection.execute(select(*_CAMPAIGN).where(message_campaign.c.id == campaign_id)).first()
    return None if row is None else _campaign(row)


def running(connection: Connection) -> list[tuple[Campaign, Template]]:
    """Give the campaigns that run, with their templates."""
    rows = connection.execute(select(*_CAMPAIGN).where(message_campaign.c.state == "running"))
    found = [_campaign(row) for row in rows]
    texts = templates(connection, {one.template_id for one in found})
    return [(one, texts[one.template_id]) for one in found if one.template_id in texts]


def save(connection: Connection, wanted: Campaign, *, by: str, now_ms: int) -> int:
    """Write a draft down, new where its id is 0, and give its id; raises Mistaken, or Changed where it is no draft."""
    template = templates(connection, [wanted.template_id]).get(wanted.template_id)
    if wrong := list(_wrong(wanted, template)):
        raise Mistaken(wrong)
    values: dict[str, Any] = {
        "name": fitting(wanted.name.strip(), NAME),
        "template_id": wanted.template_id,
        "filter": msgspec.json.encode(wanted.audience).decode(),
        "per_day": wanted.per_day,
        "changed_ms": now_ms,
    }
    if wanted.id:
        _turn(connection, wanted.id, ("draft",), **values)
        return wanted.id
    values |= {"state": "draft", "made_by": by[:NAME], "made_ms": now_ms}
    key: Any = connection.execute(insert(message_campaign).values(values)).inserted_primary_key
    return int(key[0])


def start(connection: Connection, campaign_id: int, *, now_ms: int) -> None:
    """Start a draft; raises Mistaken where its template does not do, Changed where it is no draft any more."""
    wanted = campaign(connection, campaign_id)
    if wanted is None:
        raise Changed(f"campaign {campaign_id}")
    if wrong := list(_wrong(wanted, templates(connection, [wanted.template_id]).get(wanted.template_id))):
        raise Mistaken(wrong)
    _turn(connection, campaign_id, ("draft",), state="running", changed_ms=now_ms)


def pause(connection: Connection, campaign_id: int, *, now_ms: int) -> int:
    """Hold what has not gone out; give the rows held at once. Raises Changed where the campaign does not run."""
    _turn(connection, campaign_id, ("running",), state="paused", changed_ms=now_ms)
    return settle(connection, left(connection, campaign_id, "paused", AT_ONCE), "paused", now_ms)


def resume(connection: Connection, campaign_id: int, *, now_ms: int) -> None:
    """Let a paused campaign run on; raises Changed where it is not paused."""
    _turn(connection, campaign_id, ("paused",), state="running", changed_ms=now_ms)


def stop(connection: Connection, campaign_id: int, *, now_ms: int) -> int:
    """Cancel what has not gone out, for good; give the rows cancelled at once. Raises Changed where it has ended."""
    _turn(connection, campaign_id, ("draft", "running", "paused"), state="stopped", changed_ms=now_ms)
    return settle(connection, left(connection, campaign_id, "stopped", AT_ONCE), "stopped", now_ms)


def left(connection: Connection, campaign_id: int, state: str, most: int | None = None) -> list[int]:
    """Give the rows that a campaign which was halted has still to hold or to cancel, the next in line first."""
    lines = (book.in_line(connection, stream, campaign_id, _LEFT[state], most) for stream in _STREAMS)
    return [row_id for line in lines for row_id in line]


def settle(connection: Connection, ids: Sequence[int], state: str, now_ms: int) -> int:
    """Hold rows of a paused campaign, or cancel those of a stopped one; give their number."""
    return (book.hold if state == "paused" else book.cancel)(connection, ids, now_ms)


def halted(connection: Connection) -> list[tuple[int, str]]:
    """Give (id, state) of the paused and stopped campaigns of which more is to be held, or cancelled."""
    c, o = message_campaign.c, outbox.c
    of_it = select(o.id).where(o.lot == c.id, o.stream.in_(_STREAMS))
    more = or_(*(and_(c.state == state, of_it.where(o.state.in_(rows)).exists()) for state, rows in _LEFT.items()))
    return [(row.id, row.state) for row in connection.execute(select(c.id, c.state).where(more).order_by(c.id))]


def progress(connection: Connection, ids: Collection[int]) -> dict[int, Counter[str]]:
    """Say how far these campaigns are, rows by state: their index alone is read, for no room has other lots."""
    o, found = outbox.c, {number: Counter[str]() for number in ids}
    for some in portions(ids):
        rows = select(o.lot, o.state, func.count()).where(o.lot.in_(some)).group_by(o.lot, o.state)
        for number, state, count in connection.execute(rows):
            found[number][state] = count
    return found


def _wrong(wanted: Campaign, template: Template | None) -> Iterator[Mistake]:
    if not wanted.name.strip():
        yield Mistake(_("нет названия"), field="name")
    if not 0 <= wanted.per_day <= MOST_A_DAY:
        yield Mistake(_("в день: от 0 (все сразу) до миллиона"), field="per_day")
    if template is None or not template.on:
        yield Mistake(_("нет такого шаблона"), field="template_id")
    else:
        yield from template.mistakes(visit=False)


def _turn(connection: Connection, campaign_id: int, states: Sequence[str], **values: Any) -> None:
    c = message_campaign.c
    here = c.id == campaign_id, c.state.in_(states)
    if connection.execute(update(message_campaign).where(*here).values(values)).rowcount == 0:
        raise Changed(f"campaign {campaign_id}")


def _campaign(row: Any) -> Campaign:
    return Campaign(
        id=row.id,
        name=row.name,
        template_id=row.template_id,
        audience=msgspec.json.decode(row.filter, type=Audience),
        per_day=row.per_day,
        state=row.state,
        filled_ms=row.filled_ms,
        made_by=row.made_by,
        made_ms=row.made_ms,
        changed_ms=row.changed_ms,
    )


_STREAMS = tuple(f"messaging/{medium}" for medium in Medium)
_LEFT: Mapping[str, Sequence[str]] = {"paused": ("planned",), "stopped": OPEN}
_CAMPAIGN = tuple(message_campaign.c)
