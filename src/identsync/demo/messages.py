"""Reminders in the demo: the text and the rule of a clinic, and the gateway's own list compared with the engine's."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from identsync.demo.plan import SMS
from identsync.integrations.messaging.books import stream_of
from identsync.integrations.messaging.message import Kind, Medium
from identsync.integrations.messaging.quiet import Policy, save_policy
from identsync.integrations.messaging.rules import Rule, Template, rules, save_rule, save_template
from identsync.language import _
from identsync.store import Store
from identsync.store.tables import outbox

if TYPE_CHECKING:
    from identsync.demo.stage import Stage

TEXT = "{имя}, ждём вас {дата} в {время}. {филиал}"
BEFORE = 24 * 60
BY = "demo"


@dataclass(frozen=True, slots=True)
class Compared:
    """Messages the gateway took, those of them that the engine knows of, those taken twice, those nobody is sure of."""

    taken: int = 0
    known: int = 0
    doubled: int = 0
    unknown: int = 0
    faults: tuple[str, ...] = ()


def prepare(store: Store) -> None:
    """Write down a template and a rule, unless a folder that is used once more has them; the demo knows no night."""
    now = store.now_ms()
    with store.write() as connection:
        if rules(connection):
            return
        save_policy(connection, 0, Policy(quiet_from=0, quiet_until=0), by=BY, now_ms=now)
        words = Template(name=_("Напоминание за день"), medium=Medium.SMS, kind=Kind.SERVICE, text=TEXT)
        template = save_template(connection, words, by=BY, now_ms=now)
        rule = Rule(name=_("За день"), template_id=template, before_minutes=BEFORE)
        save_rule(connection, rule, by=BY, now_ms=now)


def compared(stage: "Stage") -> Compared:
    """Compare both sides; a message that is on its way is no fault."""
    there = Counter(message["own"] for message in stage.gateway.messages())
    o = outbox.c
    with stage.store.read() as connection:
        rows = select(o.token, o.state).where(o.stream == stream_of(Medium.SMS), o.channel == SMS)
        states = {row.token: row.state for row in connection.execute(rows)}
        unknown = select(func.count()).where(o.stream == stream_of(Medium.SMS), o.state == "unknown")
        lost = connection.execute(unknown).scalar() or 0
    claimed = {token for token, state in states.items() if state in ("accepted", "delivered")}
    faults = []
    if invented := len(claimed - there.keys()):
        faults.append(_("движок считает отправленными сообщений, которых у шлюза нет: {count}", count=invented))
    if strange := len(there.keys() - states.keys()):
        faults.append(_("у шлюза сообщений, о которых движок не знает: {count}", count=strange))
    return Compared(there.total(), len(there.keys() & states.keys()), there.total() - len(there), lost, tuple(faults))
