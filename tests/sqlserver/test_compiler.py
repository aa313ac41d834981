"""Microsoft's compiler finds no fault with the T-SQL that is written out by hand, and finds faults made on purpose.

What SQLAlchemy writes is heard by tests/tsql.py and judged at the end of a whole run (verdict.py).
"""

from itertools import product

import pytest

from identsync.clinic.views import reading, views
from identsync.store import migrate
from identsync.store.limiter import mssql, mssql_turn
from identsync.store.rights import rights
from identsync.store.trial import server
from sqlserver import fetching
from sqlserver.database import NAMES, batches, texts
from sqlserver.judging import Question, Statement, distinct, judge, procedure

pytestmark = pytest.mark.xdist_group("compiler")  # it is asked once, by one worker
needs = pytest.mark.skipif(bool(fetching.missing()), reason=fetching.missing() or "it is here")
FENCED = ("varchar(64)", "bigint", "bigint", "varchar(64)", "bigint")
SHAPES = [*(shape for shape in product((0, 1), repeat=5) if any(shape[:4])), (2, 2, 2, 2, 0), (1, 8, 8, 8, 1)]
WRITTEN = {
    "limiter": [text.format(**NAMES) for text in mssql.SQLServer.statements.values()],
    "turns": [mssql_turn.text(shape).format(**NAMES) for shape in SHAPES],
    "fence": [
        mssql_turn.replaced(mssql.FENCE, dict.fromkeys(("kind", "scope", "fence", "holder", "started"), "?")).format(
            **NAMES
        )
    ],
    "clock": [f"SELECT {mssql.CLOCK}"],
    "migrations": [
        text for text in batches(migrate.script("mssql", "identsync")) if not text.startswith("CREATE SCHEMA")
    ],
    "whose turn it is to migrate": [migrate._TURN_MSSQL],
    "doctor": [server._MSSQL],
    "bell": [mssql.bell(NAMES, (7, 0))],
}
TABLE = "identsync.task_slot"
BAD = {
    f"SELECT fense FROM {TABLE}": "unresolved reference to object [identsync].[task_slot].[fense]",
    "SELECT kind FROM identsync.task_slots": "unresolved reference to object [identsync].[task_slots]",
    f"UPDATE {TABLE} SET fence=?, holdr=?": "[holdr]",
    f"UPDATE s SET fence=1 OUTPUT inserted.phence FROM {TABLE} s": "[phence]",
    f"DELETE FROM {TABLE} WHERE kind=@kind": 'Must declare the variable or parameter "@kind"',
    f"MERGE {TABLE} d USING (SELECT 1 AS n) s ON s.n=d.fence WHEN MATCHED THEN DELETE": "terminated by a semi-colon",
    f"SELECT kind FROM {TABLE} LIMIT 3": "Incorrect syntax near LIMIT",
    f"SELECT q.kind FROM (SELECT kind FROM {TABLE} ORDER BY kind) AS q": "ORDER BY clause is not valid",
    f"SELECT kind FROM {TABLE} OFFSET 3 ROWS FETCH NEXT 2 ROWS ONLY": "Incorrect syntax near",
    f"SELECT fence = 1 AS first FROM {TABLE}": "Incorrect syntax near AS",
    f"SELECT kind, fence IS NULL FROM {TABLE}": "Incorrect syntax near",
    f"SELECT kind FROM {TABLE} WHERE paused IS FALSE": "Incorrect syntax near",
    f"SELECT kind FROM {TABLE} WHERE (kind, scope) IN ((?, ?))": "Incorrect syntax near",
    f"INSERT INTO {TABLE} (kind) VALUES (?) RETURNING kind": "Incorrect syntax near",
    f"SELECT CAST(kind AS nosuch) FROM {TABLE}": "unresolved reference to object [dbo].[nosuch]",
    "SELECT who.born FROM (SELECT born_on FROM identsync.clinic_patient) AS who": "[born_on]",
    "SELECT is_not_there FROM sys.databases": "[is_not_there]",
    "EXEC sp_getapplock @Recourse=?": "[@Recourse]",
    "IF 1=1 BEGIN SELECT 1": "Unexpected end of file",
    f"INSERT INTO {TABLE} (kind, scope) SELECT kind, scope, fence FROM {TABLE}": "INSERT of 3 values into 2 columns",
    f"INSERT INTO {TABLE} (kind, scope) VALUES ('a', 1), (?)": "INSERT of 1 values into 2 columns",
    f"DECLARE @r TABLE (n int); DELETE FROM {TABLE} OUTPUT deleted.fence, 1 INTO @r (n)": "OUTPUT of 2 values into 1",
    f"IF 1=1 (SELECT kind, scope FROM {TABLE} UNION ALL SELECT kind FROM {TABLE})": "2 columns above UNION, 1 below",
    "SELECT name FROM identsync.clinic_branch WHERE name = N'what? here' AND phon = ?": "[phon]",
}
GOOD = [
    f"SELECT TOP 3 [kind], '?' AS [wh?t] FROM {TABLE} WHERE scope = ? ORDER BY kind -- why?",
    "SELECT surname FROM identsync.clinic_patient WHERE patient_id IN (?, ?, ?)",
    f"SELECT kind FROM {TABLE} ORDER BY kind OFFSET ? ROWS FETCH NEXT ? ROWS ONLY",
]


