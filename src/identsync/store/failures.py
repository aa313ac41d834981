"""What a database's error means for the caller, in one place, told from its codes without importing any driver.

Codes: SQLSTATE (psycopg ``sqlstate``, pyodbc ``args[0]``), SQL Server's own number (in pyodbc's message), SQLite's
extended result code. 1205, 40001 and 3960 reach us as ``DBAPIError``, not as ``OperationalError``: class
names say nothing.
"""

import re
from enum import Enum

import structlog

from identsync.errors import NoDatabase
from identsync.language import _
from identsync.store.unreached import why

log = structlog.get_logger(__name__)


class Reaction(Enum):
    """What to do after a failed statement."""

    AGAIN = "again"  # the server undid it to break a tie: the same statement again, after 20-200 ms
    BUSY = "busy"  # a lock was not free in time: a claim is denied, anything else comes later
    DUPLICATE = "duplicate"  # somebody inserted the same key first
    LOST = "lost"  # the connection is gone; the statement may have been committed
    LATER = "later"  # time-out, disk full, read-only: the connection lives, the statement did not run
    DENIED = "denied"  # the login may not do that: somebody has to give it the right, then the same statement works
    DEFECT = "defect"  # nothing of the above: a mistake in a statement or in the database


_CLOSED = (18470, 18486, 18487, 18488)  # the login is switched off, locked or expired
_NO_SNAPSHOT = 3952  # one of the databases that a statement reads allows none
_NATIVE = {
    1205: Reaction.AGAIN,  # deadlock victim
    3960: Reaction.AGAIN,  # snapshot update conflict, where somebody forced SNAPSHOT on us
    1222: Reaction.BUSY,  # LOCK_TIMEOUT; its SQLSTATE may read HYT00, so the number is looked at first
    2627: Reaction.DUPLICATE,
    2601: Reaction.DUPLICATE,
    3906: Reaction.LOST,  # read-only after a fail-over: connect again, elsewhere
    596: Reaction.LOST,  # the session was killed
    **dict.fromkeys(_CLOSED, Reaction.LOST),
    # The server is starting, or the database in recovery, in a restore or moving to another server.
    **dict.fromkeys((4060, 4064, 18456, 922, 927, 976, 983, 40613), Reaction.LOST),
    **dict.fromkeys((1105, 9002), Reaction.LATER),  # file or log is full
    **dict.fromkeys((701, 802, 1204, 8645), Reaction.LATER),  # no memory, no locks left
    **dict.fromkeys((229, 230), Reaction.DENIED),  # on a table, on a column
    3961: Reaction.LATER,  # a table was altered since the snapshot began
    _NO_SNAPSHOT: Reaction.LATER,
}
_REFUSED = {4060, 4064, 18456, *_CLOSED}  # what a wrong name or password looks like, too
_STATE = {
    "40001": Reaction.AGAIN,
    "40P01": Reaction.AGAIN,
    "55P03": Reaction.BUSY,
    "23505": Reaction.DUPLICATE,
    "57P01": Reaction.LOST,  # pg_terminate_backend, shutdown
    "57P02": Reaction.LOST,
    "57P03": Reaction.LOST,
    "57P05": Reaction.LOST,
    "25006": Reaction.LOST,
    "25P03": Reaction.LOST,  # idle_in_transaction_session_timeout: this client was frozen in the middle of a write
    "53000": Reaction.LATER,
    "53100": Reaction.LATER,  # disk full
    "53200": Reaction.LATER,  # no memory
    "53300": Reaction.LATER,
    "58030": Reaction.LATER,  # input or output
    "57014": Reaction.LATER,
    "42501": Reaction.DENIED,
    "HYT00": Reaction.LATER,
    "HYT01": Reaction.LOST,
}
_SQLITE = {
    5: Reaction.BUSY,
    6: Reaction.BUSY,
    8: Reaction.LATER,  # read-only
    10: Reaction.LATER,  # input or output
    13: Reaction.LATER,  # disk full
    14: Reaction.LATER,  # cannot open
}
_SQLITE_DUPLICATE = {1555, 2067}  # SQLITE_CONSTRAINT_PRIMARYKEY, _UNIQUE
_NUMBER = re.compile(r"\((\d+)\)(?= \(SQL|;|$)")  # the server's own, not one that its sentence quotes from a row
_CONNECTION_WORDS = {"OperationalError", "InterfaceError"}


def reaction(error: BaseException) -> Reaction:
    """Tell what ``error`` (a driver's, or SQLAlchemy's around it) asks for."""
    error = getattr(error, "orig", None) or error
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return Reaction.DUPLICATE if code in _SQLITE_DUPLICATE else _SQLITE.get(code & 0xFF, Reaction.DEFECT)
    state = sqlstate(error)
    for number in _numbers(error):
        if number in _NATIVE:
            return _NATIVE[number]
    if state.startswith("08"):
        return Reaction.LOST
    if not state and hasattr(error, "sqlstate") and type(error).__name__ in _CONNECTION_WORDS:
        return Reaction.LOST  # psycopg: the socket broke before the server could say anything
    return _STATE.get(state, Reaction.DEFECT)


def sqlstate(error: BaseException) -> str:
    """SQLSTATE of a driver's error, '' where there is none."""
    state = getattr(error, "sqlstate", None)
    if state is None and _is_odbc(error):
        state = error.args[0]
    return state or ""


def unavailable(error: BaseException) -> NoDatabase:
    """Make the error the engine understands; of a driver's message only codes are told on, for it may quote data.

    A code stands in the sentence only where nothing better is known; the driver's class goes to the log.
    """
    origin = getattr(error, "orig", None) or error
    kind, code = reaction(error), _code(origin)
    log.info("database.unavailable", reaction=kind.value, error=type(origin).__name__, code=code)
    what, hint = unreached(error) or (_("база данных не ответила") + (f" ({code})" if code else ""), "")
    return NoDatabase(
        _("база движка: {what}", what=what), sent=kind is Reaction.LOST and not is_refusal(origin), hint=hint
    )


def unreached(error: BaseException) -> tuple[str, str] | None:
    """Say why a database let nobody in, or kept one waiting, and what to do; None for any other error."""
    origin = getattr(error, "orig", None) or error
    locked = reaction(origin) is Reaction.BUSY
    return why(origin, _code(origin), refused=is_refusal(origin), locked=locked)


def _code(error: BaseException) -> str:
    return sqlstate(error) or getattr(error, "sqlite_errorname", "")


def is_refusal(error: BaseException) -> bool:
    """Tell whether the server let nobody in: a wrong name, password or database, or one that is not open yet."""
    error = getattr(error, "orig", None) or error
    if not _REFUSED.isdisjoint(_numbers(error)) or sqlstate(error) in {"28000", "28P01"}:
        return True
    attempt = getattr(error, "pgconn", None)  # psycopg: of a connection that did not come about, without a SQLSTATE
    return bool(attempt is not None and attempt.used_password)


def refuses_snapshots(error: BaseException) -> bool:
    """Tell whether a statement reads a database of SQL Server that allows no snapshot."""
    return _NO_SNAPSHOT in _numbers(getattr(error, "orig", None) or error)


def _numbers(error: BaseException) -> list[int]:
    """SQL Server's own numbers, in the order of its messages."""
    return [int(number) for number in _NUMBER.findall(str(error.args[1]))] if _is_odbc(error) else []


def _is_odbc(error: BaseException) -> bool:
    first = error.args[0] if error.args else None
    return len(error.args) > 1 and isinstance(first, str) and len(first) == 5 and first.isalnum()
