"""Bulk: whom a campaign is for, what it would cost, and how far those that were started are."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection

from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.errors import IdentsyncError
from identsync.flows.outbox_book import Changed
from identsync.integrations.messaging import bulk, page_values, rules
from identsync.integrations.messaging import page_words as words
from identsync.integrations.messaging.bulk import Audience, Campaign
from identsync.integrations.messaging.page_drafts import DRAFTS, Draft, new
from identsync.integrations.messaging.page_rules import ticked
from identsync.integrations.messaging.rules import Mistaken
from identsync.integrations.messaging.template import Mistake
from identsync.store import slots

EPOCH = date(1970, 1, 1).toordinal()
SHOWN = 20


def _(text: str) -> str:
    return text


UNREAD = {
    "per_day": _("сколько в день: нужно целое число"),
    "age_from": _("возраст от: нужно целое число лет"),
    "age_to": _("возраст до: нужно целое число лет"),
    "visited_from": _("последний приём не раньше: такого дня нет"),
    "visited_to": _("последний приём не позже: такого дня нет"),
}
STARTED = _("Рассылка началась")
STATES = {
    "draft": words.State("draft", _("черновик"), "idle"),
    "running": words.State("running", _("идёт"), "busy"),
    "paused": words.State("paused", _("на паузе"), "warn"),
    "stopped": words.State("stopped", _("остановлена"), "idle"),
    "done": words.State("done", _("закончена"), "ok"),
}
BAR = (
    ("delivered", "ok", ("delivered",)),
    ("accepted", "info", ("accepted",)),
    ("submitting", "busy", ("submitting",)),
    ("unknown", "warn", ("unknown",)),
    ("failed", "bad", ("failed", "expired")),
    ("cancelled", "idle", ("cancelled",)),
)
"""What of a campaign is drawn: what is still to go is the bar's ground."""


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the campaigns with their progress, and the one that the address names ('new-…' or its number)."""
    with context.store.read() as connection:
        every, templates = bulk.campaigns(connection)[:SHOWN], rules.templates(connection)
        states = bulk.progress(connection, [each.id for each in every])
    lines = [_line(each, states[each.id]) for each in every]
    found = {"lines": lines, "templates": templates, "campaign_states": STATES, "campaign": None, "new": new()}
    wanted = query.get("campaign", "")
    known = next((each for each in every if str(each.id) == wanted), None)
    if known is None and (not wanted.startswith("new") or DRAFTS.of(context, f"bulk/{wanted}").saved):
        return found
    if known is not None and known.state != "draft":
        return found | {
            "campaign": known,
            "line": next(line for line in lines if line["campaign"] is known),
            "place": "",
        }
    place = f"bulk/{known.id if known else wanted}"
    draft = DRAFTS.of(context, place)
    if not draft.fields and known is not None:
        draft.fields = _fields(known)
    return found | {
        "campaign": known or Campaign(name="", template_id=0),
        "place": place,
        "draft": draft,
        "reckoned": draft.shown,
        "is_stale": draft.shown is not None and draft.shown[0] != _asked(draft),
        "choices": [each for each in templates.values() if each.on],
        "branches": context.clinic.branches(),
        "doctors": list({doctor.id: doctor for doctor in context.clinic.staff()}.values()),
    }


# -- what people do ---------------------------------------------------------------------------------------------------


def do(context: PageContext, form: Mapping[str, str]) -> str | None:
    """Do what the pressed button of the form says: save the draft, count, or start."""
    told = {name: text for name, text in form.items() if name != "do"}
    how = form.get("do", "save")
    if how == "reckon":
        reckon(context, told)
        return None
    return start(context, told) if how == "start" else save(context, told)


def reckon(context: PageContext, form: Mapping[str, str]) -> None:
    """Count what the campaign in the form would do; nothing is written."""
    draft = DRAFTS.told(context, form)
    _must_be_read(draft)
    with context.store.read() as connection:
        template = rules.templates(connection).get(pages.number(draft.get("template")) or 0)
        if template is None:
            raise IdentsyncError(_("Выберите шаблон"))
        kopecks = page_values.price(context.settings, template.medium, template.kind)
        audience = _audience(draft)
        draft.shown = (
            _asked(draft),
            bulk.preview(context.clinic, connection, template, audience, context.now_ms, kopecks),
        )


def save(context: PageContext, form: Mapping[str, str]) -> str:
    """Save a draft of a campaign."""
    _save(context, form)
    return _("Черновик рассылки сохранён")


def start(context: PageContext, form: Mapping[str, str]) -> str:
    """Save what is in the form and start it, once however often the button is pressed."""
    if _is_running(context, DRAFTS.of(context, form.get("place", "")).made):
        return STARTED
    number = _save(context, form)
    try:
        _order(context, lambda connection: bulk.start(connection, number, now_ms=context.now_ms))
    except Mistaken as mistaken:
        raise IdentsyncError(mistaken.mistakes[0].what) from None
    except Changed:
        raise _changed() from None
    return STARTED


def _is_running(context: PageContext, number: int) -> bool:
    with context.store.read() as connection:
        known = bulk.campaign(connection, number) if number else None
    return known is not None and known.state == "running"


def move(context: PageContext, form: Mapping[str, str]) -> str:
    """Pause, resume or stop a campaign."""
    moves = {"pause": bulk.pause, "resume": bulk.resume, "stop": bulk.stop}
    number, how = pages.number(form.get("id")), moves.get(form.get("how", ""))
    if number is None or how is None:
        raise IdentsyncError(_("Такой рассылки нет"))
    try:
        _order(context, lambda connection: how(connection, number, now_ms=context.now_ms))
    except Changed:
        raise _changed() from None
    return {"pause": _("Рассылка на паузе"), "resume": _("Рассылка идёт дальше"), "stop": _("Рассылка остановлена")}[
        form["how"]
    ]


def _order(context: PageContext, change: Callable[[Connection], object]) -> None:
    """Change a campaign's state, and have the planner do at once what follows from it."""
    slots.order(context.store, bulk.PLANNER, 0, change)


