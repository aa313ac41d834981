"""What the settings of a destination choose: what the clinic is asked for, whose home is where, and what is no loss."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import orjson

from identsync.core.columns import digest
from identsync.flows.mirror import Brake
from identsync.integrations.calendar.books import Link
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.wanted import Wish, homes

if TYPE_CHECKING:
    from identsync.clinic.source import ClinicSource, Doctor

FLOOR = 20  # events: a branch that small may well lose a third of them in a day
GONE = frozenset({"off", "leaving"})


def stream_of(name: str) -> str:
    """Return the stream, and the task's kind, of a destination."""
    return f"calendar/{name}"


def wish_of(destination: CalendarDestination) -> Wish:
    """Return what the settings ask the clinic for."""
    return Wish(
        branches=frozenset(destination.branches), doctors=frozenset(destination.doctors),
        back_days=destination.back_days, days=destination.days, what=destination.what, reserves=destination.reserves,
        shifts=destination.shifts, show=tuple(destination.show), busy_text=destination.busy_text,
    )  # fmt: skip


def serves(destination: CalendarDestination, branch: int) -> bool:
    """Say whether the calendars of a branch are kept at a destination."""
    return not destination.branches or branch in destination.branches


def at_home(clinic: "ClinicSource", destination: CalendarDestination, branch: int) -> dict[int, "Doctor"]:
    """Return the doctors of a destination whose home is ``branch``."""
    staff = clinic.staff()
    at = homes(staff, wish_of(destination))
    return {doctor.id: doctor for doctor in staff if at.get(doctor.id) == branch == doctor.branch_id}


def weights_of(destination: CalendarDestination, links: Iterable[Link], scope: int, events: int) -> dict[str, int]:
    """Name what the brake watches by what was chosen, which is no loss: settings, who takes part, who moved house.

    Links tell who takes part in ``scope``, not the staff, which may be read wrongly. ``all`` is called so whatever is
    chosen: as long as anybody takes part, nothing at all is never believed. A branch that the settings do not choose
    wants nothing by a person's will: nothing is watched there.
    """
    d = destination
    if not serves(d, scope):
        return {}
    present = sorted(link.doctor for link in links if link.scope == scope and link.state not in GONE)
    chosen = [present, d.doctors, d.branches, d.back_days, d.days, d.what, d.reserves, d.shifts]
    weights = {f"e{digest(orjson.dumps(chosen)) & 0xFFFFFFFF:08x}": events}
    return weights | ({"all": events} if present else {})


def brakes_of(destination: CalendarDestination, weights: Iterable[str]) -> dict[str, Brake]:
    """Give the brake of each weight."""
    return {name: Brake(1.0) if name == "all" else Brake(destination.shrink / 100, FLOOR) for name in weights}
