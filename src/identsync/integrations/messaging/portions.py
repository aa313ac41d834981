"""What the planner does for campaigns: fills them, releases the day's portions, settles what a pause or a stop left."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, or_, select, update

from identsync.engine.integration import Outcome, Status
from identsync.flows import outbox_book as book
from identsync.flows.outbox import Draft
from identsync.integrations.messaging import bulk
from identsync.integrations.messaging.audience import ZONE, Guess, chosen, judged
from identsync.integrations.messaging.bulk import AT_ONCE, Campaign, running
from identsync.integrations.messaging.message import Rank
from identsync.integrations.messaging.quiet import day_began, permitted, policies
from identsync.integrations.messaging.rules import Template
from identsync.spans import DAY_MS
from identsync.store.lists import portions, write_many
from identsync.store.tables import message, message_campaign, outbox

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.engine.run import Run

GOOD_FOR_MS = 90 * DAY_MS  # beside the days that its portions take
PORTION = 500
REST_S = 0.05  # between two large transactions: on SQLite nobody else could write meanwhile


async def release_portions(run: "Run") -> Outcome:
    """Settle what people have halted, fill the campaigns that were started, release what is due of them today."""
    await _settle(run)
    campaigns = await run.read(running)
    counts = Counter(filled=0, left_out=0, released=0)
    if not campaigns:
        return Outcome(Status.OK, dict(counts))
    branches = {branch.id: branch for branch in await run.clinic_read(lambda clinic: clinic.branches())}
    for wanted, template in campaigns:
        if wanted.filled_ms is None:
            counts.update(await _fill(run, wanted, template, branches))
            run.progress(**counts)
        counts["released"] += await _release(run, wanted, template, branches)
        run.progress(**counts)
    return Outcome(Status.OK, dict(counts))


async def _settle(run: "Run") -> None:
    """Hold what is left of paused campaigns and cancel what is left of stopped ones, so many rows at a time."""
    for number, state in await run.read(bulk.halted):
        ids = await run.read(partial(bulk.left, campaign_id=number, state=state))
        for some in portions(ids, AT_ONCE):
            await run.write(partial(_halt, number=number, state=state, ids=some, now_ms=run.now_ms()))
            await asyncio.sleep(REST_S)


def _halt(connection: Connection, number: int, state: str, ids: Sequence[int], now_ms: int) -> None:
    """Hold or cancel a portion, unless a person has decided something else meanwhile."""
    if _stands(connection, number, state):
        bulk.settle(connection, ids, state, now_ms)


def _stands(connection: Connection, number: int, state: str) -> bool:
    """Tell whether a campaign is in this state, and let nobody change that before the transaction ends."""
    c = message_campaign.c
    same = update(message_campaign).where(c.id == number, c.state == state).values(changed_ms=c.changed_ms)
    return connection.execute(same).rowcount > 0


async def _fill(run: "Run", wanted: Campaign, template: Template, branches: Mapping[int, "Branch"]) -> Counter[str]:
    """Write all rows of a campaign down; one that was cut short goes on where it was."""
    now, counts = run.now_ms(), Counter[str]()
    everybody = await run.clinic_read(lambda clinic: chosen(clinic, branches, template, wanted.audience, now))
    new = await run.read(lambda connection: _new(connection, wanted, template, everybody, now))
    until = now + GOOD_FOR_MS + (len(everybody) // wanted.per_day * DAY_MS if wanted.per_day else 0)
    for at in range(0, len(new), PORTION):
        some = new[at : at + PORTION]
        write = partial(_write, wanted=wanted, template=template, some=some, until_ms=until, now_ms=run.now_ms())
        await run.write(write)
        counts.update("left_out" if one.reason else "filled" for one in some)
    mine = message_campaign.c.id == wanted.id
    await run.write(lambda connection: connection.execute(update(message_campaign).where(mine).values(filled_ms=now)))
    return counts


def _new(
    connection: Connection, wanted: Campaign, template: Template, everybody: Sequence[Guess], now_ms: int
) -> list[Guess]:
    every = judged(connection, template, everybody, now_ms)
    there = book.written(connection, f"messaging/{template.medium}", [_key(wanted, template, one) for one in every])
    return [one for one in every if _key(wanted, template, one) not in there]


async def _release(run: "Run", wanted: Campaign, template: Template, branches: Mapping[int, "Branch"]) -> int:
    """Release what is due of today, so many at a time; give the number of rows."""
    first = branches[min(branches)].zone if branches else ZONE
    policy = (await run.read(policies))[0]
    if permitted(first, run.now_ms(), policy) > run.now_ms():
        return 0
    released = 0
    while True:
        some = await run.write(lambda connection: _portion(connection, wanted, template, first, run.now_ms()))
        released += some
        if some < AT_ONCE:
            return released
        await asyncio.sleep(REST_S)


def _portion(connection: Connection, wanted: Campaign, template: Template, zone: str, now_ms: int) -> int:
    """Release a portion; a pause comes before or after, not between."""
    if not _stands(connection, wanted.id, "running"):
        return 0
    stream, o = f"messaging/{template.medium}", outbox.c
    mine = o.stream == stream, o.lot == wanted.id
    open_rows = select(func.count()).where(*mine, o.state.in_(("held", "planned", "submitting")))
    if connection.execute(open_rows).scalar_one() == 0:
        done = update(message_campaign).where(message_campaign.c.id == wanted.id)
        connection.execute(done.values(state="done", changed_ms=now_ms))
        return 0
    gone = o.state.not_in(("held", "skipped", "cancelled")) & (o.submitted_ms >= day_began(zone, now_ms))
    today = select(func.count()).where(*mine, or_(o.state == "planned", gone))
    left = wanted.per_day - connection.execute(today).scalar_one() if wanted.per_day else AT_ONCE
    return book.free(connection, stream, wanted.id, min(left, AT_ONCE), now_ms, now_ms) if left > 0 else 0


def _write(
    connection: Connection, wanted: Campaign, template: Template, some: Sequence[Guess], until_ms: int, now_ms: int
) -> None:
    drafts = [_draft(wanted, _key(wanted, template, one), one, until_ms, now_ms) for one in some]
    ids = book.plan(connection, f"messaging/{template.medium}", 0, drafts, now_ms)
    rows = [(ids.get(draft.key), one) for draft, one in zip(drafts, some, strict=True)]
    new = [_columns(wanted, template, one, number) for number, one in rows if number is not None]
    write_many(connection, message, new)


def _key(wanted: Campaign, template: Template, one: Guess) -> str:
    return hashlib.sha256(f"bulk {wanted.id}|{one.guest.patient.id}|{template.medium}".encode()).hexdigest()


def _draft(wanted: Campaign, key: str, one: Guess, until_ms: int, now_ms: int) -> Draft:
    state, address = "skipped" if one.reason else "held", one.address or None
    return Draft(
        key=key,
        due_ms=now_ms,
        until_ms=until_ms,
        rank=Rank.BULK,
        state=state,
        reason=one.reason,
        lot=wanted.id,
        address=address,
    )


def _columns(wanted: Campaign, template: Template, one: Guess, outbox_id: int) -> dict[str, Any]:
    return {
        "outbox_id": outbox_id,
        "medium": str(template.medium),
        "kind": str(template.kind),
        "purpose": "bulk",
        "patient_id": one.guest.patient.id,
        "template_id": template.id,
        "branch_id": one.guest.patient.branch_id,
        "made_by": wanted.made_by,
    }
