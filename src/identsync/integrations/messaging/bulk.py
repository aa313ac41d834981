"""Many at once: whom to write to, what that costs, and the portions that go out day by day.

A campaign is a template and an audience. Started, it is filled: one row for each patient that may be written to, held,
and one skipped row with its reason for each that may not. The planner's task then releases a day's portion at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Connection

from identsync.engine.integration import Outcome
from identsync.integrations.messaging.rules import Template
from identsync.integrations.messaging.template import Preview

if TYPE_CHECKING:
    from identsync.clinic.source import ClinicSource
    from identsync.engine.run import Run


class Audience(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom a campaign is for; what is None or empty does not matter.

    Days count from 1970-01-01. ``visited_from``..``visited_to``: the last visit lies there (both inclusive); who was
    never there has none. ``without_booking``: nothing is booked ahead. Ages are whole years.
    """

    visited_from: int | None = None
    visited_to: int | None = None
    age_from: int | None = None
    age_to: int | None = None
    branches: list[int] = []
    doctors: list[int] = []
    without_booking: bool = False


EVERYBODY = Audience()


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What a campaign would do: patients found, messages, parts, kopecks, how many are left out and why, an example."""

    found: int
    messages: int
    parts: int
    kopecks: int
    excluded: Mapping[str, int]  # reason (a message key) -> patients
    example: Preview | None


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


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is: rows by state of the outbox, left out by reason."""

    states: Mapping[str, int]
    excluded: Mapping[str, int]


def preview(
    clinic: "ClinicSource",
    connection: Connection,
    template: Template,
    audience: Audience,
    now_ms: int,
    kopecks: int = 0,
) -> Reckoning:
    """Count a campaign without writing anything; ``kopecks`` is the price of a part (of a mail: of a mail)."""
    raise NotImplementedError


def campaigns(connection: Connection) -> list[Campaign]:
    """Give all campaigns, the newest first."""
    raise NotImplementedError


def campaign(connection: Connection, campaign_id: int) -> Campaign | None:
    """Give one campaign."""
    raise NotImplementedError


def save(connection: Connection, wanted: Campaign, *, by: str, now_ms: int) -> int:
    """Write a draft down, new where its id is 0, and give its id; raises Mistaken with all that is wrong."""
    raise NotImplementedError


def start(connection: Connection, campaign_id: int, *, now_ms: int) -> None:
    """Start a draft; raises Mistaken where its template does not do, Changed where it is no draft any more."""
    raise NotImplementedError


def pause(connection: Connection, campaign_id: int, *, now_ms: int) -> int:
    """Hold what has not gone out; give the number of rows. Raises Changed where the campaign does not run."""
    raise NotImplementedError


def resume(connection: Connection, campaign_id: int, *, now_ms: int) -> None:
    """Let a paused campaign run on; raises Changed where it is not paused."""
    raise NotImplementedError


def stop(connection: Connection, campaign_id: int, *, now_ms: int) -> int:
    """Cancel what has not gone out, for good; give the number of rows. Raises Changed where it has ended already."""
    raise NotImplementedError


def progress(connection: Connection, campaign_id: int) -> Progress:
    """Say how far a campaign is."""
    raise NotImplementedError


async def release_portions(run: "Run") -> Outcome:
    """Fill the campaigns that were started and release what is due of them today."""
    raise NotImplementedError
