"""Consents: what a patient said, what is written down now, and addresses that want nothing more."""

from collections.abc import Mapping
from typing import Any

from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.errors import IdentsyncError
from identsync.integrations.messaging import consent, page_drafts
from identsync.integrations.messaging import page_words as words
from identsync.integrations.messaging.message import Kind, Medium


def _(text: str) -> str:
    return text


SOURCES = (
    _("бумажное согласие"),
    _("форма на сайте"),
    _("со слов пациента"),
    _("по телефону"),
    _("заявление об отказе"),
)


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the search for a patient, or one patient's words and how he stands; and the stopped addresses."""
    patient_id = pages.number(query.get("patient"))
    name = None if patient_id is None else context.clinic.patient_name(patient_id)
    with context.store.read() as connection:
        said = [] if patient_id is None else consent.history(connection, patient_id)
        stops = consent.stops(connection)
    return {
        "patient": None if name is None else patient_id,
        "name": name,
        "said": said,
        "standing": _standing(said),
        "stops": stops,
        "sources": SOURCES,
        "looked_for": page_drafts.found(context, "find-consents"),
        "zone": pages.zones(context)[0],
    }


def record(context: PageContext, form: Mapping[str, str]) -> str:
    """Write a consent or a refusal down."""
    patient_id = pages.number(form.get("patient"))
    if patient_id is None or context.clinic.patient_name(patient_id) is None:
        raise IdentsyncError(_("Пациент не выбран"))
    if not form.get("source"):
        raise IdentsyncError(_("Укажите, откуда это известно"))
    if form.get("kind") not in set(Kind) or form.get("medium") not in {*Medium, "both"}:
        raise IdentsyncError(_("Укажите, на что и чем"))
    given = form.get("given") == "1"
    media = list(Medium) if form.get("medium") == "both" else [Medium(form["medium"])]
    with context.store.write() as connection:
        for medium in media:
            consent.record(
                connection, patient_id, medium, Kind(form["kind"]), given=given, source=form["source"],
                by=words.who(context), now_ms=context.now_ms, text_version=form.get("version", ""),
            )  # fmt: skip
    return _("Согласие записано") if given else _("Отказ записан")


def lift(context: PageContext, form: Mapping[str, str]) -> str:
    """Write to an address again, because its person asked for that."""
    medium = form.get("medium")
    with context.store.write() as connection:
        if medium not in set(Medium) or not consent.lift(connection, Medium(medium), form.get("address", "")):
            raise IdentsyncError(_("Этого адреса в списке уже нет"))
    return _("На этот адрес снова можно писать")


def _standing(said: list[consent.Word]) -> dict[tuple[str, str], consent.Word]:
    """Return the newest word of each medium and kind: ``said`` has the newest first."""
    newest: dict[tuple[str, str], consent.Word] = {}
    for word in said:
        newest.setdefault((word.medium, word.kind), word)
    return newest
