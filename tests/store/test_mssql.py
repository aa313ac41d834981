"""SQL Server without one: golden texts, a syntax gate, rules of T-SQL, and a driver that fails on purpose.

Nothing here says what SQL Server would do; Microsoft's compiler looks at these texts in tests/sqlserver. What runs on a
server: the behavioural suite, where IDENTSYNC_TEST_MSSQL names one (tests/store/conftest.py), and `identsync doctor
--database` on a customer's.
"""

import re
from itertools import count, product
from typing import Any

import pytest
from golden_texts import FOLDER, NAMES, TURNS, texts
from sql_server import DATABASES, SQL_SERVER
from sqlalchemy import event
from sqlfluff.core import Linter
from test_store_failures import ERRORS, OdbcError, limiter

from identsync.errors import Unavailable
from identsync.store import Denied, Fence
from identsync.store.connect import store_engine
from identsync.store.limiter import LOCKED, ClaimAsk, Ending, Limiter, Renewal, SeatAsk, mssql, mssql_turn
from identsync.store.limiter.link import Link
from tsql import Cursor, Driver, needs_odbc

TEXTS = texts()
SHAPES = [*TURNS.values(), *((*shape, 2) for shape in product((0, 1), repeat=4) if any(shape)), (2, 8, 8, 8, 1)]


@pytest.mark.skipif(not SQL_SERVER, reason="IDENTSYNC_TEST_MSSQL names no SQL Server: the suite did not run on one")
def test_the_behavioural_suite_ran_on_sql_server_too() -> None:
    assert len(DATABASES) == 3


@pytest.mark.parametrize("name", TEXTS)
def test_the_batch_is_the_reviewed_one(name: str) -> None:
    """Changed on purpose? Run ``python tests/store/golden_texts.py`` and review the difference."""
    assert TEXTS[name] + "\n" == (FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def test_no_reviewed_text_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("*.sql")} == set(TEXTS)


@pytest.mark.parametrize("name", sorted(TEXTS.keys() - {"turn_four_claims_four_endings_a_seat"}))  # blocks of others
def test_the_batch_is_a_sentence_of_t_sql(name: str) -> None:
    sql = re.sub(r":(?=[a-z])", "@", TEXTS[name]).replace("?", "1")
    assert Linter(dialect="tsql").parse_string(sql).violations == []


def batches() -> list[str]:
    """Every batch of the limiter, of turns all shapes."""
    turns = [mssql_turn.text(shape).format(**NAMES) for shape in SHAPES]
    return [*(text for name, text in TEXTS.items() if name not in ("fence", "bell")), *turns]


@pytest.mark.parametrize("sql", batches(), ids=count())  # a text as an id is too long for Windows
def test_the_batch_keeps_the_rules_of_t_sql(sql: str) -> None:
    head = "SET NOCOUNT ON; SET XACT_ABORT ON; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;\n"
    assert sql.startswith(head)
    assert re.search(r"SET LOCK_TIMEOUT \d+;", sql)
    check_outputs(sql)
    for forbidden in (
        "MERGE",
        "@@ROWCOUNT",
        "SERIALIZABLE",
        "HOLDLOCK",
        "TABLOCK",
        "TOP",
        "WAITFOR",
        "OPENJSON",
        "GETDATE",
    ):
        assert not re.search(rf"\b{forbidden}\b|{forbidden}(?=\()", sql), forbidden
    for marks in re.findall(r"^.*\?.*$", sql, re.MULTILINE):  # values only in assignments, each once
        assert re.fullmatch(r"(SET @\w+=\?; ?)+", marks)
    assert sql.count("DATEDIFF_BIG") >= 1


def check_outputs(sql: str) -> None:
    """OUTPUT goes INTO a table variable, else error 334 where somebody adds a trigger."""
    for after in re.findall(r"\bOUTPUT\b(.*?)(?:WHERE|VALUES|;)", sql, re.DOTALL):
        assert re.search(r"\bINTO @\w+", after), after


