"""The administrator's scripts: with the rights they give the engine works, and nothing else is to be had by them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, func, make_url, select, text
from sqlalchemy.exc import ProgrammingError

from identsync.clinic import contract, contract_cases
from identsync.clinic.views import reading
from identsync.errors import Stop, Unavailable
from identsync.store import open_store
from identsync.store.clients import rehearse
from identsync.store.migrate import script
from identsync.store.migrations import REVISIONS
from identsync.store.rights import quoted, rights
from identsync.store.tables import client, lead
from identsync.store.trial import run_trial

pytestmark = pytest.mark.postgresql
PASSWORD = "ВПИШИТЕ ПАРОЛЬ"  # as the script has it
NOT_ALLOWED = "permission denied"


@dataclass
class Server:
    """A PostgreSQL of which an administrator has been given a script."""

    admin: str
    login: str
    name: str

    @property
    def url(self) -> str:
        """The engine's URL, with its own login."""
        own = make_url(self.admin).set(username=self.login, password=PASSWORD, database=self.name)
        return own.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)

    def run(self, sql: str) -> None:
        """Run a script as psql does, ``\\connect`` and all."""
        own = re.sub(r"\bDATABASE identsync\b", f"DATABASE {self.name}", sql)
        outside, _, inside = own.partition("\\connect identsync\n")
        for database, part in (("postgres", outside), (self.name, inside)):
            url = make_url(self.admin).set(database=database).render_as_string(hide_password=False)
            with psycopg.connect(url, autocommit=True) as connection:
                for each in part.split(";\n"):
                    if re.sub(r"--.*", "", each).strip():
                        connection.execute(each)  # type: ignore[call-overload]


@pytest.fixture
def server(postgres: Any) -> Iterator[Server]:
    name = f"rights_{token_hex(6)}"
    admin = make_url(postgres.url("postgres")).set(drivername="postgresql").render_as_string(hide_password=False)
    yield Server(admin, name, name)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[call-overload]
        connection.execute(f"DROP ROLE IF EXISTS {name}")  # type: ignore[call-overload]


def works(url: str) -> None:
    """Migrate, claim and finish, write and read, as a client does."""
    store = open_store(url)
    try:
        store.migrate()
        limiter = store.limiter()
        seat = limiter.seat(1, "someone", 0, lease_ms=5_000, presence_ttl_ms=60_000)
        assert seat is not None
        with store.write() as connection:
            assert connection.execute(lead.select()).all() == []
            connection.execute(lead.delete())
    finally:
        store.close()


@pytest.mark.parametrize("fixed", [False, True], ids=["own tables", "fixed tables"])
def test_with_these_rights_the_engine_works_and_may_do_nothing_else(server: Server, fixed: bool) -> None:
    server.run(rights("postgresql", server.login, "identsync", fixed=fixed))
    works(server.url)
    engine = create_engine(server.url)
    refused = ["CREATE TABLE public.x (n int)", "CREATE SCHEMA other", "CREATE TEMPORARY TABLE x (n int)"]
    for sql in [*refused, *(["CREATE TABLE identsync.x (n int)", "DROP TABLE identsync.lead"] if fixed else [])]:
        said = "must be owner" if sql.startswith("DROP") else NOT_ALLOWED
        with pytest.raises(ProgrammingError, match=said), engine.begin() as connection:
            connection.execute(text(sql))
    engine.dispose()


def test_who_may_make_no_tables_is_told_what_the_trial_needs(server: Server) -> None:
    server.run(rights("postgresql", server.login, "identsync", fixed=True))
    with pytest.raises(Stop) as caught:
        run_trial(server.url, schema="identsync", seconds=0.1)
    assert "42501" in str(caught.value)
    assert "право создавать таблицы" in caught.value.hint


def test_who_may_read_and_not_write_is_told_so_and_works_once_he_may(server: Server) -> None:
    server.run(rights("postgresql", server.login, "identsync", fixed=True))
    server.run(f"\\connect identsync\nREVOKE UPDATE ON ALL TABLES IN SCHEMA identsync FROM {server.login}")
    store = open_store(server.url)
    try:
        store.migrate()
        with pytest.raises(Unavailable, match="не хватает прав"), store.write() as connection:
            rehearse(connection)
        with pytest.raises(Unavailable, match="не хватает прав"):
            store.limiter().claim("x", 0, holder="a", role=0, lease_ms=1, interval_ms=1, request="r", presence_ttl_ms=1)
        server.run(f"\\connect identsync\nGRANT UPDATE ON ALL TABLES IN SCHEMA identsync TO {server.login}")
        with store.write() as connection:
            rehearse(connection)
            assert connection.execute(select(func.count()).select_from(client)).scalar() == 0  # nobody is left behind
    finally:
        store.close()


def test_the_clinics_views_may_be_read_and_nothing_else_of_the_clinic(server: Server) -> None:
    server.run(rights("postgresql", server.login, "identsync", fixed=False))
    clinic = create_engine(make_url(server.admin).set(drivername="postgresql+psycopg", database=server.name))
    contract.contract.create_all(clinic)
    with clinic.begin() as connection:
        connection.execute(text("CREATE TABLE public.payroll (n int)"))
    clinic.dispose()
    server.run("\\connect identsync\n" + reading("postgresql", server.login, "public"))
    engine = create_engine(server.url)
    assert contract.check(engine) == contract_cases.check(engine) == []
    for sql in ("SELECT * FROM public.payroll", "DELETE FROM public.clinic_patient"):
        with pytest.raises(ProgrammingError, match=NOT_ALLOWED), engine.begin() as connection:
            connection.execute(text(sql))
    engine.dispose()


@pytest.mark.parametrize("since", list(REVISIONS)[:-1])
def test_tables_made_by_hand_are_brought_on_by_what_is_printed_since(server: Server, since: str) -> None:
    """And rights given before hold for tables that came later."""
    whole = rights("postgresql", server.login, "identsync", fixed=True)
    base, step, later = whole.partition(f"-- Running upgrade {since} ")
    assert step
    server.run(base + "COMMIT;\n" + later.partition("COMMIT;\n")[2])
    server.run("\\connect identsync\n" + script("postgresql", "identsync", since))
    works(server.url)


def test_a_name_is_spelled_so_that_nothing_else_can_be_in_it() -> None:
    assert quoted("mssql", "a]; DROP TABLE x --") == "[a]]; DROP TABLE x --]"
    assert quoted("postgresql", 'a"b') == '"a""b"'
