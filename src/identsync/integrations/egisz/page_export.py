"""What support is given of one case: its state, what it lacks, every exchange, without token and people."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from identsync import __version__
from identsync.engine import pages
from identsync.engine.integration import Answer, PageContext
from identsync.errors import IdentsyncError
from identsync.integrations.egisz.exchange import PERSON
from identsync.integrations.egisz.kept import complaints_of, missing_of
from identsync.integrations.egisz.wire import masking
from identsync.store.tables import egisz_contract, egisz_exchange, egisz_item

RULE = "=" * 78


def _(text: str) -> str:
    return text


def export(context: PageContext, query: Mapping[str, str]) -> Answer:
    """Answer with a text file of one row and all its exchanges as they are kept: masked."""
    item = pages.number(query.get("item"))
    i, e, c = egisz_item.c, egisz_exchange.c, egisz_contract.c
    with context.store.read() as connection:
        row = connection.execute(select(egisz_item).where(i.id == item)).first()
        if row is None:
            raise IdentsyncError(_("Этой записи больше нет"), hint=_("Обновите страницу."))
        every = connection.execute(select(egisz_exchange).where(e.item_id == row.id).order_by(e.id)).all()
        asked = select(c.service, c.hash, c.version, c.drift).where(c.organisation == row.organisation)
        contracts = connection.execute(asked.order_by(c.service)).all()
    text = "\n".join([*_head(row, contracts, context.now_ms), *_exchanges(every)])
    text = masking.Secrets(None, _about(context, row.patient_id)).out_of(text)
    return Answer(f"{text}\n".encode(), "text/plain; charset=utf-8", file=f"egisz-{row.what}-{row.id}.txt")


def _about(context: PageContext, patient: int) -> Iterator[str]:
    """Yield who the row is about: of what N3 said by itself, nothing of him may be told either."""
    try:
        found = context.clinic.patients({patient}).values()
    except IdentsyncError:
        return
    for one in found:
        yield from (one.surname, one.name, one.patronymic, one.phone or "")


def _head(row: Any, contracts: Any, now_ms: int) -> Iterator[str]:
    """Say what the row is; its people are numbers of nobody's: N3 knows the case by its own id."""
    yield f"identsync {__version__}, {_moment(now_ms)}"
    yield f"organisation: {row.organisation}"
    yield f"{row.what}: {row.own_id}"
    yield f"state: {row.state}, attempts: {row.attempts}, changed: {_moment(row.changed_ms)}"
    yield f"digest wanted, sent, tried: {row.wanted}, {row.sent}, {row.tried}"
    yield f"taken: {_moment(row.taken_ms)}, number: {row.number or '-'}"
    for each in contracts:
        yield f"contract {each.service}: version {each.version or '-'}, sha256 {each.hash}, drift: {each.drift or '-'}"
    for line in missing_of(row.missing):
        yield f"missing: {line.rule} {dict(line.fields) or ''}".rstrip()
    for complaint in complaints_of(row.complaints):
        yield f"complaint: {complaint.code} {complaint.field}: {complaint.words}"


def _exchanges(every: Any) -> Iterator[str]:
    for each in every:
        yield RULE
        # Who decided is nothing that support needs.
        told = "" if each.fate == PERSON else f", {each.took_ms} ms: {each.words}".rstrip(": ")
        yield f"{_moment(each.at_ms)} {each.operation}: {each.fate}{told}"
        if each.fate != PERSON:
            yield from ("", each.request, "", each.answer)


def _moment(ms: int | None) -> str:
    return "-" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
