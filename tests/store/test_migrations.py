"""Tables that grow under programs of two versions: who may work on what, and what a migration may do to the others."""

import re
import shutil
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Connection, inspect, text, update
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from identsync.errors import SchemaError, Unavailable
from identsync.store import Store, migrate, migrations, open_store
from identsync.store.clients import introduce, new_id
from identsync.store.migrations.standing import revision
from identsync.store.tables import client, presence

Release = Callable[..., None]
TODAY, SAME = migrations.NEWEST, migrations.REVISIONS[migrations.NEWEST]
NEXT, AFTER = "9001", "9002"  # of releases that do not exist yet
ASK: dict[str, Any] = {"role": 0, "lease_ms": 5_000, "interval_ms": 60_000, "presence_ttl_ms": 60_000, "request": "r"}
HEAD = """
    import sqlalchemy as sa
    from alembic import op

    revision, down_revision = {revision!r}, {before!r}

    def upgrade() -> None:
        schema = op.get_context().version_table_schema
"""
GROW = """
op.add_column("task_slot", sa.Column("priority", sa.Integer(), nullable=True), schema=schema)
op.create_table("novelty", sa.Column("id", sa.BigInteger(), primary_key=True), schema=schema)
"""
SHED = 'op.drop_column("client", "computer", schema=schema)'


