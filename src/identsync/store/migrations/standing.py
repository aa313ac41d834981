"""How a database's tables stand to this program: which revision they are of, and how far they may be taken now."""

from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy import ColumnElement, Connection, inspect, literal_column, or_, select, table

from identsync.errors import SchemaError
from identsync.language import _
from identsync.store import migrations
from identsync.store.clients import revision_of
from identsync.store.tables import client, presence, schema_mark

VERSION = "alembic_version"
PRESENT_MS = 600_000  # a program that has given no sign of life for so long does not count as being at work
_NAMED = 10

log = structlog.get_logger("identsync.store")


def revision(connection: Connection, schema: str | None) -> str | None:
    """Return the tables' revision; None = there are none yet."""
    if not inspect(connection).has_table(VERSION, schema=schema):
        return None
    found: str | None = connection.execute(
        select(literal_column("version_num")).select_from(table(VERSION, schema=schema))
    ).scalar()
    return found


def is_due(connection: Connection, schema: str | None) -> bool:
    """Say whether the tables are older than this program.

    Raises SchemaError where they are newer and no longer what this program understands; tables that have only grown
    are worked on, with a line in the journal.
    """
    at = revision(connection, schema)
    if at is None or at in migrations.REVISIONS:
        return at != migrations.NEWEST
    known = inspect(connection).has_table(schema_mark.name, schema=schema)
    mark = connection.execute(select(schema_mark.c.compatible_from)).scalar() if known else None
    if mark not in migrations.REVISIONS:
        told = _("таблицы версии {at}, эта программа знает версию {own}", at=at, own=migrations.NEWEST)
        raise SchemaError(told, hint=_("обновите эту программу"))
    log.warning("the tables are of a newer version", tables=at, own=migrations.NEWEST, hint=_("обновите эту программу"))
    return False


def target(connection: Connection, schema: str | None) -> str:
    """Return the revision the tables may be taken to while older programs are at work; may be the present one.

    Raises SchemaError where that is too old for this program: the older ones have to end first.
    """
    at = revision(connection, schema)
    if at is None:
        return migrations.NEWEST
    allowed, computers = _allowed(connection, at)
    if _place(allowed) < _place(migrations.NEEDED):
        told = _("работают слишком старые программы: {computers}", computers=", ".join(computers[:_NAMED]))
        raise SchemaError(told, hint=_("обновите или закройте их, затем запустите эту"))
    if computers:
        log.warning("a change of the tables waits for older programs", computers=computers[:_NAMED])
    return allowed


def _allowed(connection: Connection, at: str) -> tuple[str, Sequence[str]]:
    """Return the newest revision that leaves nobody behind, and the computers that hold up the next one."""
    order = [*migrations.REVISIONS]
    for each in order[_place(at) + 1 :]:
        mark = migrations.REVISIONS[each]
        if mark != migrations.REVISIONS[at] and (computers := _older(connection, order[: _place(mark)])):
            return at, computers
        at = each
    return at, ()


def _older(connection: Connection, known: Sequence[str]) -> list[str]:
    """Return the computers on which programs run whose newest revision is one of ``known``, or is not to be told.

    A program writes its version down once, when it starts. A database that was restored from a backup after that does
    not have it, while the program works on: then its id tells, unless it is of a version whose ids did not.
    """
    since: ColumnElement[int] = literal_column(connection.get_execution_options()["identsync_clock"]) - PRESENT_MS
    seen = select(presence.c.client).where(presence.c.seen_ms > since)
    there = or_(client.c.client.in_(seen), client.c.started_ms > since)
    rows = connection.execute(select(client.c.computer).where(client.c.revision.in_(known), there).distinct())
    unknown = seen.where(presence.c.client.not_in(select(client.c.client)))
    nameless = any(revision_of(each) in {None, *known} for each in connection.execute(unknown).scalars())
    named = sorted(row.computer for row in rows)
    return [*named, _("программа, которая работала до восстановления базы")] if nameless else named


def _place(of: str) -> int:
    order: Mapping[str, int] = {each: place for place, each in enumerate(migrations.REVISIONS)}
    return order[of]
