"""The history: every call, newest first, found by number, patient, employee, days and how it went; its recordings."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, false, or_, select

from identsync.clinic.clock import DAY, to_ms
from identsync.engine import pages
from identsync.engine.integration import PageContext, Role
from identsync.errors import IdentsyncError
from identsync.integrations.telephony import dialing, number, page_callers
from identsync.integrations.telephony import page_words as words
from identsync.integrations.telephony.page_corner import of_branch
from identsync.spans import DAY_MS
from identsync.store.tables import outbox, phone_call, phone_dial

SHOWN = 100
MOST_SHOWN = 2_000
RECENT_MS = 92 * DAY_MS  # what no index helps to find is looked for among calls so old
FEWEST = 3  # digits
DIGITS = 10
RECENT = 2_000  # calls whose employees can be chosen
SEARCHES = 60
EPOCH = date(1970, 1, 1).toordinal()
_c, _o, _d = phone_call.c, outbox.c, phone_dial.c


def _(text: str) -> str:
    return text


KINDS: Mapping[str, tuple[str, Sequence[ColumnElement[bool]]]] = {
    "": (_("Все"), ()),
    "in": (_("Входящие"), (_c.direction == "in",)),
    "missed": (_("Пропущенные"), (_c.direction == "in", _c.state == "missed")),
    "out": (_("Исходящие"), (_c.direction == "out",)),
    "unreached": (_("Не дозвонились"), (_c.direction == "out", _c.state == "missed")),
    "recorded": (_("С записью"), (_c.recordings != "[]",)),
}


@dataclass(slots=True)
class Search:
    """What somebody looks for; in this program's memory, since a number or a surname must not stand in an address."""

    text: str = ""
    digits: str = ""
    found: Sequence[Any] | None = None


class Searches:
    """The searches of everybody who uses this program's console."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, str], Search] = OrderedDict()

    def of(self, context: PageContext) -> Search:
        """Return a person's own."""
        return self._known.get((id(context.store), context.user), Search())

    def keep(self, context: PageContext, search: Search) -> None:
        """Keep what a person looks for; the oldest are forgotten."""
        key = (id(context.store), context.user)
        self._known[key] = search
        self._known.move_to_end(key)
        while len(self._known) > SEARCHES:
            self._known.popitem(last=False)

    def forget(self) -> None:
        """Forget them all."""
        self._known.clear()


