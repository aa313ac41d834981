"""A database that cannot be reached says why in words, whatever the driver and the server's language."""

import socket
import sqlite3
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError
from test_store_failures import ERRORS

from identsync.errors import Stop, Unavailable
from identsync.language import speak
from identsync.store import open_store
from identsync.store.failures import unavailable
from identsync.store.unreached import why
from tsql import needs_odbc

ODBC = "[Microsoft][ODBC Driver 18 for SQL Server]"
HEARD = [  # as pyodbc tells it, and as a server whose messages are Russian does
    (f"[28000] {ODBC}[SQL Server]Login failed for user 'x'. (18456) (SQLDriverConnect)", "вход или пароль"),
    (f'[42000] {ODBC}[SQL Server]Cannot open database "x" requested by the login. (4060)', "нет такой базы"),
    (f"[08001] {ODBC}SSL Provider: The certificate chain was issued by an authority (-2146893019)", "сертификату"),
    (f"[08001] {ODBC}TCP Provider: No connection could be made: actively refused it. (10061)", "никто не отвечает"),
    (f"[08001] {ODBC}Named Pipes Provider: Could not open a connection to SQL Server [53]. (53)", "никто не отвечает"),
    (f"[HYT00] {ODBC}Login timeout expired (0) (SQLDriverConnect)", "вовремя"),
    pytest.param(
        "[01000] [unixODBC][Driver Manager]Can't open lib 'X' : file not found (0)", "драйвера ODBC", marks=needs_odbc
    ),
    pytest.param(
        "[IM002] [Microsoft][ODBC Driver Manager] Data source name not found", "драйвера ODBC", marks=needs_odbc
    ),
    (f"[28000] {ODBC}[SQL Server]The account is currently locked out. (18486) (SQLDriverConnect)", "заблокирован"),
    ('FATAL:  permission denied for database "x"\nDETAIL:  User does not have CONNECT privilege.', "не открыта для"),
    ('ВАЖНО:  пользователь "x" не прошёл проверку подлинности (по паролю)', "вход или пароль"),
    ('ВАЖНО:  база данных "x" не существует', "нет такой базы"),
    ('FATAL:  no pg_hba.conf entry for host "10.0.0.7", user "x", database "y"', "не пускает"),
]


@pytest.fixture(autouse=True)
def russian() -> None:
    speak("ru")


@pytest.mark.parametrize(("text", "said"), HEARD)
def test_what_a_driver_says_becomes_words_and_something_to_do(text: str, said: str) -> None:
    told = why(RuntimeError(text))
    assert told is not None
    assert said in told[0]
    assert len(told[1]) > 10


def test_a_statement_that_failed_is_not_taken_for_a_server_that_is_away() -> None:
    assert why(psycopg.errors.UniqueViolation('duplicate key value violates unique constraint "a"')) is None
    assert why(RuntimeError(f"[42S02] {ODBC}[SQL Server]Invalid object name 'x'. (208) (SQLExecDirectW)")) is None


@pytest.mark.parametrize(
    ("url", "module", "to_do"),
    [("mssql+pyodbc://u@h/d?driver=x", "pyodbc", "unixODBC"), ("postgresql+psycopg://u@h/d", "psycopg", "pip install")],
)
def test_a_computer_without_the_databases_driver_is_told_what_to_install(
    url: str, module: str, to_do: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Stop, match=module) as caught:
        open_store(url)
    assert to_do in caught.value.hint


@pytest.mark.parametrize("name", ["lock timeout", "pg lock", "sqlite lock"])
def test_a_lock_that_somebody_holds_is_none_of_the_network(name: str) -> None:
    """SQL Server's time-out of a lock has the SQLSTATE of a server that is silent."""
    busy = sqlite3.OperationalError("database is locked")
    busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
    error = unavailable(busy if name == "sqlite lock" else ERRORS[name][0])
    assert "заняты" in str(error)
    assert "не ответил" not in str(error)
    assert "транзакц" in error.hint
    assert "сеть" not in error.hint


def refused(url: str) -> str:
    with pytest.raises((Unavailable, DBAPIError)) as caught:
        open_store(url).now_ms()
    assert isinstance(caught.value, Unavailable)
    assert caught.value.hint
    return str(caught.value)


@pytest.mark.postgresql
def test_a_real_postgresql_is_understood(postgres_url: str) -> None:
    url = make_url(postgres_url)
    assert "нет такой базы" in refused(url.set(database="nosuch").render_as_string(hide_password=False))
    assert "вход или пароль" in refused(url.set(username="nobody").render_as_string(hide_password=False))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = url.set(host="127.0.0.1", port=nobody.getsockname()[1], query={})
        assert "никто не отвечает" in refused(away.render_as_string(hide_password=False))


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    assert "файл базы" in refused(f"sqlite:///{tmp_path / 'nowhere' / 'a.db'}")


@pytest.mark.parametrize(
    ("name", "said"),
    [("log full", "нет места"), ("pg disk full", "нет места"), ("pg read-only", "только для чтения"),
     ("read-only after fail-over", "только для чтения"), ("no right", "не хватает прав"),
     ("pg no right", "не хватает прав"), ("login locked", "заблокирован")],
)  # fmt: skip
def test_what_keeps_a_database_from_writing_is_said_with_what_to_do(name: str, said: str) -> None:
    error = unavailable(ERRORS[name][0])
    assert said in str(error)
    assert error.hint
