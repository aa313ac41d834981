"""The store: its URL, its tables, its transactions, and what people see of the slots."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CreateTable, delete, insert, select, text, update
from sqlalchemy.dialects import mssql as sql_server
from sqlalchemy.exc import DBAPIError, IntegrityError

from identsync.errors import SchemaError, SettingsError, Unavailable
from identsync.store import Fence, open_store, slots
from identsync.store.migrate import script
from identsync.store.migrations import NEWEST
from identsync.store.tables import intake_reject, metadata, outbox_receipt, run_log, task_slot

ASK = {"role": 0, "lease_ms": 5_000, "interval_ms": 60_000, "presence_ttl_ms": 60_000}


MISTAKEN = ["sqlite://", "sqlite:///:memory:", r"sqlite:///\\server\share\x.db", "sqlite://///server/x.db"]
MISTAKEN += ["mysql://u@h/d", "nonsense", "", "oracle+nothing://x"]


@pytest.mark.parametrize("url", MISTAKEN)
def test_a_url_that_cannot_work_is_refused_without_being_quoted(url):
    with pytest.raises(SettingsError) as caught:
        open_store(url)
    assert caught.value.problems[0].where == "database.url"
    assert "server" not in str(caught.value)


def test_repr_holds_no_password():
    store = open_store("postgresql://user:hunter2@nowhere/db")
    assert "hunter2" not in repr(store)
    store.close()


def test_migrations_make_the_tables_of_the_metadata(database_url):
    """compare_metadata reads one schema, so here the tables live in the default one."""
    store = open_store(database_url, schema=None)
    store.migrate()
    with store.read() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    store.close()


def test_tables_live_in_the_schema(database_url):
    store = open_store(database_url, schema="Клиника 1")
    store.migrate()
    store.migrate()
    with store.write() as connection:
        values = {"kind": "k", "scope": 1, "eligible_ms": 0, "stamp_ms": 0}
        connection.execute(insert(task_slot).values(**values))
    answer = store.limiter().claim("k", 1, **ASK, holder="h", request="r")
    with store.write(Fence.of("k", 1, answer, "h")) as connection:
        if store.dialect == "postgresql":
            assert connection.execute(text('SELECT fence FROM "Клиника 1".task_slot')).scalar() == 1
    store.close()


def test_a_newer_schema_stops_the_client(store):
    with store.write() as connection:
        schema = f"{store.schema}." if store.schema else ""
        connection.execute(text(f"UPDATE {schema}alembic_version SET version_num='9999'"))
        connection.execute(text(f"UPDATE {schema}schema_mark SET compatible_from='9999'"))
    with pytest.raises(SchemaError) as caught:
        store.migrate()
    assert caught.value.hint


def test_a_current_schema_costs_no_alembic(store_url):
    import subprocess
    import sys

    code = f"""
