"""Templates: the list, and one being written with its mistakes all at once and what it would read like."""

from collections.abc import Mapping
from typing import Any

from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.errors import IdentsyncError
from identsync.integrations.messaging import page_values, rules
from identsync.integrations.messaging import page_words as words
from identsync.integrations.messaging import template as texts
from identsync.integrations.messaging.message import Kind, Medium
from identsync.integrations.messaging.page_drafts import DRAFTS, Draft, new
from identsync.integrations.messaging.rules import Mistaken, Template


def _(text: str) -> str:
    return text


SAVED = _("Шаблон сохранён")


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return all templates and the one that the address names ('new-…' or its number)."""
    with context.store.read() as connection:
        every = rules.templates(connection)
        used = {rule.template_id: rule.name for rule in rules.rules(connection, on=True)}
    wanted = query.get("template", "")
    known = every.get(pages.number(wanted) or 0)
    found = {"templates": list(every.values()), "used": used, "template": None, "new": new()}
    if known is None and (not wanted.startswith("new") or DRAFTS.of(context, f"text/{wanted}").saved):
        return found
    place = f"text/{known.id if known else wanted}"
    draft = DRAFTS.of(context, place)
    if not draft.fields:
        draft.fields = _fields(known)
    template = _template(draft, known)
    kopecks = page_values.price(context.settings, template.medium, template.kind)
    preview = texts.preview(template.text, template.subject, texts.EXAMPLE, template.medium, kopecks)
    return found | {
        "template": template,
        "place": place,
        "draft": draft,
        "mistakes": template.mistakes() if _is_begun(draft) else [],
        "preview": preview,
        "places": [each for each in texts.PLACES if template.medium in each.media],
    }


def save(context: PageContext, form: Mapping[str, str]) -> str:
    """Save a template, new or changed; all that is wrong stays on the page."""
    if DRAFTS.is_done(context, form):
        return SAVED
    place, draft = form.get("place", ""), DRAFTS.told(context, form)
    with context.store.write() as connection:
        number = pages.number(place.partition("/")[2])
        known = rules.templates(connection, [number]).get(number) if number else None
        _not_changed(known, draft)
        try:
            rules.save_template(connection, _template(draft, known), by=words.who(context), now_ms=context.now_ms)
        except Mistaken as mistaken:
            draft.mistakes = mistaken.mistakes
            raise IdentsyncError(_("Не сохранено: исправьте отмеченное")) from None
    DRAFTS.drop(context, form)
    return SAVED


def switch(context: PageContext, form: Mapping[str, str]) -> str:
    """Switch a template on or off."""
    number = pages.number(form.get("id")) or 0
    with context.store.write() as connection:
        known = rules.templates(connection, [number]).get(number)
        if known is None:
            raise IdentsyncError(_("Такого шаблона нет"))
        on = form.get("on") == "1"
        changed = _template(Draft(_fields(known)), known, on=on)
        rules.save_template(connection, changed, by=words.who(context), now_ms=context.now_ms)
    return _("Шаблон включён") if on else _("Шаблон выключен")


def _not_changed(known: Template | None, draft: Draft) -> None:
    if known is not None and draft.get("seen") != str(known.changed_ms):
        told = f"{_('Пока вы писали, шаблон изменил другой сотрудник')}: {known.changed_by}"
        raise IdentsyncError(told, hint=_("Скопируйте свой текст и откройте шаблон заново."))


def _fields(known: Template | None) -> dict[str, str]:
    if known is None:
        return {}
    values = {"name": known.name, "medium": str(known.medium), "kind": str(known.kind), "subject": known.subject}
    return values | {"text": known.text, "seen": str(known.changed_ms)}


def _template(draft: Draft, known: Template | None, *, on: bool | None = None) -> Template:
    return Template(
        id=known.id if known else 0,
        name=draft.get("name"),
        medium=Medium(draft.get("medium") if draft.get("medium") in words.MEDIA else "sms"),
        kind=Kind.AD if draft.get("kind") == "ad" else Kind.SERVICE,
        text=draft.get("text"),
        subject=draft.get("subject") if draft.get("medium") == "email" else "",
        on=(known.on if known else True) if on is None else on,
        version=known.version if known else 1,
    )


def _is_begun(draft: Draft) -> bool:
    return bool(draft.get("text").strip() or draft.get("name").strip() or draft.mistakes)
