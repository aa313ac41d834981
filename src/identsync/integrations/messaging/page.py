"""Page "Сообщения": its parts, what each is drawn from, what people may do there."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, func, select

from identsync.engine.integration import Page, PageContext
from identsync.integrations.messaging import (
    page_bulk,
    page_channels,
    page_consents,
    page_drafts,
    page_log,
    page_replies,
    page_rules,
    page_texts,
    page_unknown,
    page_write,
)
from identsync.integrations.messaging import page_words as words
from identsync.store.tables import (
    message_campaign,
    message_channel,
    message_consent,
    message_policy,
    message_reply,
    message_rule,
    message_stop,
    message_template,
    outbox,
    outbox_event,
    task_slot,
)

NEWEST = 2_000
"""So many of the newest messages are watched for any change; older ones change with their task's runs."""
FEW = 2_000


def _(text: str) -> str:
    return text


View = Callable[[PageContext, Mapping[str, str]], dict[str, Any]]
Action = Callable[[PageContext, Mapping[str, str]], str | None]
PARTS: Mapping[str, tuple[str, View]] = {
    "log": (_("Журнал"), page_log.view),
    "unknown": (_("Неизвестные"), page_unknown.view),
    "replies": (_("Ответы"), page_replies.view),
    "write": (_("Написать"), page_write.view),
    "bulk": (_("Рассылки"), page_bulk.view),
    "texts": (_("Шаблоны"), page_texts.view),
    "rules": (_("Правила"), page_rules.view),
    "consents": (_("Согласия"), page_consents.view),
    "channels": (_("Каналы"), page_channels.view),
}
ACTIONS: Mapping[str, Action] = {
    "decide": page_unknown.decide_one,
    "decide_many": page_unknown.decide_many,
    "done": page_replies.done,
    "reopen": page_replies.reopen,
    "stop": page_replies.stop,
    "find": page_drafts.find,
    "tell": page_write.tell,
    "tell_plain": page_drafts.tell,
    "attach": page_drafts.attach,
    "detach": page_drafts.detach,
    "send": page_write.send,
    "confirm": page_write.confirm,
    "text_save": page_texts.save,
    "text_switch": page_texts.switch,
    "rule_save": page_rules.save,
    "rule_switch": page_rules.switch,
    "policy": page_rules.save_policy,
    "bulk_save": page_bulk.do,
    "bulk_move": page_bulk.move,
    "record": page_consents.record,
    "lift": page_consents.lift,
}


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return what the part of the page shows that the address names (``tab``), and the parts' names and counts."""
    tab = query.get("tab", "")
    tab = tab if tab in PARTS else "log"
    with context.store.read() as connection:
        waiting = _waiting(connection, context)
    tabs = [(name, title, waiting.get(name)) for name, (title, _view) in PARTS.items()]
    frame = {
        "tab": tab,
        "tabs": tabs,
        "states": words.STATES,
        "media": words.MEDIA,
        "kinds": words.KINDS,
        "purposes": words.PURPOSES,
        "set_up": bool(context.settings),
    }
    return frame | PARTS[tab][1](context, query)


def version(context: PageContext) -> str:
    """Return what changes with every new message, decision, reply, setting, and with the messages under way."""
    with context.store.read() as connection:
        newest = connection.execute(select(func.max(outbox.c.id))).scalar() or 0
        changed = select(func.max(outbox.c.changed_ms)).where(outbox.c.id > newest - NEWEST)
        parts = [newest, connection.execute(changed).scalar(), *_open(connection), *_marks(connection)]
        slots = select(func.max(task_slot.c.finished_ms)).where(task_slot.c.kind.like("messaging/%"))
        parts.append(connection.execute(slots).scalar())
    return ".".join(str(part or 0) for part in parts)


def attention(context: PageContext) -> int:
    """Return how many things wait for a person: unknown messages, open replies, channels that rest."""
    with context.store.read() as connection:
        return min(sum(_waiting(connection, context).values()), words.ATTENTION_MOST)


def _waiting(connection: Connection, context: PageContext) -> dict[str, int]:
    return {
        "unknown": page_unknown.count(connection),
        "replies": page_replies.count(connection),
        "channels": page_channels.troubled(connection, context),
    }


def _open(connection: Connection) -> list[int]:
    """Return how many rows are in each state that passes, at most so many: the index answers that."""
    o, found = outbox.c, list[int]()
    for state in ("held", "planned", "submitting", "unknown"):
        few = select(o.id).where(o.stream.in_(words.STREAMS), o.scope == 0, o.state == state).limit(FEW).subquery()
        found.append(int(connection.execute(select(func.count()).select_from(few)).scalar() or 0))
    return found


def _marks(connection: Connection) -> list[Any]:
    columns = (
        func.max(outbox_event.c.id),
        func.max(message_reply.c.id),
        func.max(message_consent.c.id),
        func.max(message_template.c.changed_ms),
        func.max(message_rule.c.changed_ms),
        func.max(message_campaign.c.changed_ms),
        func.max(message_channel.c.looked_ms),
        func.count(message_channel.c.problem),
        func.count(message_stop.c.address),
        func.max(message_policy.c.changed_ms),
    )
    opened = select(func.count()).where(message_reply.c.state == "open")
    return [*(connection.execute(select(column)).scalar() for column in columns), connection.execute(opened).scalar()]


PAGES = (Page("messaging", _("Сообщения"), "messaging/messages.html", view, version, ACTIONS, attention),)
