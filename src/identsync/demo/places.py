"""Addresses in the demo: what the geocoder was asked, and what the map knows."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from identsync.integrations.geocoding.place import Precision
from identsync.store.tables import geo_place

if TYPE_CHECKING:
    from identsync.demo.stage import Stage


@dataclass(frozen=True, slots=True)
class Compared:
    """Questions the geocoder heard, those it heard again (after a death), buildings that lie on the map."""

    asked: int = 0
    again: int = 0
    found: int = 0


def compared(stage: "Stage") -> Compared:
    """Count on both sides."""
    heard = Counter(each["text"] for each in stage.geocoder.asked())
    here = select(func.count()).where(geo_place.c.precision >= Precision.NEAR)
    with stage.store.read() as connection:
        found = connection.execute(here).scalar() or 0
    return Compared(heard.total(), heard.total() - len(heard), found)
