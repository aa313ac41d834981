"""Ending from outside a transaction that hangs in another thread, so that it holds no row and no lock any longer."""

import contextlib
from typing import Any

_CANCEL_S = 2.0


def sever(raw: Any) -> None:
    """Break off what a DBAPI connection is at and close it: its transaction is undone. Blocks a little; any thread.

    SQLite and PostgreSQL. pyodbc can do neither from another thread: there the row stays locked until the call returns
    or the connection dies, and others are denied as BUSY.
    """
    breaks = getattr(raw, "interrupt", None) or getattr(raw, "cancel_safe", None)
    if breaks is None:
        return
    with contextlib.suppress(Exception):  # broken already, or between two statements
        breaks(timeout=_CANCEL_S) if hasattr(raw, "cancel_safe") else breaks()
    with contextlib.suppress(Exception):
        raw.close()