@pytest.fixture(scope="module")
def answers() -> list[list[str]]:
    """Everything the compiler says of all these texts, asked once: it takes seconds to start."""
    return judge(_written(), _broken(), _administrators())


@pytest.fixture(scope="module")
def said(answers: list[list[str]]) -> list[str]:
    return answers[0]


def _written() -> Question:
    kinds = {"fence": FENCED, "limiter": ("bigint",) * 99, "turns": ("bigint",) * 99}
    written = [Statement(text, kinds.get(what, ()), what) for what, texts in WRITTEN.items() for text in texts]
    bad = [Statement(text, ("bigint",), f"bad {number}") for number, text in enumerate(BAD)]
    good = [Statement(text, ("bigint",), "good") for text in GOOD]
    return Question([*written, *bad, *good], counting=True)


def _broken() -> Question:
    broken = [text.replace("s.Surname", "s.Nosuch") for text in texts()]
    as_told = batches(views("mssql"))
    cut = as_told[-1].replace("CROSS APPLY (", "CROSS APPLY ((")
    return Question(database=[*broken, *as_told, cut])


def _own() -> list[str]:
    """The administrator's statements, but for what is about databases: the compiler knows only one."""
    script = rights("mssql", "a]b", "identsync", fixed=False) + reading("mssql", "a]b", "dbo")
    each = [one.strip() for batch in batches(script) for one in batch.rstrip(";").split(";\n")]
    inside = (one for one in each if " DATABASE " not in one and "USE " not in one)
    return [*dict.fromkeys(one.partition(" WITH DEFAULT")[0] for one in inside)]


def _administrators() -> Question:
    """With what a database may have only once left out."""
    tables = [text for text in texts() if not text.startswith("CREATE SCHEMA identsync")]
    return Question(database=[*_own(), *tables, "GRANT SELECT ON dbo.clinic_patent TO [a]]b]"])


@needs
@pytest.mark.parametrize("what", ["the database", *WRITTEN, "good"])
def test_what_is_written_out_by_hand_is_taken(what: str, said: list[str]) -> None:
    """The database: tables as the migrations leave them, the views over IDENT's tables, the rest of the contract."""
    assert [one for one in said if one.startswith(f"{what}: ")] == []


@needs
@pytest.mark.parametrize("number", range(len(BAD)))
def test_faults_are_found(number: int, said: list[str]) -> None:
    [(_text, fault)] = [*BAD.items()][number : number + 1]
    assert [one for one in said if one.startswith(f"bad {number}: ") and fault in one] != []


@needs
def test_a_fault_of_the_database_is_found(answers: list[list[str]]) -> None:
    """The compiler reads CREATE OR ALTER, though it makes no view of it."""
    assert [one for one in answers[1] if "[dbo].[StaffsView].[Nosuch]" in one] != []
    assert len([one for one in answers[1] if "Incorrect syntax" in one]) == 1


@needs
def test_the_administrators_script_is_taken(answers: list[list[str]]) -> None:
    assert len(_own()) == 16
    [found] = answers[2]
    assert "[clinic_patent]" in found


def test_parameters_are_numbered_where_they_are_some() -> None:
    told = procedure("p", Statement(GOOD[0], ("bigint",), ""))
    assert told.startswith("CREATE PROCEDURE dbo.p @p1 bigint AS\n")
    assert "'?' AS [wh?t]" in told
    assert "scope = @p1 ORDER" in told
    assert told.endswith("-- why?")


def test_texts_that_differ_in_the_length_of_a_list_are_one() -> None:
    lists = [f"SELECT a FROM t WHERE b IN ({', '.join('?' * n)})" for n in (3, 1, 2)]
    rows = [f"INSERT INTO t (a, b) VALUES {', '.join(['(?, ?)'] * n)}" for n in (2, 1)]
    scratch = [f"DELETE FROM identsync.trial_{n}_tally" for n in ("0123abcd", "89efabcd")]
    left = distinct(Statement(text, (), "") for text in (*lists, *rows, *scratch))
    assert [each.text for each in left] == [lists[1], rows[1], scratch[0]]
