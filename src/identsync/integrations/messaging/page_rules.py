"""Rules: which template goes out how long before which visit; and when people are left in peace."""

from collections.abc import Mapping
from typing import Any

from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.errors import IdentsyncError
from identsync.integrations.messaging import page_values, quiet, rules
from identsync.integrations.messaging import page_words as words
from identsync.integrations.messaging import template as texts
from identsync.integrations.messaging.message import Kind
from identsync.integrations.messaging.page_drafts import DRAFTS, Draft, new
from identsync.integrations.messaging.rules import Filter, Mistaken, Rule

UNITS = {"minutes": 1, "hours": 60, "days": 1440}


def _(text: str) -> str:
    return text


SAVED = _("Правило сохранено")


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return rules, policies, and the rule that the address names ('new-…' or its number)."""
    with context.store.read() as connection:
        every, templates = rules.rules(connection), rules.templates(connection)
        policies = quiet.policies(connection)
    wanted = query.get("rule", "")
    known = next((rule for rule in every if str(rule.id) == wanted), None)
    branches = context.clinic.branches()
    found = {
        "rules": every,
        "templates": templates,
        "policies": policies,
        "branches": branches,
        "names": {branch.id: branch.name for branch in branches},
        "rule": None,
        "new": new(),
        "parted": parted,
    }
    if known is None and (not wanted.startswith("new") or DRAFTS.of(context, f"rule/{wanted}").saved):
        return found
    place = f"rule/{known.id if known else wanted}"
    draft = DRAFTS.of(context, place)
    if not draft.fields:
        draft.fields = _fields(known)
    template = templates.get(pages.number(draft.get("template")) or 0)
    return found | {
        "rule": known or Rule(name="", template_id=0, before_minutes=0),
        "place": place,
        "draft": draft,
        "mistakes": draft.mistakes,
        "choices": [each for each in templates.values() if each.kind is Kind.SERVICE and each.on],
        "doctors": list({doctor.id: doctor for doctor in context.clinic.staff()}.values()),
        "preview": template and _preview(context, template),
    }


def save(context: PageContext, form: Mapping[str, str]) -> str:
    """Save a rule, new or changed; all that is wrong stays on the page."""
    if DRAFTS.is_done(context, form):
        return SAVED
    place, draft = form.get("place", ""), DRAFTS.told(context, form)
    with context.store.write() as connection:
        number = pages.number(place.partition("/")[2])
        known = next((rule for rule in rules.rules(connection) if rule.id == number), None)
        if known is not None and draft.get("seen") != str(known.changed_ms):
            told = f"{_('Пока вы смотрели, правило изменил другой сотрудник')}: {known.changed_by}"
            raise IdentsyncError(told, hint=_("Закройте правило и откройте его заново."))
        try:
            rules.save_rule(connection, _rule(draft, known), by=words.who(context), now_ms=context.now_ms)
        except Mistaken as mistaken:
            draft.mistakes = mistaken.mistakes
            raise IdentsyncError(_("Не сохранено: исправьте отмеченное")) from None
    DRAFTS.drop(context, form)
    return SAVED


def switch(context: PageContext, form: Mapping[str, str]) -> str:
    """Switch a rule on or off."""
    with context.store.write() as connection:
        known = next((rule for rule in rules.rules(connection) if str(rule.id) == form.get("id")), None)
        if known is None:
            raise IdentsyncError(_("Такого правила нет"))
        on = form.get("on") == "1"
        changed = _rule(Draft(_fields(known)), known, on=on)
        try:
            rules.save_rule(connection, changed, by=words.who(context), now_ms=context.now_ms)
        except Mistaken as mistaken:
            raise IdentsyncError(mistaken.mistakes[0].what) from None
    return _("Правило включено") if on else _("Правило выключено")


def save_policy(context: PageContext, form: Mapping[str, str]) -> str:
    """Save quiet hours and the day's limit of the network (0) or a branch."""
    start, end = _minute(form.get("quiet_from", "")), _minute(form.get("quiet_until", ""))
    most, branch = pages.number(form.get("per_day")), pages.number(form.get("branch"))
    if start is None or end is None or most is None or branch is None:
        raise IdentsyncError(_("Тихие часы это время от 00:00 до 23:59, предел это число"))
    policy = quiet.Policy(start, end, most, form.get("service_consent") == "on")
    with context.store.write() as connection:
        try:
            quiet.save_policy(connection, branch, policy, by=words.who(context), now_ms=context.now_ms)
        except ValueError:
            raise IdentsyncError(_("Тихие часы это время от 00:00 до 23:59, предел это число")) from None
    return _("Когда не беспокоить, записано")


def parted(minutes: int) -> tuple[int, str]:
    """Return a length as people say it: 2 days, 3 hours, 90 minutes."""
    unit = next(name for name in ("days", "hours", "minutes") if minutes % UNITS[name] == 0)
    return minutes // UNITS[unit], unit


def _preview(context: PageContext, template: rules.Template) -> texts.Preview:
    kopecks = page_values.price(context.settings, template.medium, template.kind)
    return texts.preview(template.text, template.subject, texts.EXAMPLE, template.medium, kopecks)


def _fields(known: Rule | None) -> dict[str, str]:
    if known is None:
        return {"before": "1", "unit": "days"}
    before, unit = parted(known.before_minutes)
    values = {"name": known.name, "template": str(known.template_id), "before": str(before), "unit": unit}
    values |= {"services": "\n".join(known.filter.services), "seen": str(known.changed_ms)}
    ticked = [
        *(f"branch-{each}" for each in known.filter.branches),
        *(f"doctor-{each}" for each in known.filter.doctors),
    ]
    return values | dict.fromkeys(ticked, "on")


def ticked(draft: Draft, what: str) -> list[int]:
    """Return the numbers of what is ticked: fields ``branch-1``, ``doctor-7``."""
    found = (pages.number(name.removeprefix(what)) for name in draft.fields if name.startswith(what))
    return sorted(number for number in found if number is not None)


def _rule(draft: Draft, known: Rule | None, *, on: bool | None = None) -> Rule:
    services = [line.strip() for line in draft.get("services").splitlines() if line.strip()]
    minutes = (pages.number(draft.get("before")) or 0) * UNITS.get(draft.get("unit"), 1)
    return Rule(
        id=known.id if known else 0,
        name=draft.get("name"),
        template_id=pages.number(draft.get("template")) or 0,
        before_minutes=min(minutes, 10**6),
        filter=Filter(branches=ticked(draft, "branch-"), doctors=ticked(draft, "doctor-"), services=services),
        on=(known.on if known else True) if on is None else on,
    )


def _minute(text: str) -> int | None:
    hours, _colon, minutes = text.partition(":")
    hour, minute = pages.number(hours), pages.number(minutes)
    return None if hour is None or minute is None or hour > 23 or minute > 59 else hour * 60 + minute