def _changed() -> IdentsyncError:
    return IdentsyncError(
        _("Пока вы смотрели, рассылку изменил другой сотрудник"),
        hint=_("На странице уже новое состояние: решите ещё раз."),
    )


def _save(context: PageContext, form: Mapping[str, str]) -> int:
    place, draft = form.get("place", ""), DRAFTS.told(context, form)
    _must_be_read(draft)
    number = pages.number(place.partition("/")[2]) or draft.made
    wanted = Campaign(
        id=number,
        name=draft.get("name"),
        template_id=pages.number(draft.get("template")) or 0,
        audience=_audience(draft),
        per_day=pages.number(draft.get("per_day")) or 0,
    )
    try:
        with context.store.write() as connection:
            made = bulk.save(connection, wanted, by=words.who(context), now_ms=context.now_ms)
    except Mistaken as mistaken:
        draft.mistakes = mistaken.mistakes
        raise IdentsyncError(_("Не сохранено: исправьте отмеченное")) from None
    except Changed:
        raise _changed() from None
    DRAFTS.drop(context, form, made)
    return made


def _line(campaign: Campaign, states: Mapping[str, int]) -> dict[str, Any]:
    parts = [(kind, sum(states.get(each, 0) for each in of), words.STATES[name].title) for name, kind, of in BAR]
    ahead = states.get("planned", 0) + states.get("held", 0)
    all_of = sum(n for _kind, n, _word in parts) + ahead
    went = all_of - ahead - states.get("cancelled", 0)
    return {
        "campaign": campaign,
        "state": STATES[campaign.state],
        "parts": [*parts, ("all", ahead, words.STATES["planned"].title)],
        "all": all_of,
        "went": went,
        "ahead": ahead,
        "left_out": states.get("skipped", 0),
    }


def _fields(known: Campaign) -> dict[str, str]:
    audience = known.audience
    values = {"name": known.name, "template": str(known.template_id), "per_day": str(known.per_day or "")}
    values |= {"visited_from": _written(audience.visited_from), "visited_to": _written(audience.visited_to)}
    ages = (("age_from", audience.age_from), ("age_to", audience.age_to))
    values |= {name: "" if age is None else str(age) for name, age in ages}
    values |= dict.fromkeys((f"branch-{each}" for each in audience.branches), "on")
    values |= dict.fromkeys((f"doctor-{each}" for each in audience.doctors), "on")
    return values | ({"without_booking": "on"} if audience.without_booking else {})


def _must_be_read(draft: Draft) -> None:
    """Raise where a limit is written so that nobody can read it: taken for none, everybody would be written to."""
    numbers, days = ("per_day", "age_from", "age_to"), ("visited_from", "visited_to")
    unread = [name for name in numbers if draft.get(name) and pages.number(draft.get(name)) is None]
    unread += [name for name in days if draft.get(name) and _day(draft.get(name)) is None]
    draft.mistakes = [Mistake(UNREAD[name], field=name) for name in unread]
    if unread:
        raise IdentsyncError(_("Не сохранено: исправьте отмеченное"))


def _audience(draft: Draft) -> Audience:
    return Audience(
        visited_from=_day(draft.get("visited_from")),
        visited_to=_day(draft.get("visited_to")),
        age_from=pages.number(draft.get("age_from")),
        age_to=pages.number(draft.get("age_to")),
        branches=ticked(draft, "branch-"),
        doctors=ticked(draft, "doctor-"),
        without_booking=draft.get("without_booking") == "on",
    )


def _asked(draft: Draft) -> tuple[Any, ...]:
    """Return what a reckoning rests on: when that changes, the figures on the page are of yesterday."""
    return tuple(
        sorted((name, text) for name, text in draft.fields.items() if name not in ("name", "per_day") and text)
    )


def _day(text: str) -> int | None:
    try:
        return date.fromisoformat(text).toordinal() - EPOCH if text else None
    except ValueError:
        return None


def _written(day: int | None) -> str:
    return "" if day is None else date.fromordinal(day + EPOCH).isoformat()
