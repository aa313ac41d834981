"""A password that is changed while a client runs is used for its next connection, the store's and the limiter's."""

import pytest
from sqlalchemy import Engine, event

from identsync.errors import NoSecret
from identsync.store.connect import limiter_engine, store_engine
from tsql import needs_odbc

POSTGRESQL = "postgresql+psycopg://engine:{}@h/d?application_name=x"
SQL_SERVER = "mssql+pyodbc://engine:{}@h/d?driver=ODBC+Driver+18+for+SQL+Server"
URLS = [POSTGRESQL, pytest.param(SQL_SERVER, marks=needs_odbc)]


class Opened(Exception):
    """With what a connection would have been opened."""


def opened(engine: Engine) -> str:
    with pytest.raises(Opened) as told:
        engine.raw_connection()
    return str(told.value)


@pytest.mark.parametrize("make", [store_engine, limiter_engine])
@pytest.mark.parametrize("url", URLS)
def test_each_connection_is_opened_with_the_password_of_now(url: str, make: object) -> None:
    secrets = ["old"]

    def source() -> str:
        if not secrets:
            raise NoSecret("secret:database: gone")
        return url.format(secrets[0])

    engine = make(source)  # type: ignore[operator]

    def stop(_dialect: object, _record: object, arguments: list[str], options: dict[str, object]) -> None:
        raise Opened(f"{arguments} {options}")

    event.listen(engine, "do_connect", stop)
    assert "old" in opened(engine)
    secrets[:] = ["new"]
    assert "new" in opened(engine)
    assert "old" not in opened(engine)
    secrets.clear()
    assert "old" in opened(engine)  # none to be read: that of the start may still let us in
