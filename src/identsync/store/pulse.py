"""The pulse: who looks at something often asks for one small number, and looks only where it has changed.

On all three databases it is a row read by its key. It is rung in the transaction that writes the news, so that whoever
sees the new beat sees the news.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from identsync.store.tables import pulse


def ring(connection: Connection, name: str) -> None:
    """Tell that there is news of ``name``, at most 64 ASCII characters."""
    beat = update(pulse).where(pulse.c.name == name).values(beat=pulse.c.beat + 1)
    if connection.execute(beat).rowcount:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(pulse).values(name=name, beat=1))
    except IntegrityError:  # somebody rang it for the first time in this moment
        connection.execute(beat)


def beats(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Return the beats of these names; what was never rung is 0."""
    rows = connection.execute(select(pulse.c.name, pulse.c.beat).where(pulse.c.name.in_(names)))
    return dict.fromkeys(names, 0) | {row.name: row.beat for row in rows}
