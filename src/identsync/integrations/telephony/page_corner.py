"""The corner: who is calling, on every page of every console, before the receiver is lifted."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.errors import AskPerson
from identsync.integrations.telephony import dialing, links, page_callers, page_dial
from identsync.integrations.telephony import missed as worklist
from identsync.integrations.telephony import page_words as words
from identsync.integrations.telephony.books import PULSE
from identsync.integrations.telephony.dialing import Seat
from identsync.spans import HOUR_MS
from identsync.store.tables import outbox, phone_call, phone_dial

RING_MS = 10 * 60_000  # what rings longer is a PBX that forgot to say that it is over
TALK_MS = 4 * HOUR_MS
OVER_MS = 10_000  # so long a call that is over can still be seen
UNKNOWN_MS = 300_000  # so long a click whose end nobody knows asks to look at the PBX
ORDER_MS = 90_000  # so long an order waits for its call
CARDS = 3
READ = 40
DESKS = 60
_c, _o, _d = phone_call.c, outbox.c, phone_dial.c


def _(text: str) -> str:
    return text


@dataclass(slots=True)
class Glance:
    """What a person has done to his corner: calls hidden, and whom he looks for by which call."""

    hidden: OrderedDict[str, None] = field(default_factory=OrderedDict)
    call: int | None = None
    wanted: str = ""
    found: Sequence[Any] | None = None


class Glances:
    """The corners of everybody who uses this program's console; kept in memory, since surnames are in them."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, str], Glance] = OrderedDict()

    def of(self, context: PageContext) -> Glance:
        """Return a person's own."""
        key = (id(context.store), context.user)
        glance = self._known.setdefault(key, Glance())
        self._known.move_to_end(key)
        while len(self._known) > DESKS:
            self._known.popitem(last=False)
        return glance

    def forget(self) -> None:
        """Forget them all."""
        self._known.clear()


GLANCES = Glances()


def pulses(context: PageContext) -> list[str]:
    """Return what beats when something of the corner changes."""
    return [PULSE, worklist.PULSE, *(dialing.pulse_of(name) for name in context.settings or {})]


def view(context: PageContext, _query: Mapping[str, str]) -> dict[str, Any]:
    """Return the cards: our own calls and those that ring, at most three; the rest in one line."""
    glance, zones = GLANCES.of(context), pages.zones(context, context.branch)
    with context.store.read() as connection:
        frame = page_dial.frame(connection, context)
        orders = _orders(connection, context)
        calls = _calls(connection, context, {order["token"] for order in orders})
        cards, talks = _sorted([*orders, *calls], frame["seat"])
        hidden = [card for card in cards if card["name"] in glance.hidden]
        cards = [card for card in cards if card["name"] not in glance.hidden]
        cards = _foremost(cards)
        told = [_told(connection, context, card, zones) for card in cards[:CARDS]]
    shown = [card | page_callers.of(context, card, zones) for card in told]
    people, _silent = pages.names(context, [each["patient_id"] for each in [*cards[CARDS:], *talks]])
    return frame | {
        "cards": shown,
        "more": cards[CARDS:],
        "talks": talks,
        "hidden": hidden,
        "people": people,
        "glance": glance,
        "titles": pages.titles(context.settings),
    }


# -- what people do ---------------------------------------------------------------------------------------------------


def hide(context: PageContext, form: Mapping[str, str]) -> None:
    """Hide a card on this desk."""
    glance = GLANCES.of(context)
    glance.hidden[form.get("name", "")[:40]] = None
    glance.call = None
    while len(glance.hidden) > READ:
        glance.hidden.popitem(last=False)


def show(context: PageContext, _form: Mapping[str, str]) -> None:
    """Show again what was hidden."""
    GLANCES.of(context).hidden.clear()


def find(context: PageContext, form: Mapping[str, str]) -> None:
    """Look for the patient whose number it is; an empty search ends it."""
    glance, wanted = GLANCES.of(context), form.get("q", "").strip()
    glance.call = pages.number(form.get("call"))
    glance.wanted = wanted
    glance.found = context.clinic.find_patients(wanted, 6) if wanted else None
    if "stop" in form:
        glance.call, glance.found = None, None


