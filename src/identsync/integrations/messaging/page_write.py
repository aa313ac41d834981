"""Writing one message: to whom, by which medium, what it would be and cost, now or later, with a file or without."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from identsync.clinic.clock import minute_now, to_ms
from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.errors import IdentsyncError
from identsync.integrations.messaging import consent, page_drafts, page_values, quiet, reasons, rules, single
from identsync.integrations.messaging import page_words as words
from identsync.integrations.messaging import template as texts
from identsync.integrations.messaging.message import Kind, Medium
from identsync.integrations.messaging.page_drafts import DRAFTS, Draft
from identsync.integrations.messaging.reach import reach as reached
from identsync.integrations.messaging.rules import Mistaken

AHEAD_DAYS = 60
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock has no offset


def _(text: str) -> str:
    return text


QUEUED = _("Сообщение поставлено в очередь: что с ним, видно в журнале")
SOURCES = (_("со слов пациента, с паспортом"), _("бумажное согласие"), _("ответил с этого адреса"))


@dataclass(frozen=True, slots=True)
class Reach:
    """How a patient is reached by a medium: the address, or why not; whether it is known to be his own."""

    address: str
    objection: str
    confirmed: bool = True


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the search for a patient, or what is being written to one and what it would be."""
    patient_id = pages.number(query.get("patient"))
    patient = None if patient_id is None else context.clinic.patients([patient_id]).get(patient_id)
    if patient is None:
        return {"patient": None, "looked_for": page_drafts.found(context, "find")}
    place = f"write/{patient_id}"
    draft = DRAFTS.of(context, place)
    media = _media(context.settings)
    medium = Medium(_one_of(draft.get("medium"), query.get("medium", ""), media))
    zone = pages.zones(context).get(patient.branch_id or 0) or pages.zones(context)[0]
    with context.store.read() as connection:
        every = rules.templates(connection).values()
        policy = quiet.policy(connection, patient.branch_id or 0)
        reaches = {name: _reach(connection, patient, Medium(name), Kind(_kind(draft)), policy) for name in Medium}
    plain = _plain(draft.get("text")), _plain(draft.get("subject"))
    return {
        "patient": patient,
        "name": pages.full_name(patient),
        "place": place,
        "draft": draft,
        "media_there": media,
        "medium": str(medium),
        "kind": _kind(draft),
        "templates": [each for each in every if each.on and each.medium is medium],
        "reaches": reaches,
        "reach": reaches[medium],
        "preview": texts.preview(*plain, {}, medium, page_values.price(context.settings, medium, Kind(_kind(draft)))),
        "zone": zone,
        "quiet_until": _quiet_until(zone, context.now_ms, policy),
        "sources": SOURCES,
        "is_plan": bool(draft.files) and medium is Medium.EMAIL,
    }


# -- what people do ---------------------------------------------------------------------------------------------------


def tell(context: PageContext, form: Mapping[str, str]) -> None:
    """Take what is being typed; a template that was just chosen fills the text with the patient's own data."""
    before = DRAFTS.of(context, form.get("place", "")).get("template")
    draft = DRAFTS.told(context, form)
    chosen = pages.number(draft.get("template"))
    if not draft.get("text").strip() and chosen is None:
        draft.fields["kind"] = str(Kind.SERVICE)
    if chosen is None or draft.get("template") == before:
        return
    patient_id = _patient_of(form)
    with context.store.read() as connection:
        template = rules.templates(connection, [chosen]).get(chosen)
    if template is not None:
        values = page_values.of_patient(context, patient_id, template.text + template.subject)
        subject = texts.render(template.subject, values)
        draft.fill(text=texts.render(template.text, values), subject=subject, kind=str(template.kind))


