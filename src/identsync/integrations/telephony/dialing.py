"""Click-to-call: an order is a row of the outbox, committed before the PBX hears of it, never dialled again by itself.

One click is one call: the page's ``nonce`` is its business key, so that a double click is one order; and a phone whose
last order is still on its way takes no second one.
"""

import hashlib
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, update

from identsync.errors import AskPerson, Limited, Unavailable
from identsync.flows import outbox as flow
from identsync.flows.outbox import Draft, Ready, Row, Skip
from identsync.flows.outbox_book import token, written
from identsync.flows.sending import NotTaken, Refused, Verdict
from identsync.integrations.telephony import missed, number
from identsync.integrations.telephony.books import GOING_ON, PULSE, stream_of
from identsync.integrations.telephony.call import Command, Exchange, State
from identsync.spans import HOUR_MS
from identsync.store import pulse
from identsync.store.tables import outbox, phone_call, phone_dial, phone_seat

if TYPE_CHECKING:
    from identsync.engine.run import Run
    from identsync.integrations.telephony.settings import Line

GOOD_MS = 20_000  # a click that nobody could dial so long is no longer what the person wants
BUSY_MS = 60_000  # so long an order without a call of its own keeps its phone taken
_o, _c = outbox.c, phone_call.c


def _(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class Seat:
    """A phone inside the clinic: the PBX it belongs to, its extension."""

    line: str
    extension: str


def desk_name(user: str) -> str:
    """Return who works at this console, as others read it: two desks of one name are told apart by their computers."""
    computer = socket.gethostname()[:60]
    return f"{user[:39]} ({computer})"[:100] if user else computer


def pulse_of(line: str) -> str:
    """Return the name of the beat that a line's orders ring."""
    return f"dial/{line}"


def order(
    connection: Connection, settings: Mapping[str, "Line"], seat: Seat, to: str, nonce: str, by: str, now_ms: int, *,
    patient_id: int | None = None, missed_id: int | None = None,
) -> int:  # fmt: skip
    """Order a call from the phone of ``seat`` to the number ``to``; give the outbox's number, the same for one nonce.

    Takes the missed call ``missed_id`` for ``by``, and raises missed.Changed where it is another's. Raises AskPerson
    where the number cannot be called or the phone is already calling.
    """
    line = settings.get(seat.line)
    e164 = number.read(to, line.area).e164 if line is not None else None
    if line is None or not seat.extension.isascii() or not seat.extension.isalnum():
        raise AskPerson(_("Неизвестно, с какого телефона звонить"), hint=_("Укажите свой телефон на странице."))
    if e164 is None:
        raise AskPerson(_("По этому номеру позвонить нельзя"), hint=_("Он скрыт или записан с ошибкой."))
    stream, key = stream_of(seat.line), hashlib.sha256(nonce.encode("utf-8", "surrogatepass")).hexdigest()
    if missed_id is not None:
        missed.take(connection, missed_id, by, now_ms)
    _hold(connection, seat)
    if _is_busy(connection, stream, seat, key, now_ms):
        raise AskPerson(_("С этого телефона уже звонят"), hint=_("Договорите или положите трубку."))
    draft = Draft(key=key, due_ms=now_ms, until_ms=now_ms + GOOD_MS, rank=0, address=e164)
    made = flow.plan(connection, stream, line.branch, [draft], now_ms)
    if key not in made:
        return written(connection, stream, [key])[key]
    values = {"outbox_id": made[key], "line": seat.line, "extension": seat.extension[:40], "e164": e164}
    values |= {"patient_id": patient_id, "missed_id": missed_id, "made_by": by[:100]}
    connection.execute(insert(phone_dial).values(values))
    pulse.ring(connection, pulse_of(seat.line))
    return made[key]


def words(state: str, reason: str | None, call_state: str | None) -> str:
    """Say in words where an order is: the outbox's state and reason, and the state of its call if it has one."""
    if call_state == State.TALKING:
        return _("говорите")
    if state in _STATES:
        return _STATES[state]
    if state in ("failed", "skipped", "expired"):
        return reason or _("звонок не состоялся")
    return _("звоним пациенту")


_STATES = {
    "planned": _("передаём АТС"),
    "submitting": _("звонит ваш телефон: снимите трубку"),
    "delivered": _("поговорили"),
    "unknown": _("неизвестно, состоялся ли звонок: посмотрите на АТС"),
    "cancelled": _("отменено"),
}


class Dialler:
    """A line as the outbox sees it: every order is tried once."""

    look, batch, window = 4, 1, 4

    def __init__(self, run: "Run", name: str, pbx: Exchange) -> None:
        self._run = run
        self._name = name
        self._pbx = pbx

    async def prepare(self, rows: Sequence[Row]) -> list[Ready[Command] | Skip]:
        """Read the orders of these rows."""
        ids = [row.id for row in rows]
        asked = select(phone_dial).where(phone_dial.c.outbox_id.in_(ids))
        orders = await self._run.read(lambda connection: {row.outbox_id: row for row in connection.execute(asked)})
        return [self._ready(row, orders[row.id]) if row.id in orders else Skip(row, _("заказ потерян")) for row in rows]

    async def submit(self, ready: Ready[Command]) -> Verdict:
        """Dial once; what certainly was not begun is an end too: a person clicks again if he still wants to."""
        try:
            verdict = await self._pbx.dial(ready.value)
        except (AskPerson, Limited, Unavailable) as error:
            if isinstance(error, Unavailable) and error.sent:
                raise
            return Refused(str(error), error.raw)
        return Refused(verdict.reason, verdict.answer) if isinstance(verdict, NotTaken) else verdict

    def announce(self, connection: Connection, taken: Sequence[Ready[Command]]) -> None:  # noqa: ARG002
        """Let the pages say that the phone rings now."""
        pulse.ring(connection, PULSE)

    def settle(self, connection: Connection, ended: Sequence[tuple[Ready[Command], Verdict]]) -> None:  # noqa: ARG002
        """Let the pages say how it ended."""
        pulse.ring(connection, PULSE)

    def _ready(self, row: Row, order: Any) -> Ready[Command]:
        mark = token()
        return Ready(row, self._name, order.e164, Command(mark, order.extension, order.e164), mark)


def _hold(connection: Connection, seat: Seat) -> None:
    """Let two clicks for one phone at the same moment come one after the other: its row is locked till the end."""
    here = phone_seat.c.line == seat.line, phone_seat.c.extension == seat.extension
    connection.execute(update(phone_seat).where(*here).values(extension=seat.extension))


def _is_busy(connection: Connection, stream: str, seat: Seat, key: str, now_ms: int) -> bool:
    """Say whether the phone's last order is still on its way: not taken yet, or its call goes on."""
    d = phone_dial.c
    of_seat = d.line == seat.line, d.extension == seat.extension, _o.key != key, _o.stream == stream
    recent = _o.made_ms >= now_ms - 4 * HOUR_MS
    columns = _o.state, _o.token, _o.changed_ms
    asked = select(*columns).join(phone_dial, d.outbox_id == _o.id).where(*of_seat, recent).order_by(_o.id.desc())
    last = connection.execute(asked.limit(1)).first()
    if last is None or last.state not in ("planned", "submitting", "accepted"):
        return False
    going = select(_c.state).where(_c.token == last.token)
    call = connection.execute(going).scalar() if last.token else None
    return call in GOING_ON or (call is None and now_ms - last.changed_ms < BUSY_MS)
