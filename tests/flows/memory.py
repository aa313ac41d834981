"""A database in memory."""

import weakref
from collections.abc import Sequence

from sqlalchemy import Engine, StaticPool, Table, create_engine

from identsync.store.tables import metadata


def database(owner: object, tables: Sequence[Table]) -> Engine:
    """Make a SQLite in memory with these tables, closed when its owner goes: else a warning on 3.13."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    weakref.finalize(owner, engine.dispose)
    metadata.create_all(engine, tables=tables)
    return engine
