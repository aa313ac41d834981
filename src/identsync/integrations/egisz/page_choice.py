"""What the address of the page asks for: a state, a doctor, a branch, dates, an organisation, what is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from identsync.clinic.clock import DAY, to_ms
from identsync.engine import pages
from identsync.integrations.egisz import page_words as words
from identsync.integrations.egisz.deadline import unsent
from identsync.store.tables import egisz_item

SHOWN = 100
MOST_SHOWN = 2_000
EPOCH = date(1970, 1, 1)
FIRST, LAST = EPOCH + timedelta(1), date(2199, 12, 31)
"""Days that moments can be reckoned of; a calendar's field gives any year."""


def _(text: str) -> str:
    return text


TABS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "missing": (_("Не готовы"), ("missing",)),
    "signing": (_("Ждут подписи"), ("signing",)),
    "ready": (_("Готовы"), ("ready",)),
    "later": (_("Ждут повтора"), ("later", "cancelling")),
    "unknown": (_("Исход неизвестен"), ("unknown",)),
    "rejected": (_("Отклонены"), ("rejected",)),
    "warned": (_("С предупреждениями"), ("warned",)),
    "taken": (_("Приняты N3"), ("taken",)),
    "registered": (_("В РЭМД"), ("taken", "warned")),
    "cancelled": (_("Аннулированы"), ("cancelled",)),
    "gone": (_("Пропали"), ("gone",)),
}
"""Tabs and the register's states in each; 'registered' are those of its states that have a number."""
PEOPLE = ("unknown", "warned", "rejected")
"""A patient's card goes before his cases and is no case: shown where something is wrong with it, or asked for."""
WHATS = ("case", "document", "patient")


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address asks for: numbers, names of the settings, dates; nobody's data."""

    state: str
    what: str
    organisation: str
    branch: int | None
    doctor: int | None
    since: date | None
    until: date | None
    lack: str
    late: bool
    item: int | None
    shown: int

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Choice":
        """Read the address; what makes no sense is left out."""
        state, what = query.get("state", ""), query.get("what", "")
        return cls(
            state=state if state in TABS else "",
            what=what if what in WHATS else "",
            organisation=_name(query.get("org", "")),
            branch=pages.number(query.get("branch")),
            doctor=pages.number(query.get("doctor")),
            since=_day(query.get("since", "")),
            until=_day(query.get("until", "")),
            lack=query.get("lack", "")[:100],
            late=query.get("late") == "1",
            item=pages.number(query.get("item")),
            shown=min(max(pages.number(query.get("show")) or SHOWN, 1), MOST_SHOWN),
        )

    @property
    def is_narrow(self) -> bool:
        """Tell whether anything but the state is chosen."""
        return any((self.what, self.organisation, self.branch, self.doctor, self.since, self.until, self.late))


def narrowed(choice: Choice, zone: str, before: Mapping[str, int]) -> list[ColumnElement[bool]]:
    """Return what is true of the rows asked for, their state aside.

    ``before`` is the moment (epoch ms) before which each organisation's cases are late.
    """
    i, found = egisz_item.c, list[ColumnElement[bool]]()
    found.append(i.what == choice.what if choice.what else or_(i.what != "patient", i.state.in_(PEOPLE)))
    if choice.organisation:
        found.append(i.organisation == choice.organisation)
    if choice.branch is not None:
        found.append(i.branch_id == choice.branch)
    if choice.doctor is not None:
        found.append(i.doctor_id == choice.doctor)
    if choice.since is not None:
        found.append(i.at_ms >= _moment(zone, choice.since))
    if choice.until is not None:
        found.append(i.at_ms < _moment(zone, choice.until + timedelta(1)))
    if choice.late:
        late = [and_(i.organisation == name, i.at_ms < moment) for name, moment in before.items()]
        found += [or_(*late), *unsent()]
    return found


def of_tab(tab: str) -> list[ColumnElement[bool]]:
    """Return what is true of the rows of a tab."""
    i = egisz_item.c
    if tab == "":
        return []
    states = i.state.in_(TABS[tab][1])
    if tab == "registered":
        return [states, i.number.is_not(None)]
    return [states, i.number.is_(None)] if tab in ("taken", "warned") else [states]


def tab_of(state: str, has_number: bool) -> str:
    """Return the tab in which a row is; '' = in none of them."""
    if has_number and state in TABS["registered"][1]:
        return "registered"
    return next((name for name, (_title, states) in TABS.items() if state in states and name != "registered"), "")


def options(settings: Mapping[str, Any] | None, clinic: words.Clinic) -> dict[str, list[tuple[str, str]]]:
    """Return what the filters offer: organisations, branches, doctors, each a value and what it is called."""
    return {
        "orgs": list(pages.titles(settings).items()),
        "branches": [(str(id), name) for id, name in clinic.branches.items()],
        "doctors": sorted(((str(id), name) for id, name in clinic.doctors.items()), key=lambda each: each[1]),
    }


def _name(text: str) -> str:
    """Return a name of the settings; its column has no other letters than those."""
    return text[:40] if text.isascii() else ""


def _moment(zone: str, day: date) -> int:
    return to_ms(zone, (day - EPOCH).days * DAY)


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None
    return day if day is not None and FIRST <= day <= LAST else None