def link(context: PageContext, form: Mapping[str, str]) -> str:
    """Say that the number of a call is a patient's."""
    patient = pages.number(form.get("patient"))
    if patient is None:
        raise AskPerson(_("Пациент не выбран"))
    with context.store.write() as connection:
        call = _call(connection, form)
        if call.phone_key is None:
            raise AskPerson(_("Номер скрыт: связать его не с чем"))
        links.link(connection, call.phone_key, patient, words.who(context), context.now_ms)
    GLANCES.of(context).call = None
    return _("Номер связан с пациентом")


def unlink(context: PageContext, form: Mapping[str, str]) -> str:
    """Take back that a number is a patient's."""
    with context.store.read() as connection:
        key = _call(connection, form).phone_key
    found: Sequence[int] = context.clinic.patients_by_phone([key]).get(key, ()) if key else ()
    with context.store.write() as connection:
        if key:
            links.unlink(connection, key, found[0] if len(found) == 1 else None, context.now_ms)
    return _("Номер больше не связан с этим пациентом")


def make_lead(context: PageContext, form: Mapping[str, str]) -> str:
    """Make a lead of a call."""
    with context.store.write() as connection:
        links.make_lead(connection, _call(connection, form), words.who(context), context.now_ms)
    return _("Заявка создана, она в работе у вас")


def _call(connection: Connection, form: Mapping[str, str]) -> Any:
    wanted = pages.number(form.get("call"))
    row = connection.execute(select(phone_call).where(_c.id == (wanted or 0))).first()
    if row is None:
        raise AskPerson(_("Такого звонка нет"))
    return row


# -- what is read -----------------------------------------------------------------------------------------------------


def of_branch(context: PageContext, column: ColumnElement[int]) -> list[ColumnElement[bool]]:
    """Return what is true of rows of this console's branch and of the whole network."""
    return [] if context.branch is None else [column.in_((0, context.branch))]


def _calls(connection: Connection, context: PageContext, ours: set[str | None]) -> list[dict[str, Any]]:
    """Return the calls that go on, and those that ended a moment ago, the oldest first."""
    now = context.now_ms
    # by when it was first told of, by our own clock: what a PBX calls its beginning may be hours off
    ringing = (_c.state == "ringing") & (_c.seen_ms >= now - RING_MS), _c.start_ms
    talking = (_c.state == "talking") & (_c.seen_ms >= now - TALK_MS), _c.start_ms
    over = _c.changed_ms >= now - OVER_MS, _c.changed_ms  # by its index: a state would have all calls read
    busy = _c.id == (GLANCES.of(context).call or 0), _c.id  # whose number it is is being looked for
    found: dict[int, Any] = {}
    for where, order in (ringing, talking, over, busy):
        asked = select(phone_call).where(where, _c.same_as.is_(None), *of_branch(context, _c.branch_id))
        rows = connection.execute(asked.order_by(order.desc()).limit(READ)).all()
        found |= {row.id: row for row in rows if order is not _c.changed_ms or (row.ended_ms or 0) >= now - OVER_MS}
    rows = [row for row in found.values() if not row.token or row.token not in ours]
    rows.sort(key=lambda row: (row.start_ms, row.id))
    return [dict(row._mapping) | {"name": f"call-{row.id}", "order": None} for row in rows]


def _orders(connection: Connection, context: PageContext) -> list[dict[str, Any]]:
    """Return this desk's own clicks that are on their way, or ended a moment ago, with their calls."""
    mine = _d.made_by == words.who(context)[:100], _o.made_ms >= context.now_ms - TALK_MS
    columns = _o.id, _o.state, _o.reason, _o.token, _o.made_ms, _o.changed_ms, _d.line, _d.extension, _d.e164
    asked = select(*columns, _d.patient_id, _d.missed_id).join(phone_dial, _d.outbox_id == _o.id).where(*mine)
    rows = connection.execute(asked.order_by(_o.id.desc()).limit(4)).all()
    calls = _of_tokens(connection, [row.token for row in rows if row.token])
    orders = [_order(row, calls.get(row.token)) for row in reversed(rows)]
    return [order for order in orders if _is_news(order, context.now_ms)]