@pytest.fixture
def release(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Release:
    """Make this process a later release: ``release(*bodies, marks=[...], needed=TODAY)``; no body = today's again."""
    own, folders = migrate.FOLDER, (tmp_path / f"migrations{number}" for number in count())
    today = dict(migrations.REVISIONS)

    def make(*bodies: str, marks: Sequence[str] = (), needed: str = TODAY) -> None:
        folder, known = next(folders), dict(today)
        shutil.copytree(own, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for name, before, body in zip((NEXT, AFTER), (TODAY, NEXT), bodies, strict=False):
            text = textwrap.dedent(HEAD.format(revision=name, before=before)) + textwrap.indent(body.strip(), "    ")
            (folder / "versions" / f"v{name}.py").write_text(text + "\n", encoding="utf-8")
            known[name] = marks[name == AFTER] if marks else SAME
        for where, what, value in (
            (migrations, "REVISIONS", known),
            (migrations, "NEWEST", [*known][-1]),
            (migrations, "NEEDED", needed),
            (migrate, "FOLDER", folder),
        ):
            monkeypatch.setattr(where, what, value)

    return make


def version(store: Store) -> str | None:
    with store.read() as connection:
        return revision(connection, store.schema)


def columns(store: Store, table: str) -> set[str]:
    with store.read() as connection:
        return {column["name"] for column in inspect(connection).get_columns(table, schema=store.schema)}


def test_a_program_works_on_tables_that_have_only_grown_and_says_that_it_is_old(store: Store, release: Release) -> None:
    release(GROW)
    store.migrate()
    assert (version(store), "priority" in columns(store, "task_slot")) == (NEXT, True)
    release()
    with capture_logs() as told:
        store.migrate()
    assert [(line["log_level"], line["tables"]) for line in told] == [("warning", NEXT)]
    assert "обновите эту программу" in told[0]["hint"]
    assert store.limiter().claim("k", 1, **ASK, holder="old").granted
    assert version(store) == NEXT


def test_a_program_older_than_what_was_dropped_stops_and_says_what_to_do(store: Store, release: Release) -> None:
    release(GROW, SHED, marks=[SAME, NEXT])
    store.migrate()
    release()
    with pytest.raises(SchemaError) as caught:
        store.migrate()
    assert AFTER in str(caught.value)
    assert "обновите эту программу" in caught.value.hint
    release(GROW)
    store.migrate()  # the release that knows NEXT
    assert version(store) == AFTER


def test_what_old_programs_still_read_is_not_dropped_under_them(store: Store, release: Release) -> None:
    with store.write() as connection:
        introduce(connection, "old", "Регистратура-2")
    release(GROW, SHED, marks=[SAME, NEXT], needed=NEXT)
    with capture_logs() as told:
        store.migrate()
    assert (version(store), "computer" in columns(store, "client")) == (NEXT, True)
    assert told[0]["computers"] == ["Регистратура-2"]
    release(GROW, SHED, marks=[SAME, NEXT], needed=AFTER)
    with pytest.raises(SchemaError, match="Регистратура-2"):
        store.migrate()
    with store.write() as connection:
        connection.execute(update(client).values(started_ms=client.c.started_ms - 3_600_000))
    store.migrate()
    assert (version(store), "computer" in columns(store, "client")) == (AFTER, False)


@pytest.mark.parametrize("made", [lambda: "old", new_id])
def test_a_program_that_outlived_the_restoring_of_a_backup_is_not_left_behind(
    store: Store, release: Release, made: Callable[[], str]
) -> None:
    """It wrote down its version when it started, which the backup has not; that it is at work is seen all the same."""
    store.limiter().seat(1, made(), 0, lease_ms=5_000, presence_ttl_ms=60_000)
    release(GROW, SHED, marks=[SAME, NEXT], needed=NEXT)
    with capture_logs() as told:
        store.migrate()
    assert (version(store), "computer" in columns(store, "client")) == (NEXT, True)
    assert told[0]["computers"] == ["программа, которая работала до восстановления базы"]
    with store.write() as connection:
        connection.execute(update(presence).values(seen_ms=presence.c.seen_ms - 3_600_000))
    store.migrate()
    assert version(store) == AFTER


def test_a_program_that_knows_the_newer_tables_holds_nothing_up_after_a_restore(store: Store, release: Release) -> None:
    release(GROW, SHED, marks=[SAME, NEXT], needed=NEXT)
    store.limiter().seat(1, f"abc.{NEXT}", 0, lease_ms=5_000, presence_ttl_ms=60_000)
    store.migrate()
    assert version(store) == AFTER


def test_a_program_that_slept_through_the_waiting_is_told_at_its_first_statement(
    store: Store, release: Release
) -> None:
    release(GROW, SHED, marks=[SAME, NEXT])
    store.migrate()
    release()
    with pytest.raises(SchemaError) as caught, store.write() as connection:
        introduce(connection, "old")
    assert "обновите эту программу" in caught.value.hint
    release(GROW, SHED, marks=[SAME, NEXT])
    with pytest.raises(DBAPIError), store.read() as connection:  # with tables that it knows, a mistake stays a mistake
        connection.execute(text("SELECT nothing FROM nowhere"))


def test_a_migration_that_fails_half_way_leaves_everything_as_it_was(store: Store, release: Release) -> None:
    release(GROW, GROW)  # the second one adds what is there already
    before = columns(store, "task_slot")
    with pytest.raises(SchemaError) as caught:
        store.migrate()
    assert TODAY in str(caught.value)
    assert AFTER in str(caught.value)
    assert "таблицы остались прежними" in caught.value.hint
    assert (version(store), columns(store, "task_slot")) == (TODAY, before)
    with store.read() as connection:
        assert not inspect(connection).has_table("novelty", schema=store.schema)
    release()
    store.migrate()
    assert store.limiter().claim("k", 1, **ASK, holder="old").granted


@pytest.mark.postgresql
def test_nobody_queues_behind_a_migration_that_waits(
    clone: Callable[[str], str], release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run writes for longer than the migration has patience; the other tasks go on, and the next try succeeds."""
    monkeypatch.setattr(migrate, "PATIENCE_S", 1.0)
    release(GROW)
    running, starting = open_store(url := clone("postgresql")), open_store(url)
    limiter = running.limiter()
    held = limiter.claim("long", 1, **ASK, holder="h")
    granted, errors = 0, []

    def start() -> None:
        try:
            starting.migrate()
        except Unavailable as error:
            errors.append(str(error))

    thread = threading.Thread(target=start)
    with running.write(limiter_fence(held, "long")):
        thread.start()
        while thread.is_alive():
            granted += limiter.claim(f"k{granted}", 1, **ASK, holder="h").granted
            time.sleep(0.02)
    assert len(errors) == 1
    assert "другие программы их держат" in errors[0]
    assert granted >= 3
    starting.migrate()
    assert version(running) == NEXT
    assert limiter.claim("after", 1, **ASK, holder="h").granted  # on a connection from before
    running.close()
    starting.close()


def limiter_fence(claim: Any, kind: str) -> Any:
    from identsync.store import Fence

    return Fence.of(kind, 1, claim, "h")


def test_another_clients_turn_on_sql_server_is_told_by_a_number() -> None:
    assert migrate._TURN_MSSQL.index("FROM sys.schemas") < migrate._TURN_MSSQL.index("sp_getapplock")  # a transaction
    assert migrate._TURN_MSSQL.index("LOCK_TIMEOUT 300") < migrate._TURN_MSSQL.index("sp_getapplock")
    assert migrate._TURN_MSSQL.endswith("SET NOCOUNT OFF;\nSELECT @got;"), "alembic counts rows on this connection"
    for number, got in ((0, True), (1, True), (-1, False), (-3, False)):
        answer = SimpleNamespace(scalar_one=lambda number=number: number)
        connection = cast(Connection, SimpleNamespace(execute=lambda _, answer=answer: answer))
        assert migrate._lock_mssql(connection) is got


# -- what an expansion may do ---------------------------------------------------------------------------------------

_OWN = r"(DELETE FROM|INSERT INTO|UPDATE) (\w+\.)?(schema_mark|alembic_version)\b.*"
_COLUMN = r"ALTER TABLE \S+ ADD (COLUMN )?(?!.*\b(NOT NULL|DEFAULT|UNIQUE|REFERENCES|CHECK|PRIMARY)\b).*"
_ALLOWED = re.compile(rf"({_OWN}|{_COLUMN}|CREATE TABLE .*|BEGIN.*|COMMIT.*|GO)", re.DOTALL)
_INDEX = re.compile(r"CREATE (UNIQUE )?INDEX \S+ ON (\S+) .*", re.DOTALL)


def offences(dialect: str) -> list[str]:
    """Statements that running programs may notice, of every migration that does not raise ``compatible_from``."""
    parts = re.split(r"-- Running upgrade \S* -> (\S+)\n", migrate.script(dialect, "identsync"))
    found, mark = [], next(iter(migrations.REVISIONS))
    for name, body in zip(parts[3::2], parts[4::2], strict=True):
        if migrations.REVISIONS[name] == mark:
            found += [each for each in statements(body) if not harmless(each, body)]
        mark = migrations.REVISIONS[name]
    return found


def statements(body: str) -> list[str]:
    return [each.strip() for each in re.split(r";\n|\nGO\n", body) if each.strip()]


def harmless(statement: str, body: str) -> bool:
    index = _INDEX.fullmatch(statement)
    if index is None:
        return _ALLOWED.fullmatch(statement) is not None
    # SQLite puts the schema before the index's name, the others before the table's.
    return re.search(rf"CREATE TABLE (\S+\.)?{re.escape(index[2])} ", body) is not None


@pytest.mark.parametrize("dialect", ["postgresql", "mssql", "sqlite"])
def test_an_expansion_is_not_noticed_by_running_programs(dialect: str) -> None:
    assert offences(dialect) == []


BAD = {
    "a column that must be filled": 'op.add_column("lead", sa.Column("x", sa.Date(), nullable=False), schema=schema)',
    "a default": 'op.add_column("lead", sa.Column("x", sa.Integer(), server_default="0"), schema=schema)',
    "an index on rows": 'op.create_index("run_log_x", "run_log", ["outcome"], schema=schema)',
    "a dropped column": SHED,
    "a renamed table": 'op.rename_table("lead", "request", schema=schema)',
    "rows moved": 'op.execute("UPDATE identsync.lead SET state=1")',
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
@pytest.mark.parametrize("dialect", ["postgresql", "mssql"])
def test_that_rule_bites(dialect: str, body: str, release: Release) -> None:
    grown = GROW + 'op.create_index("novelty_by_id", "novelty", ["id"], schema=schema)'
    release(grown)
    assert offences(dialect) == []
    release(grown, body)
    assert len(offences(dialect)) >= 1
    release(grown, body, marks=[SAME, NEXT])
    assert offences(dialect) == []


def test_every_revision_says_whose_programs_it_is_good_for() -> None:
    order = [*migrations.REVISIONS]
    marks = [order.index(mark) for mark in migrations.REVISIONS.values()]
    assert marks == sorted(marks)
    assert all(mark <= place for place, mark in enumerate(marks))
    assert migrations.NEEDED in order