def send(context: PageContext, form: Mapping[str, str]) -> str:
    """Plan the message, once however often the button is pressed; says all that is wrong and keeps the draft."""
    if DRAFTS.is_done(context, form):
        DRAFTS.drop(context, form)  # what that page has told of its fields since
        return QUEUED
    draft, patient_id = DRAFTS.told(context, form), _patient_of(form)
    patient = context.clinic.patients([patient_id]).get(patient_id)
    if patient is None:
        raise IdentsyncError(reasons.GONE)
    letter = _letter(context, draft, patient)
    with context.store.write() as connection:
        policy = quiet.policy(connection, patient.branch_id or 0)
        reach = _reach(connection, patient, letter.medium, letter.kind, policy)
        if reach.objection:
            raise IdentsyncError(reach.objection)
        if letter.purpose == "plan" and not reach.confirmed:
            raise IdentsyncError(
                reasons.NOT_CONFIRMED, hint=_("План лечения уходит только на адрес, который точно его.")
            )
        try:
            single.send(connection, letter, by=words.who(context), now_ms=context.now_ms)
        except Mistaken as mistaken:
            draft.mistakes = mistaken.mistakes
            raise IdentsyncError(_("Не отправлено: исправьте отмеченное")) from None
    DRAFTS.drop(context, form)
    return QUEUED


def confirm(context: PageContext, form: Mapping[str, str]) -> str:
    """Write down that a patient's e-mail address is his own."""
    patient_id = _patient_of(form)
    patient = context.clinic.patients([patient_id]).get(patient_id)
    if patient is None or not patient.email:
        raise IdentsyncError(reasons.NO_EMAIL)
    with context.store.write() as connection:
        consent.confirm(
            connection,
            patient_id,
            patient.email,
            source=form.get("source", ""),
            by=words.who(context),
            now_ms=context.now_ms,
        )
    return _("Адрес подтверждён")


def _letter(context: PageContext, draft: Draft, patient: Any) -> single.Letter:
    medium = Medium(_one_of(draft.get("medium"), "", _media(context.settings)))
    zone = pages.zones(context).get(patient.branch_id or 0) or pages.zones(context)[0]
    files = tuple(draft.files) if medium is Medium.EMAIL else ()
    return single.Letter(
        token=draft.token,
        medium=medium,
        text=draft.get("text"),
        subject=draft.get("subject") if medium is Medium.EMAIL else "",
        patient_id=patient.id,
        branch_id=patient.branch_id,
        kind=Kind(_kind(draft)),
        purpose="plan" if files else "single",
        urgent=draft.get("urgent") == "on",
        files=files,
        due_ms=_due(draft.get("at"), zone, context.now_ms),
    )


def _due(text: str, zone: str, now_ms: int) -> int:
    """Read the wall clock's moment of the form ('2026-11-28T14:30'), 0 = at once."""
    if not text:
        return 0
    try:
        minute = int((datetime.fromisoformat(text[:16]) - EPOCH).total_seconds()) // 60
    except (ValueError, TypeError):
        raise IdentsyncError(_("Такого времени нет")) from None
    if not 0 <= minute - minute_now(zone, now_ms) <= AHEAD_DAYS * 1440:
        raise IdentsyncError(_("Время должно быть впереди, не дальше двух месяцев"))
    return to_ms(zone, minute)


def _reach(connection: Connection, patient: Any, medium: Medium, kind: Kind, policy: quiet.Policy) -> Reach:
    address, why = reached(medium, patient.phone, patient.email)
    if why:
        return Reach(address, why)
    plain = consent.normal(medium, address)
    standing = consent.standing(connection, medium, [patient.id], [plain])
    objection = standing.objection(patient.id, plain, kind, service_consent=policy.service_consent)
    return Reach(address, objection, medium is Medium.SMS or standing.is_confirmed(patient.id, address))


def _quiet_until(zone: str, now_ms: int, policy: quiet.Policy) -> int | None:
    until = quiet.permitted(zone, now_ms, policy)
    return until if until > now_ms else None


def _media(settings: Mapping[str, Any] | None) -> list[str]:
    there = {channel.medium for channel in (settings or {}).values()}
    return [medium for medium in words.MEDIA if medium in there] or ["sms"]


def _one_of(wanted: str, otherwise: str, known: Sequence[str]) -> str:
    return next((each for each in (wanted, otherwise) if each in known), known[0])


def _kind(draft: Draft) -> str:
    return str(Kind.AD if draft.get("kind") == "ad" else Kind.SERVICE)


def _plain(text: str) -> str:
    """A person's text goes out as written: its braces are no places."""
    return text.replace("{", "{{").replace("}", "}}")


def _patient_of(form: Mapping[str, str]) -> int:
    number = pages.number(form.get("place", "").partition("/")[2])
    if number is None:
        raise IdentsyncError(_("Пациент не выбран"))
    return number