def _of_tokens(connection: Connection, tokens: Sequence[str]) -> dict[str, Any]:
    if not tokens:  # PostgreSQL would look for an empty list in all calls
        return {}
    return {row.token: row for row in connection.execute(select(phone_call).where(_c.token.in_(tokens)))}


def _order(row: Any, call: Any) -> dict[str, Any]:
    known = dict(call._mapping) if call is not None else {}
    state = known.get("state", "ringing")
    blank = {
        "id": None, "direction": "out", "state": state, "reason": "", "phone": row.e164, "phone_key": row.e164[-10:],
        "start_ms": row.made_ms, "answered_ms": None, "ended_ms": None, "rang": "[]", "talked": "[]",
        "extension": row.extension, "employee": None, "branch_id": 0, "utm": "{}", "patients": 0,
        "changed_ms": row.changed_ms, "recordings": "[]",
    }  # fmt: skip
    own = {"name": f"dial-{row.id}", "order": row, "e164": row.e164, "line": row.line, "token": row.token}
    own["patient_id"] = known.get("patient_id") or row.patient_id
    own["said"] = dialing.words(row.state, row.reason, known.get("state"))
    return blank | known | own


def _is_news(order: Mapping[str, Any], now_ms: int) -> bool:
    row = order["order"]
    if row.state == "unknown":
        return bool(row.changed_ms >= now_ms - UNKNOWN_MS)
    if order["ended_ms"] is not None or row.state not in ("planned", "submitting", "accepted"):
        return bool(max(row.changed_ms, order["ended_ms"] or 0) >= now_ms - 2 * OVER_MS)
    return order["id"] is not None or bool(row.changed_ms >= now_ms - ORDER_MS)


def _sorted(rows: Sequence[dict[str, Any]], seat: Seat | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what gets a card, and talks of other people, which get a line together."""
    cards, talks = [], []
    for row in rows:
        mine = seat is not None and row["line"] == seat.line and _has(row, seat.extension)
        if row["order"] is not None:
            cards.append(row | {"mine": True})
        elif row["direction"] == "in" and (row["state"] in ("ringing", "missed") or mine or seat is None):
            cards.append(row | {"mine": mine})
        elif row["state"] in ("ringing", "talking") and mine:
            cards.append(row | {"mine": True})
        elif row["state"] == "talking":
            talks.append(row)
    return cards, talks


def _foremost(cards: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return first the cards that matter most, those in their old order: what rings is never hidden by what is over."""
    ranks = {"ringing": 0, "talking": 1}
    first = sorted(cards, key=lambda card: 0 if card["order"] is not None else ranks.get(card["state"], 2))[:CARDS]
    names = {card["name"] for card in first}
    return [card for card in cards if card["name"] in names] + [card for card in cards if card["name"] not in names]


def _has(row: Mapping[str, Any], extension: str) -> bool:
    """Tell whether that phone talks; of a call that nobody has taken, whether it rings."""
    told = words.employees(row["talked"]) or words.employees(row["rang"])
    return extension in {each for each, _name in told} or row["extension"] == extension


def _told(
    connection: Connection, context: PageContext, card: dict[str, Any], zones: Mapping[int, str]
) -> dict[str, Any]:  # fmt: skip
    """Add to a card what the engine knows of its number."""
    over = card["ended_ms"] is not None or (card["order"] is not None and card["order"].state in _ENDED)
    until = max(card["changed_ms"], card["order"].changed_ms if card["order"] else 0) + OVER_MS
    busy = card["id"] is not None and GLANCES.of(context).call == card["id"]
    return (
        card
        | page_callers.known(connection, card)
        | {
            "shown": words.STATES[card["direction"], card["state"]],
            "over": over,
            "until": until if over and not busy else None,
            "zone": zones.get(card["branch_id"], zones[0]),
            "rings": words.employees(card["rang"]),
            "rings_at": words.staff(words.employees(card["rang"])),
            "talks": words.employees(card["talked"]),
        }
    )


_ENDED = ("delivered", "failed", "expired", "skipped", "cancelled")
