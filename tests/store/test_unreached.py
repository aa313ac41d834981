"""A database that cannot be reached says why in words, whatever the driver and the server's language."""

import socket
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from identsync.errors import Unavailable
from identsync.language import speak
from identsync.store import open_store
from identsync.store.unreached import why

ODBC = "[Microsoft][ODBC Driver 18 for SQL Server]"
HEARD = [  # as pyodbc tells it, and as a server whose messages are Russian does
    (f"[28000] {ODBC}[SQL Server]Login failed for user 'x'. (18456) (SQLDriverConnect)", "вход или пароль"),
    (f'[42000] {ODBC}[SQL Server]Cannot open database "x" requested by the login. (4060)', "нет такой базы"),
    (f"[08001] {ODBC}SSL Provider: The certificate chain was issued by an authority (-2146893019)", "сертификату"),
    (f"[08001] {ODBC}TCP Provider: No connection could be made: actively refused it. (10061)", "никто не отвечает"),
    (f"[08001] {ODBC}Named Pipes Provider: Could not open a connection to SQL Server [53]. (53)", "никто не отвечает"),
    (f"[HYT00] {ODBC}Login timeout expired (0) (SQLDriverConnect)", "вовремя"),
    ("[01000] [unixODBC][Driver Manager]Can't open lib 'X' : file not found (0)", "драйвера ODBC"),
    ("[IM002] [Microsoft][ODBC Driver Manager] Data source name not found", "драйвера ODBC"),
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