LOOKED_FOR = Searches()


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address asks for; numbers and days only, nobody's data."""

    kind: str
    extension: str
    first: int | None
    last: int | None
    patient: int | None
    like: int | None
    call: int | None
    shown: int
    every: bool

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Choice":
        """Read the address; what makes no sense is left out."""
        kind, extension = query.get("kind", ""), query.get("ext", "")
        return cls(
            kind=kind if kind in KINDS else "",
            extension=extension if extension.isascii() and extension.isalnum() and len(extension) <= 40 else "",
            first=_day(query.get("from", "")),
            last=_day(query.get("to", "")),
            patient=pages.number(query.get("patient")),
            like=pages.number(query.get("like")),
            call=pages.number(query.get("call")),
            shown=min(max(pages.number(query.get("show")) or SHOWN, 1), MOST_SHOWN),
            every=query.get("all") == "1",
        )

    def is_slow(self, search: Search) -> bool:
        """Tell whether calls must be read one by one, and no first day says how many."""
        one_by_one = self.extension or self.kind == "recorded" or 0 < len(search.digits) < DIGITS
        return bool(one_by_one) and self.first is None and self.patient is None and self.like is None

    @property
    def written(self) -> tuple[str, str]:
        """The days as fields of the form have them."""
        return _written(self.first), _written(self.last)


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return rows, filters, clicks that became no call, one call in detail with its recordings."""
    choice, zones, search = Choice.of(query), pages.zones(context, context.branch), LOOKED_FOR.of(context)
    with context.store.read() as connection:
        where = _where(connection, context, choice, search, zones[0])
        asked = select(phone_call).where(*where).order_by(_c.start_ms.desc(), _c.id.desc()).limit(choice.shown + 1)
        found = connection.execute(asked).all()
        one = None if choice.call is None else _one(connection, choice.call, zones)
        clicks = _clicks(connection, context)
        people_at_phones = _employees(connection)
    rows = [_shown(row, zones) for row in found[: choice.shown]]
    asked_for = [row["patient_id"] for row in rows] + [one["patient_id"] if one else None, choice.patient]
    people, silent = pages.names(context, asked_for)
    return {
        "choice": choice,
        "kinds": [(name, title) for name, (title, _where) in KINDS.items()],
        "search": search,
        "rows": rows,
        "more": choice.shown * 4 if len(found) > choice.shown < MOST_SHOWN else None,
        "people": people,
        "silent": silent,
        "at_phones": people_at_phones,
        "clicks": clicks,
        "one": one and one | page_callers.of(context, one, zones),
        "recent_only": choice.is_slow(search),
        "may_listen": context.role is not Role.DOCTOR,
    }


# -- what people do ---------------------------------------------------------------------------------------------------


def search(context: PageContext, form: Mapping[str, str]) -> None:
    """Look for a number by its last digits, or for a patient by his name; nothing ends the search."""
    text = form.get("q", "").strip()[:100]
    digits = "".join(character for character in text if character in "0123456789")
    if len(digits) >= FEWEST and not any(character.isalpha() for character in text):
        LOOKED_FOR.keep(context, Search(text, digits[-10:]))
        return
    found = context.clinic.find_patients(text) if len(text) > 1 else None
    LOOKED_FOR.keep(context, Search(text, "", found))


# -- what is read -----------------------------------------------------------------------------------------------------


def _where(
    connection: Connection, context: PageContext, choice: Choice, search: Search, zone: str
) -> list[ColumnElement[bool]]:  # fmt: skip
    found: list[ColumnElement[bool]] = [_c.same_as.is_(None), *KINDS[choice.kind][1]]
    if not choice.every:
        found += of_branch(context, _c.branch_id)
    if choice.extension:
        found.append(_c.extension == choice.extension)
    if choice.is_slow(search):
        found.append(_c.start_ms >= context.now_ms - RECENT_MS)
    if choice.first is not None:
        found.append(_c.start_ms >= to_ms(zone, choice.first * DAY))
    if choice.last is not None:
        found.append(_c.start_ms < to_ms(zone, (choice.last + 1) * DAY))
    if choice.like is not None:
        key = connection.execute(select(_c.phone_key).where(_c.id == choice.like)).scalar()
        found.append(_c.phone_key == key if key else false())
    if choice.patient is not None:
        found.append(_of_patient(context, choice.patient))
    elif search.digits and choice.like is None:
        whole = len(search.digits) == DIGITS
        found.append(_c.phone_key == search.digits if whole else _c.phone_key.like(f"%{search.digits}"))
    return found


def _of_patient(context: PageContext, patient_id: int) -> ColumnElement[bool]:
    """Return what is true of a patient's calls: those known to be his, and all of his number, a family's too."""
    try:
        patient = context.clinic.patients([patient_id]).get(patient_id)
    except IdentsyncError:
        patient = None
    key = number.read(patient.phone or "").key if patient is not None else None
    his = _c.patient_id == patient_id
    return or_(his, _c.phone_key == key) if key else his


def _shown(row: Any, zones: Mapping[int, str]) -> dict[str, Any]:
    known = dict(row._mapping)
    talked = row.ended_ms - row.answered_ms if row.answered_ms and row.ended_ms else None
    return known | {
        "shown": words.state_of(row),
        "zone": zones.get(row.branch_id, zones[0]),
        "talked_ms": talked,
        "waited_ms": max((row.answered_ms or row.ended_ms or row.start_ms) - row.start_ms, 0),
        "records": len(orjson.loads(row.recordings)),
        "rings": words.employees(row.rang),
        "talks": words.employees(row.talked),
    }


def _one(connection: Connection, call_id: int, zones: Mapping[int, str]) -> dict[str, Any] | None:
    row = connection.execute(select(phone_call).where(_c.id == call_id)).first()
    if row is None:
        return None
    shown = _shown(row, zones)
    return shown | page_callers.known(connection, shown) | {"from_ad": orjson.loads(row.utm)}


def _clicks(connection: Connection, context: PageContext) -> list[dict[str, Any]]:
    """Return the clicks of the last day that became no call, or of which nobody knows."""
    recent = _o.made_ms >= context.now_ms - DAY_MS, _o.state.in_(("failed", "expired", "skipped", "unknown"))
    seen = select(_c.id).where(_c.token == _o.token).exists()
    columns = _o.id, _o.state, _o.reason, _o.made_ms, _d.e164, _d.made_by, _d.extension
    asked = select(*columns).join(phone_dial, _d.outbox_id == _o.id).where(*recent, ~seen)
    rows = connection.execute(asked.order_by(_o.id.desc()).limit(20))
    return [dict(row._mapping) | {"said": dialing.words(row.state, row.reason, None)} for row in rows]


def _employees(connection: Connection) -> list[tuple[str, str]]:
    """Return extensions and names of who talked lately."""
    newest = select(_c.extension, _c.employee).where(_c.extension.is_not(None)).order_by(_c.start_ms.desc())
    newest = newest.limit(RECENT)
    some = newest.subquery()
    found = {row.extension: row.employee or "" for row in connection.execute(select(some).distinct())}
    return sorted(found.items())


def _written(day: int | None) -> str:
    return "" if day is None else date.fromordinal(day + EPOCH).isoformat()


def _day(text: str) -> int | None:
    try:
        return date.fromisoformat(text).toordinal() - EPOCH if len(text) == 10 else None
    except ValueError:
        return None