def test_the_rule_of_outputs_bites() -> None:
    with pytest.raises(AssertionError):
        check_outputs("UPDATE t SET a=1 OUTPUT inserted.a WHERE b=2;")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_change_of_a_slot_is_by_its_whole_key(shape: Any) -> None:
    """One row a statement, no range scan with update locks (db-scheduler 348)."""
    sql = mssql_turn.text(shape).format(**NAMES)
    changes = re.findall(r"UPDATE identsync\.task_slot (.*?);", sql, re.DOTALL)
    assert len(changes) == sum(shape[:4])
    for change in changes:
        assert change.startswith("WITH (ROWLOCK) SET ")
        assert re.search(r"WHERE kind=('seat'|@\w+_kind) AND scope=@\w+_scope AND ", change)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_ask_stands_on_its_own(shape: Any) -> None:
    """Its block catches a lock and a deadlock, and nothing else; what it opened it closes."""
    sql = mssql_turn.text(shape)
    asks = sum(shape[:4])
    assert sql.count("BEGIN TRY") == sql.count("END TRY") == sql.count("END CATCH;") == asks
    assert sql.count("IF XACT_STATE()<>0 ROLLBACK TRANSACTION;") == asks
    assert sql.count("IF ERROR_NUMBER() NOT IN (1222, 1205) THROW;") == asks
    assert sql.count("BEGIN TRANSACTION;") == sql.count("COMMIT TRANSACTION;") == shape[1] + shape[3]


def test_no_code_relies_on_a_row_count() -> None:
    """NOCOUNT sticks to the connection: afterwards ``rowcount`` is -1."""
    for module in (mssql, mssql_turn):
        assert module.__file__
        with open(module.__file__, encoding="utf-8") as file:
            assert ".rowcount" not in file.read()


@needs_odbc
def test_no_statement_of_the_store_waits_for_a_lock_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    class Pooled(Driver):
        def execute(self, sql: str) -> Cursor:
            said.append(sql)
            return Cursor()

    engine = store_engine("mssql+pyodbc:///?odbc_connect=nowhere")
    event.listen(engine, "do_connect", lambda *_: Pooled())
    monkeypatch.setattr(engine.dialect, "initialize", lambda _: None)
    with engine.connect():
        assert said == ["SET LOCK_TIMEOUT 15000; SET NOCOUNT OFF;"]
    engine.dispose()


# -- a driver that fails ---------------------------------------------------------------------------------------------

FENCE = Fence("k", 1, 4, "h", 900)
ASKS: dict[str, Any] = {
    "seats": [SeatAsk(1, 1000, 1000)],
    "endings": [Ending(FENCE, 1000, "ok", {}, "")],
    "renewals": [Renewal(Fence("l", 1, 4, "h", 900), 1000)],
    "claims": [ClaimAsk("m", 1, 1000, 1000, "r", 1000)],
}
ANSWER = [
    (0, 0, "h", 1, 4, 2000, 1000, None),
    (3, 0, None, 1),
    (4, 0, None, 1, 900),
    (5, 0, "", 1, 4, 2000, 1000, 1, 1000, 0, 1, 0),
]


@pytest.mark.parametrize("name", ["deadlock", "deadlock by state alone", "snapshot conflict", "duplicate key", "link"])
def test_the_turn_is_said_again(name: str) -> None:
    one, link = limiter(ERRORS[name][0], ANSWER)
    reply = one.turn("h", 0, **ASKS)
    assert (reply.seats[0].granted, reply.endings, reply.renewals) == (True, (True,), (900,))
    assert reply.claims[0].fence == 4
    assert len(set(link.cursor().statements)) == 1
    assert link.closed == (name == "link")


@pytest.mark.parametrize(("name", "sent"), [("lock timeout", False), ("query timeout", False), ("server away", True)])
def test_the_whole_turn_is_unknown(name: str, sent: bool) -> None:
    one, _ = limiter(*[ERRORS[name][0]] * 3)
    with pytest.raises(Unavailable) as caught:
        one.turn("h", 0, **ASKS)
    assert caught.value.sent is sent


def test_a_defect_is_shown() -> None:
    one, _ = limiter(ERRORS["output with a trigger"][0])
    with pytest.raises(OdbcError):
        one.turn("h", 0, **ASKS)


