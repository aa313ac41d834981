"""What people have laid down: templates, and rules that say which template goes out how long before which visit."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson
from sqlalchemy import Connection, Insert, insert, select, update

from identsync.errors import AskPerson
from identsync.integrations.messaging import template as texts
from identsync.integrations.messaging.message import Kind, Medium
from identsync.store.tables import message_rule, message_template
from identsync.store.texts import fitting

NAME = 100
MOST_BEFORE = 60 * 24 * 60
"""Minutes: a reminder goes out two months before the visit at most."""


def _(text: str) -> str:
    return text


class Mistaken(AskPerson):
    """What a person wrote cannot be saved; ``mistakes`` says all of it."""

    key = "error.mistaken"

    def __init__(self, mistakes: Sequence[texts.Mistake]) -> None:
        super().__init__("; ".join(mistake.what for mistake in mistakes))
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A text to be filled; ``id`` 0 = not saved yet. Its version rises whenever what it says changes."""

    name: str
    medium: Medium
    kind: Kind
    text: str
    subject: str = ""
    id: int = 0
    version: int = 1
    on: bool = True
    changed_by: str = ""
    changed_ms: int = 0

    def mistakes(self, *, visit: bool = True) -> list[texts.Mistake]:
        """Say everything that is wrong with it."""
        named = [] if self.name.strip() else [texts.Mistake(_("нет названия"), field="name")]
        return named + texts.mistakes(self.text, self.medium, self.kind, self.subject, visit=visit)


class Filter(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which visits a rule is for; an empty list = all. Services are compared as written, but for case."""

    branches: list[int] = []
    doctors: list[int] = []
    services: list[str] = []

    def fits(self, branch: int, doctor: int, service: str | None) -> bool:
        """Tell whether a visit is one of them."""
        if (self.branches and branch not in self.branches) or (self.doctors and doctor not in self.doctors):
            return False
        return not self.services or (service or "").strip().lower() in {one.strip().lower() for one in self.services}


ALL = Filter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which template goes out how many minutes before the visit, for which visits; ``id`` 0 = not saved yet."""

    name: str
    template_id: int
    before_minutes: int
    filter: Filter = ALL
    id: int = 0
    on: bool = True
    changed_by: str = ""
    changed_ms: int = 0


def templates(connection: Connection, ids: Collection[int] | None = None) -> dict[int, Template]:
    """Give all templates, or those of ``ids``, by id; switched off ones too."""
    t = message_template.c
    asked = select(*_TEMPLATE).order_by(t.id)
    if ids is not None:
        asked = asked.where(t.id.in_(list(ids)))
    return {row.id: _template(row) for row in connection.execute(asked)}


def save_template(connection: Connection, template: Template, *, by: str, now_ms: int) -> int:
    """Write a template down, new where its id is 0, and give its id; raises Mistaken with all that is wrong."""
    if wrong := template.mistakes():
        raise Mistaken(wrong)
    values = {
        "name": fitting(template.name.strip(), NAME),
        "medium": str(template.medium),
        "kind": str(template.kind),
        "subject": texts.one_line(template.subject),
        "text": template.text.strip(),
        "state": "on" if template.on else "off",
        "changed_by": by[:NAME],
        "changed_ms": now_ms,
    }
    if not template.id:
        return _new(connection, insert(message_template).values(values))
    t = message_template.c
    said = (t.text != values["text"]) | (t.subject != values["subject"])
    connection.execute(update(message_template).where(t.id == template.id, said).values(version=t.version + 1))
    connection.execute(update(message_template).where(t.id == template.id).values(values))
    return template.id


def rules(connection: Connection, *, on: bool = False) -> list[Rule]:
    """Give the rules, the earliest reminder first; ``on`` = only those that are switched on."""
    r = message_rule.c
    asked = select(*_RULE).order_by(r.before_minutes.desc(), r.id)
    rows = connection.execute(asked.where(r.state == "on") if on else asked)
    return [_rule(row) for row in rows]


def save_rule(connection: Connection, rule: Rule, *, by: str, now_ms: int) -> int:
    """Write a rule down, new where its id is 0, and give its id; raises Mistaken with all that is wrong."""
    template = templates(connection, [rule.template_id]).get(rule.template_id)
    if wrong := list(_wrong(rule, template)):
        raise Mistaken(wrong)
    values = {
        "name": fitting(rule.name.strip(), NAME),
        "template_id": rule.template_id,
        "before_minutes": rule.before_minutes,
        "filter": msgspec.json.encode(rule.filter).decode(),
        "state": "on" if rule.on else "off",
        "changed_by": by[:NAME],
        "changed_ms": now_ms,
    }
    if rule.id:
        connection.execute(update(message_rule).where(message_rule.c.id == rule.id).values(values))
        return rule.id
    return _new(connection, insert(message_rule).values(values))


def _new(connection: Connection, made: Insert) -> int:
    key: Any = connection.execute(made).inserted_primary_key
    return int(key[0])


def _wrong(rule: Rule, template: Template | None) -> Iterable[texts.Mistake]:
    if not rule.name.strip():
        yield texts.Mistake(_("нет названия"), field="name")
    if template is None:
        yield texts.Mistake(_("нет такого шаблона"), field="template_id")
    elif template.kind is Kind.AD:
        yield texts.Mistake(_("напоминание не может быть рекламой"), field="template_id")
    if not 0 < rule.before_minutes <= MOST_BEFORE:
        yield texts.Mistake(_("напоминать можно от минуты до 60 дней до приёма"), field="before_minutes")


def _template(row: Any) -> Template:
    return Template(
        id=row.id,
        name=row.name,
        medium=Medium(row.medium),
        kind=Kind(row.kind),
        subject=row.subject,
        text=row.text,
        version=row.version,
        on=row.state == "on",
        changed_by=row.changed_by,
        changed_ms=row.changed_ms,
    )


def _rule(row: Any) -> Rule:
    return Rule(
        id=row.id,
        name=row.name,
        template_id=row.template_id,
        before_minutes=row.before_minutes,
        filter=msgspec.convert(orjson.loads(row.filter), Filter),
        on=row.state == "on",
        changed_by=row.changed_by,
        changed_ms=row.changed_ms,
    )


_TEMPLATE = tuple(message_template.c)
_RULE = tuple(message_rule.c)
