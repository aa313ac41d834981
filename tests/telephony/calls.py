"""Calls as a PBX would tell them, and a book of them that a test can look into."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select

from identsync.integrations.telephony import books
from identsync.integrations.telephony.call import Call, Direction, Employee, State
from identsync.integrations.telephony.row import Origin
from identsync.integrations.telephony.settings import Line
from identsync.store.tables import phone_call, phone_missed

LINE = Line(kind="ident", url="http://127.0.0.1:1", password="env:NOTHING", area="495")
NOW = 1_795_000_000_000
MINUTE = 60_000
ANNA = Employee("101", "Анна")


def ringing(key: str = "c1", phone: str = "89160000001", at: int = NOW, **more: Any) -> Call:
    """An incoming call that rings."""
    fields: dict[str, Any] = {"direction": Direction.IN, "state": State.RINGING, "rang": (ANNA,), **more}
    return Call(key=key, phone=phone, start_ms=at, **fields)


def talking(call: Call, after: int = 5_000) -> Call:
    """The same, taken."""
    return replace(call, state=State.TALKING, answered_ms=call.start_ms + after, talked=(ANNA,))


def over(call: Call, after: int = 30_000) -> Call:
    """The same, ended: missed where nobody had taken it."""
    state = State.MISSED if call.answered_ms is None else State.ANSWERED
    return replace(call, state=state, ended_ms=call.start_ms + after)


def missed(key: str = "c1", phone: str = "89160000001", at: int = NOW, **more: Any) -> Call:
    """A call that nobody took; outgoing, one that was not reached."""
    return over(ringing(key, phone, at, **more))


def answered(key: str = "c1", phone: str = "89160000001", at: int = NOW, **more: Any) -> Call:
    """A call with a talk."""
    return over(talking(ringing(key, phone, at, **more)))


def tell(
    connection: Connection, *calls: Call, now: int = NOW, line: str = "pbx", whole: bool = False, history: bool = False,
    settings: Line = LINE, people: dict[str, Sequence[int]] | None = None,
) -> int:  # fmt: skip
    """Let a line tell of calls."""
    origin = Origin(line, settings, history)
    return books.write(connection, origin, calls, now, whole=whole, people=people)


def rows(connection: Connection) -> list[Any]:
    """Every call of the books, in order of its start."""
    return list(connection.execute(select(phone_call).order_by(phone_call.c.start_ms, phone_call.c.id)))


def entries(connection: Connection, *, still_open: bool = False) -> list[Any]:
    """Every entry of the worklist, or those that wait."""
    asked = select(phone_missed).order_by(phone_missed.c.id)
    return list(
        connection.execute(asked.where(phone_missed.c.state.in_(("waiting", "tried"))) if still_open else asked)
    )
