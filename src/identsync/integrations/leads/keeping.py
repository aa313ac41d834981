"""What is forgotten: leads that were settled long ago, with what was noted on them; never one that waits for an answer.

A lead's row is all that keeps its site from bringing it again, so it stays as long as any site may be asked about it.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from identsync.engine.integration import Outcome
from identsync.engine.keeping import Keeping, longest
from identsync.integrations.leads.states import OPEN, STATES
from identsync.spans import DAY_MS
from identsync.store.keeping import settled_go
from identsync.store.lists import IN
from identsync.store.tables import lead, lead_event

if TYPE_CHECKING:
    from identsync.engine.run import Run
    from identsync.integrations.leads.settings import LeadsSite

PORTION = IN
SETTLED = tuple(state for state in STATES if state not in OPEN)


def term(settings: Mapping[str, "LeadsSite"]) -> int:
    """Return how many days a settled lead is remembered: the longest of all sites; 0 = one of them keeps for ever."""
    return longest(
        site.remember and max(site.remember, site.first_days + 1, site.overlap // DAY_MS + 1)
        for site in settings.values()
    )


async def forget(run: "Run", settings: Mapping[str, "LeadsSite"]) -> Outcome:
    """Forget what is too old; what one run does not get to waits for the next one."""
    keeping = Keeping(run, "forgotten", size=PORTION)
    before = run.now_ms() - term(settings) * DAY_MS
    await keeping.portions("forgotten", partial(_leads, before_ms=before))
    return keeping.outcome()


def _leads(connection: Connection, before_ms: int) -> int:
    """Forget a portion of leads; give how many."""
    c = lead.c
    old = c.state.in_(SETTLED), c.made_ms < before_ms, c.received_ms < before_ms, c.state_ms < before_ms
    ids = connection.execute(select(c.id).where(*old).order_by(c.id).limit(PORTION)).scalars().all()
    settled_go(connection, c.id, ids, lead_event.c.lead_id, *old)
    return len(ids)
