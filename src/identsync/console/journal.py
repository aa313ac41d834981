"""Журнал: every run of every task, newest first, with its outcome, counts, length and fence."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Select, select

from identsync.console.branches import Names
from identsync.console.overview import SEAT, Overview, version
from identsync.console.states import WORDS, LastRun, State, counts_of
from identsync.console.troubles import of_note
from identsync.engine.integration import Page, PageContext
from identsync.store import slots
from identsync.store.clients import computers
from identsync.store.tables import run_log, task_slot

LIMIT = 100


def _(sentence: str) -> str:
    return sentence


RUNNING = State("busy", _("Выполняется"))
OUTCOMES = ("ok", "partial", "later", "ask", "failed", "late", "lost", "released", "running")
BAD = ("ask", "failed", "late")


class Journal:
    """The page; titles and branches are the overview's."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def page(self) -> Page:
        """Return the page for the menu."""
        return Page("journal", _("Журнал"), "journal.html", self._view, version)

    def _view(self, context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
        with context.store.read() as connection:
            found = connection.execute(_wanted(query).limit(LIMIT + 1)).mappings().all()
            running = {(slot.kind, slot.scope, slot.fence) for slot in slots.overview(connection) if slot.running}
            kinds = connection.execute(_kinds()).scalars().all()
            holders = {row["holder"] for row in found}
            called = Names(computers(connection, holders), holders)
        branches = self._overview.branches(context)
        only = branches.get(int(query["branch"])) if query.get("branch", "").isdecimal() else None
        return {
            "shown_zone": only.zone if only else None,  # one clock for the whole list, else its order looks wrong
            "runs": [self._run(row, branches, running) for row in found[:LIMIT]],
            "called": called,
            "older_ms": found[LIMIT - 1]["started_ms"] if len(found) > LIMIT else None,
            "kinds": [(kind, self._overview.title(kind, 0)) for kind in kinds],
            "branches": sorted(branches.values(), key=lambda branch: branch.name),
        }

    def _run(self, row: Mapping[Any, Any], branches: Mapping[int, Any], running: Collection[Any]) -> dict[str, Any]:
        branch = branches.get(row["scope"])
        alive = (row["kind"], row["scope"], row["fence"]) in running
        last = LastRun(
            row["outcome"], row["started_ms"], row["finished_ms"], counts_of(row["counts"]), row["note"] or ""
        )
        trouble, detail = of_note(last.note)
        return {
            "id": f"run-{row['scope']}-{row['kind'].replace('/', '-')}-{row['fence']}",
            "kind": row["kind"],
            "scope": row["scope"],
            "title": self._overview.title(row["kind"], row["scope"]),
            "branch": branch.name if branch else "",
            "zone": branch.zone if branch else None,
            "state": RUNNING if alive else WORDS[last.outcome],
            "last": last,
            "trouble": trouble,
            "detail": detail,
            "fence": row["fence"],
            "holder": row["holder"],
            "role": row["role"],
        }


def _wanted(query: Mapping[str, str]) -> Select[Any]:
    wanted = select(run_log).order_by(run_log.c.started_ms.desc(), run_log.c.fence.desc())
    if kind := query.get("kind"):
        wanted = wanted.where(run_log.c.kind == kind)
    if (scope := query.get("branch", "")).isdecimal():
        wanted = wanted.where(run_log.c.scope == int(scope))
    if (before := query.get("before", "")).isdecimal():
        wanted = wanted.where(run_log.c.started_ms <= int(before))
    outcome = query.get("outcome")
    if outcome == "bad":
        return wanted.where(run_log.c.outcome.in_(BAD))
    return wanted.where(run_log.c.outcome == outcome) if outcome in OUTCOMES else wanted


def _kinds() -> Select[Any]:
    kind = task_slot.c.kind
    return select(kind).where(kind != SEAT).distinct().order_by(kind)
