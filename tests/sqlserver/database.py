"""What stands in the database that the compiler sees: our tables, the clinic's views over IDENT's own, and the rest."""

import re
from collections.abc import Iterator

from sqlalchemy import MetaData, Table
from sqlalchemy.dialects import mssql
from sqlalchemy.schema import CreateTable

from ident_tables import TABLES
from identsync.clinic.contract import RELATIONS
from identsync.clinic.contract_cases import RELATIONS as CASES
from identsync.clinic.views import views
from identsync.store import migrate
from identsync.store.limiter import mssql as limiter

NAMES = {
    "clock": limiter.CLOCK,
    "power": limiter.SQLServer.power,
    "slot": "identsync.task_slot",
    "rate": "identsync.rate_slot",
    "presence": "identsync.presence",
    "run": "identsync.run_log",
}
"""What stands for the marks in the limiter's texts."""
TYPES = {"integer": "int", "varchar": "nvarchar", "boolean": "bit", "timestamp": "datetime"}  # others have one name
TRIAL = "CREATE TABLE identsync.tally (id int NOT NULL PRIMARY KEY, n bigint NULL)"
SERVER = (
    "CREATE SCHEMA server",
    "CREATE TABLE server.schemas (name sysname NOT NULL, schema_id int NOT NULL, principal_id int NULL)",
    "CREATE TABLE server.databases (name sysname NOT NULL, database_id int NOT NULL, compatibility_level tinyint NULL,"
    " snapshot_isolation_state tinyint NULL, is_read_committed_snapshot_on bit NULL)",
    "CREATE PROCEDURE dbo.sp_getapplock @Resource nvarchar(255), @LockMode varchar(32),"
    " @LockOwner varchar(32) = 'Transaction', @LockTimeout int = NULL, @DbPrincipal sysname = 'public' AS RETURN 0",
)
"""What every SQL Server has and the compiler has not, as far as we name it; ``server`` stands for ``sys`` there."""
_ADDED = re.compile(r"ALTER TABLE (\S+) ADD (.+);")


def texts() -> list[str]:
    """Return the statements CREATE, in an order in which they could be carried out."""
    return [*_engine(), *_ident(), *_views(), *_cases(), TRIAL, *SERVER]


def batches(script: str) -> list[str]:
    """Cut a script at its GO, as every tool of SQL Server does, without comments and the transaction around it all."""
    plain = re.sub(r"^(--.*|BEGIN TRANSACTION;|COMMIT;)\n", "", script, flags=re.MULTILINE)
    parts = re.split(r"^GO\s*$", plain, flags=re.MULTILINE)
    return [part.strip() for part in parts if part.strip()]


def _engine() -> Iterator[str]:
    """Make the tables as the migrations leave them: a column that came later stands in its table."""
    every = batches(migrate.script("mssql", "identsync"))
    added = [match.groups() for batch in every if (match := _ADDED.fullmatch(batch))]
    for batch in every:
        if batch.startswith("CREATE TABLE"):
            more = "".join(f",\n    {column}" for table, column in added if batch.split()[2] == table)
            yield batch.removesuffix("\n);") + more + "\n);"
        elif batch.startswith("CREATE"):
            yield batch


def _ident() -> Iterator[str]:
    for table, columns in TABLES.items():
        told = re.sub(r"\b(?<= )\w+\b(?=[,(]|$)", lambda kind: TYPES.get(kind[0], kind[0]), columns)
        yield f"CREATE TABLE dbo.{table} ({told})"


def _views() -> Iterator[str]:
    """Make the views as new ones: the compiler reads CREATE OR ALTER and then knows of no view."""
    return (batch.replace("CREATE OR ALTER VIEW", "CREATE VIEW", 1) for batch in batches(views("mssql")))


def _cases() -> Iterator[str]:
    """Make those relations of the contract for which there are no views yet."""
    made = re.findall(r"VIEW (clinic_\w+)", views("mssql"))
    home, dialect = MetaData(), mssql.dialect(deprecate_large_types=True)  # type: ignore[no-untyped-call]
    for table in (*RELATIONS, *CASES):
        if table.name not in made:
            there: Table = table.to_metadata(home, schema="dbo")
            yield str(CreateTable(there).compile(dialect=dialect))
