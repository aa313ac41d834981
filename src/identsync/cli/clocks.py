"""The clocks that a clinic has: this computer's, and those of its database servers.

The engine lives by the clock of its own database alone: what is due, whether it is night, which day a site is sent. By
this computer's, certificates are judged and letters are dated. Nothing breaks where they differ, and nobody would
notice: SMS go out at night.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime

from identsync.errors import IdentsyncError, Problem
from identsync.language import _
from identsync.settings import Settings
from identsync.store import Store, open_store
from identsync.store.connect import database_url

TOLERABLE_MS = 120_000
"""Reminders and quiet hours are told in minutes; a Windows that keeps its time is within one."""


def clock_problems(settings: Settings, store: Store) -> Iterator[Problem]:
    """Yield what is wrong with the clocks; the clinic's server, where it is another, tells which one is wrong."""
    engine = _ahead_ms(store.now_ms)
    if abs(engine) > TOLERABLE_MS:
        clinic = _clinics_ahead_ms(settings)
        told = [_("у неё {time}", time=_time(engine)), _("здесь {time}", time=_time(0))]
        if clinic is not None:
            told.append(_("у базы клиники {time}", time=_time(clinic)))
        what = _("часы базы движка и этого компьютера расходятся: {clocks}", clocks=", ".join(told))
        yield Problem("[database]", what, _(
            "сверьте часы и часовой пояс обоих с верными и включите синхронизацию времени: по часам базы движок судит, "
            "что пора и не ночь ли, по часам компьютера - действует ли сертификат сайта, и ставит дату на письмах"
        ))  # fmt: skip


def _clinics_ahead_ms(settings: Settings) -> int | None:
    """None where the clinic's database is on the engine's server, or does not answer."""
    url = database_url(settings.clinic_url())
    if url.host in {None, database_url(settings.database_url()).host}:
        return None
    try:
        with closing(open_store(settings.clinic_url(), schema=None)) as clinic:
            return _ahead_ms(clinic.now_ms)
    except IdentsyncError:
        return None


def _ahead_ms(now_ms: Callable[[], int]) -> int:
    """Return how far a database's clock is ahead of this computer's; half of the way there and back is over."""
    before = time.time_ns()
    there = now_ms()
    return there - (before + time.time_ns()) // 2_000_000


def _time(ahead_ms: int) -> str:
    return f"{datetime.fromtimestamp(time.time() + ahead_ms / 1000).astimezone():%d.%m.%Y %H:%M (UTC%z)}"