import sys
from identsync.store import open_store
store = open_store({store_url!r})
store.migrate()
store.close()
sys.exit("alembic" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_newest_migration_is_the_one_the_client_knows():
    from alembic.script import ScriptDirectory

    from identsync.store.migrate import _config

    assert ScriptDirectory.from_config(_config()).get_current_head() == NEWEST


def test_migrations_and_tables_compile_for_sql_server():
    """Compiled, never run there: nvarchar for what people write, varchar for keys, bigint for times."""
    sql = script("mssql", "identsync")
    assert sql.count("CREATE TABLE identsync.") == len(metadata.tables) + 1  # and alembic's own
    for table in metadata.sorted_tables:
        ddl = str(CreateTable(table).compile(dialect=sql_server.dialect()))
        assert ddl.strip().startswith("CREATE TABLE")
        assert "DATETIME" not in ddl


def test_a_full_pool_or_a_locked_file_is_unavailable(sqlite_url, clone):
    url = clone("sqlite")
    one, two = open_store(url), open_store(url)
    with one.write():
        with two.read() as connection:  # readers never wait
            connection.execute(select(task_slot)).all()
        raw = two.engine.raw_connection()
        raw.driver_connection.execute("PRAGMA busy_timeout=20")
        raw.close()
        with pytest.raises(Unavailable) as caught, two.write():
            pass
    assert not caught.value.sent
    one.close()
    two.close()


def test_mistakes_stay_what_they_are(store):
    values = {"kind": "k", "scope": 1, "eligible_ms": 0, "stamp_ms": 0}
    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(insert(task_slot), [values, values])


def test_what_people_see(store):
    limiter = store.limiter()
    limiter.seat(7, "admin", 0, lease_ms=5_000, presence_ttl_ms=60_000)
    limiter.seat(7, "director", 1, lease_ms=5_000, presence_ttl_ms=60_000)
    answer = limiter.claim("a/x", 7, **ASK, holder="admin", request="1")
    fence = Fence.of("a/x", 7, answer, "admin")
    with store.read() as connection:
        [running], [seat], [run] = slots.overview(connection), slots.seats(connection), slots.journal(connection, 5)
    assert (running.kind, running.running, running.holder, running.paused) == ("a/x", True, "admin", False)
    assert (seat.scope, seat.holder, [p.client for p in seat.present]) == (7, "admin", ["admin", "director"])
    assert (run.outcome, run.finished_ms, run.due_ms) == ("running", None, answer.due_ms)
    with store.write() as connection:
        assert not slots.run_now(connection, "a/x", 7)  # it is running
    limiter.finish(fence, interval_ms=60_000, outcome="failed", counts={"sent": 2}, note="no route")
    with store.write() as connection:
        assert slots.run_now(connection, "a/x", 7)
        assert not slots.run_now(connection, "a/unknown", 7)
        assert slots.pause(connection, "a/x", 7, True)
        assert not slots.run_now(connection, "a/x", 7)  # it is paused
        assert not slots.pause(connection, "a/unknown", 7, True)
        [idle], [run] = slots.overview(connection), slots.journal(connection, 5, "a/x")
        assert slots.journal(connection, 5, "b/y") == []
    assert (idle.running, idle.paused, idle.last_error, idle.attempt) == (False, True, "no route", 1)
    assert (run.outcome, run.counts, run.note) == ("failed", {"sent": 2}, "no route")


def test_a_run_whose_client_died_is_shown_as_died(store):
    limiter = store.limiter()
    limiter.claim("a/x", 7, **ASK, holder="h", request="1")
    with store.write() as connection:
        connection.execute(update(task_slot).values(eligible_ms=1))
        assert slots.journal(connection, 1)[0].outcome == "died"


def test_the_journal_is_trimmed(store):
    now, day = store.now_ms(), 86_400_000
    row = {"kind": "a/x", "scope": 1, "holder": "h", "role": 0, "due_ms": 0, "outcome": "ok"}
    with store.write() as connection:
        rows = [row | {"fence": n, "started_ms": now - n * day} for n in range(1, 41)]
        connection.execute(insert(run_log), rows)
        assert slots.trim(connection, 30) in (10, 11)
        assert slots.trim(connection, 30) == 0
        assert connection.execute(select(run_log.c.fence).order_by(run_log.c.fence)).scalars().first() == 1


def test_receipts_and_bad_rows_go_when_they_are_old_and_nobody_is_asked_of_them(store):
    now, day = store.now_ms(), 86_400_000
    receipt = {"stream": "messaging/sms", "channel": "sms", "provider_id": "1", "fate": "delivered"}
    bad = {"stream": "leads/site", "problems": "[]", "raw": "{}"}
    with store.write() as connection:
        connection.execute(insert(outbox_receipt), [receipt | {"received_ms": now - n * day} for n in (200, 100, 10)])
        rows = [(200, "open"), (100, "done"), (10, "done")]
        values = [bad | {"key": str(n), "received_ms": now - n * day, "state": state} for n, state in rows]
        connection.execute(insert(intake_reject), values)
        before = now - 90 * day
        assert [slots.trim_receipts(connection, before), slots.trim_receipts(connection, before)] == [2, 0]
        assert [slots.trim_rejects(connection, before), slots.trim_rejects(connection, before)] == [1, 0]
        assert connection.execute(select(outbox_receipt.c.received_ms)).scalars().all() == [now - 10 * day]
        assert set(connection.execute(select(intake_reject.c.key)).scalars()) == {"200", "10"}


@pytest.mark.postgresql
def test_no_connection_waits_for_ever(clone):
    """Locks, statements, a frozen client, a server that went away: each has an end."""
    store = open_store(clone("postgresql"))
    shown = ("lock_timeout", "statement_timeout", "plan_cache_mode")
    limiter = [store.limiter()._link.cursor().execute(f"SHOW {name}").fetchone()[0] for name in shown]
    assert limiter == ["100ms", "10s", "force_generic_plan"]
    with store.read() as connection:
        assert connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar() == "20s"
        parameters = connection.connection.driver_connection.info.get_parameters()
    assert (parameters["keepalives_idle"], parameters["connect_timeout"]) == ("10", "10")
    store.close()


class TiedError(Exception):
    """The database undid a transaction to break a deadlock."""

    sqlstate = "40P01"


def test_a_persons_change_that_loses_a_deadlock_is_made_again_once(store):
    values = {"kind": "k", "scope": 1, "eligible_ms": 0, "stamp_ms": 0}
    tries = []

    def change(connection, ties):
        connection.execute(insert(task_slot).values(**values))
        tries.append(1)
        if len(tries) <= ties:
            raise DBAPIError("UPDATE", {}, TiedError())
        return "done"

    assert store.change(lambda connection: change(connection, 1)) == "done"
    with store.write() as connection:
        assert connection.execute(delete(task_slot)).rowcount == 1
    tries.clear()
    with pytest.raises(Unavailable):
        store.change(lambda connection: change(connection, 2))
    assert len(tries) == 2


def test_a_change_that_fails_otherwise_is_not_made_again(store):
    tries = []

    def change(connection):
        tries.append(1)
        raise Unavailable("the connection is lost: it may have been committed")

    with pytest.raises(Unavailable):
        store.change(change)
    assert tries == [1]
