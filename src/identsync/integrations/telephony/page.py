"""Page "Звонки": its parts, what each is drawn from, what people may do there; and its corner on every page."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import func, select

from identsync.engine import pages
from identsync.engine.integration import Corner, Page, PageContext
from identsync.integrations.telephony import (
    page_corner,
    page_dial,
    page_history,
    page_lines,
    page_missed,
    page_statistics,
    recordings,
)
from identsync.integrations.telephony import page_words as words
from identsync.store import pulse
from identsync.store.tables import phone_line, phone_seat


def _(text: str) -> str:
    return text


View = Callable[[PageContext, Mapping[str, str]], dict[str, Any]]
Action = Callable[[PageContext, Mapping[str, str]], str | None]
PARTS: Mapping[str, tuple[str, View]] = {
    "missed": (_("Пропущенные"), page_missed.view),
    "history": (_("История"), page_history.view),
    "statistics": (_("Статистика"), page_statistics.view),
    "lines": (_("Линии"), page_lines.view),
}
ACTIONS: Mapping[str, Action] = {
    "dial": page_dial.dial,
    "seat": page_dial.sit,
    "hide": page_corner.hide,
    "show": page_corner.show,
    "find": page_corner.find,
    "link": page_corner.link,
    "unlink": page_corner.unlink,
    "lead": page_corner.make_lead,
    "take": page_missed.take,
    "leave": page_missed.leave,
    "close": page_missed.close,
    "note": page_missed.note,
    "search": page_history.search,
}


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return what the part of the page shows that the address names (``tab``), and the parts' names and counts."""
    tab = query.get("tab", "")
    tab = tab if tab in PARTS else "missed"
    with context.store.read() as connection:
        frame = page_dial.frame(connection, context)
        counts = {"missed": page_missed.count(connection, context), "lines": page_lines.troubled(connection, context)}
    frame |= {
        "tab": tab,
        "tabs": [(name, title, counts.get(name)) for name, (title, _view) in PARTS.items()],
        "titles": pages.titles(context.settings),
        "outcomes": words.OUTCOMES,
        "reasons": words.REASONS,
        "set_up": bool(context.settings),
        "one_branch": context.branch is not None,
    }
    return frame | PARTS[tab][1](context, query)


def version(context: PageContext) -> str:
    """Return what changes with every call, click, decision and state of a line: a few rows by key."""
    line, seat = phone_line.c, phone_seat.c
    with context.store.read() as connection:
        beats = pulse.beats(connection, page_corner.pulses(context))
        lines = connection.execute(select(line.line, line.listening_ms, line.problem).order_by(line.line)).all()
        seats = connection.execute(select(func.max(seat.changed_ms))).scalar()
    heard = hash(tuple((row.line, row.listening_ms is None, row.problem) for row in lines))
    return f"{'.'.join(map(str, beats.values()))}.{heard & 0xFFFFFFFF}.{seats or 0}.{page_statistics.SHELF.turn}"


def attention(context: PageContext) -> int:
    """Return how many people wait for a call back that nobody has taken, and lines are not heard."""
    with context.store.read() as connection:
        waiting = page_missed.count(connection, context) + page_lines.troubled(connection, context)
    return min(waiting, words.ATTENTION_MOST)


PAGES = (
    Page(
        "calls",
        _("Звонки"),
        "telephony/calls.html",
        view,
        version,
        ACTIONS,
        attention,
        scripts=("calls.js",),
        styles=("calls.css",),
        media={"audio": recordings.audio},
        corner=Corner("telephony/corner.html", page_corner.view, page_corner.pulses),
    ),
)
