"""One row of the register in detail: who, what is missing and where to mend it, what N3 said, every exchange."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from identsync.integrations.egisz import page_fields, page_lacks
from identsync.integrations.egisz import page_words as words
from identsync.integrations.egisz.deadline import is_unsent
from identsync.integrations.egisz.exchange import PERSON
from identsync.integrations.egisz.kept import complaints_of, missing_of
from identsync.store.tables import egisz_exchange, egisz_item

EXCHANGES = 20
"""Exchanges shown of a row, the newest first; the export has all."""
LACKING = ("missing", "signing")


def one(connection: Connection, item: int) -> dict[str, Any] | None:
    """Return a row with its exchanges; None where there is none."""
    i, e = egisz_item.c, egisz_exchange.c
    row = connection.execute(select(egisz_item).where(i.id == item)).first()
    if row is None:
        return None
    asked = select(egisz_exchange).where(e.item_id == item).order_by(e.id.desc()).limit(EXCHANGES + 1)
    found = [dict(each._mapping) for each in connection.execute(asked)]
    # A case waits for its patient's card: what N3 said of that belongs here, too.
    card = select(i.id, i.state, i.complaints).where(
        i.organisation == row.organisation, i.what == "patient", i.patient_id == row.patient_id, i.id != item
    )
    return {"row": row, "exchanges": found, "card": connection.execute(card.limit(1)).first()}


def shown(detail: Mapping[str, Any], clinic: words.Clinic, before: Mapping[str, int]) -> dict[str, Any]:
    """Return a row as its pane shows it."""
    row, card = detail["row"], detail["card"]
    return dict(row._mapping) | {
        "shown": words.state_of(row.what, row.state, row.number),
        "zone": clinic.zone(row.branch_id),
        "lines": lines_of(row),
        "said": list(page_fields.told(complaints_of(row.complaints))),
        "late": is_late(row, before),
        "exchanges": [_exchange(each) for each in detail["exchanges"][:EXCHANGES]],
        "is_cut": len(detail["exchanges"]) > EXCHANGES,
        "card": card
        and {
            "id": card.id,
            "shown": words.state_of("patient", card.state, None),
            "said": list(page_fields.told(complaints_of(card.complaints))),
        },
        "doubt": row.state == "taken" and _by_person(detail["exchanges"]),
    }


def lines_of(row: Any) -> list[dict[str, Any]]:
    """Return what a row lacks, where that is what it waits for."""
    return [page_lacks.told(line, row) for line in missing_of(row.missing)] if row.state in LACKING else []


def is_late(row: Any, before: Mapping[str, int]) -> bool:
    """Tell whether a row should be with N3 by now and is not."""
    return is_unsent(row) and bool(row.at_ms < before.get(row.organisation, 0))


def _by_person(exchanges: list[dict[str, Any]]) -> bool:
    """Tell whether the newest word on what became of it is a person's, not N3's."""
    newest = next((each for each in exchanges if each["operation"] != "number"), None)
    return newest is not None and newest["fate"] == PERSON and newest["operation"] == "arrived"


def _exchange(row: dict[str, Any]) -> dict[str, Any]:
    kind, title = words.FATES.get(row["fate"], ("idle", row["fate"]))
    by_person = row["fate"] == PERSON
    by, _colon, rest = row["words"].partition(": ") if by_person else ("", "", row["words"])
    said = {"decision": words.DECISIONS.get(row["operation"], row["operation"]), "by": by, "told": rest}
    asked = words.OPERATIONS.get(row["operation"], "")
    return row | {"kind": kind, "title": title, "asked": asked, "by_person": by_person, **said}