def test_a_locked_row_costs_only_its_own_answer() -> None:
    locked = [ANSWER[0], (3, 0, None, 2), (4, 0, None, 2), (5, 0, None, 2, *[None] * 8)]
    one, _ = limiter(locked)
    reply = one.turn("h", 0, **ASKS)
    assert reply.seats[0].granted
    assert (reply.endings, reply.renewals, reply.claims[0].why) == ((None,), (LOCKED,), Denied.BUSY)


def test_a_lone_ask_that_meets_a_lock_is_told_so() -> None:
    alone = {part: [ERRORS["lock timeout"][0]] for part in ("endings", "renewals", "claims")}
    replies = {part: limiter(error[0])[0].turn("h", 0, **{part: ASKS[part]}) for part, error in alone.items()}
    assert replies["endings"].endings == (None,)
    assert replies["renewals"].renewals == (LOCKED,)
    assert replies["claims"].claims[0].why is Denied.BUSY


def test_a_stale_fence_is_answered_without_a_row() -> None:
    one, _ = limiter([(3, 0, None, 0)])
    asks = {"endings": ASKS["endings"], "renewals": ASKS["renewals"]}
    assert one.turn("h", 0, **asks).endings == (False,)
    one, _ = limiter([(3, 0, None, 0)])
    assert one.turn("h", 0, **asks).renewals == (None,)


class Connection:
    """Counts what pyodbc would send: a cursor's first execute prepares and runs, the same text again only runs."""

    def __init__(self) -> None:
        self.cursors = self.requests = 0
        self.plans: set[Any] = set()
        self.driver_connection = self

    def cursor(self) -> "Connection":
        self.cursors += 1
        return self

    description = ((),)

    def setinputsizes(self, sizes: list[Any]) -> None:
        self.sizes = sizes

    def execute(self, text: str, values: list[Any]) -> None:
        assert text.count("=?;") == len(values) == len(self.sizes)
        self.requests += 1
        self.plans.add((text, tuple(self.sizes)))

    answer: list[tuple[Any, ...]] = ANSWER

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.answer

    def invalidate(self) -> None:
        self.cursors = 0


def connected(connection: Connection) -> Limiter:
    class Engine:
        def raw_connection(self) -> Connection:
            return connection

    dialect = mssql.SQLServer(mssql.CLOCK, {key: NAMES[key] for key in ("slot", "rate", "presence", "run")})
    return Limiter(dialect, Link(Engine(), dialect.cursor))  # type: ignore[arg-type]


def test_the_server_needs_few_plans_whatever_is_asked() -> None:
    """A plan belongs to a text and its parameters' types, and pyodbc takes a string's length for its type."""
    connection = Connection()
    one = connected(connection)
    for n in range(2, 9):
        endings = [Ending(Fence("e" * i, n, 4, "h", 900), 1000, "ok", {"n": 10**n}, "x" * n) for i in range(1, n)]
        claims = [ClaimAsk("k" * i, n, 1000, 1000, "r" * n, 1000) for i in range(1, n)]
        connection.answer = [
            *((3, i, None, 1) for i in range(8)),  # the spare ones have their answers, too
            *((5, i, "", 1, 4, 2000, 1000, 1, 1000, 0, 1, 0) for i in range(n - 1)),
        ]
        reply = one.turn("h", 0, endings=endings, claims=claims)
        assert reply.endings == (True,) * (n - 1)
        assert [claim.fence for claim in reply.claims] == [4] * (n - 1)
    assert len(connection.plans) == 3  # one, four or eight of each
    assert {size for _, sizes in connection.plans for size in sizes} == {
        (12, 64, 0), (12, 16, 0), (12, 8000, 0), (-9, 400, 0), (-5, 0, 0),
    }  # fmt: skip


def test_one_request_per_turn_on_one_cursor() -> None:
    """A fresh cursor would add sp_unprepare; the same one, kept open, sends exactly one request an ask."""
    connection = Connection()
    one = connected(connection)
    for _ in range(5):
        one.turn("h", 0, **ASKS)
    assert (connection.cursors, connection.requests) == (1, 5)
