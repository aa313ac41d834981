"""Two that want the same rows of a PostgreSQL, let go when the database says that they stand where they would meet."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Select, text

from identsync.store import Store

_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname=current_database() AND wait_event_type='Lock'"
)  # fmt: skip


class Going:
    """Something that is done in a thread of its own; ``told`` is what it gave, or raised."""

    def __init__(self, what: Callable[[], Any]) -> None:
        self.told: Any = None
        self._what = what
        self._thread = threading.Thread(target=self._go)
        self._thread.start()

    def _go(self) -> None:
        try:
            self.told = self._what()
        except Exception as error:
            self.told = error

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def end(self) -> Any:
        self._thread.join()
        return self.told


def waits(store: Store, many: int, *others: Going) -> None:
    """Return once so many sessions wait for a lock, or all of the others have come to their end."""
    found = -1
    while found != many and not (others and all(each.is_over for each in others)):
        with store.read() as connection:
            found = connection.execute(_WAITING).scalar_one()


@contextmanager
def in_the_way(store: Store, row: Select[Any]) -> Iterator[None]:
    """Somebody else has this row until the end of the block."""
    with store.write() as connection:
        connection.execute(row.with_for_update())
        yield


def meet(store: Store, row: Select[Any], first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """Let ``first`` stop at that row, then ``second`` come to it; give what both return, or raise, when it is free."""
    going: list[Going] = []
    with in_the_way(store, row):
        for many, what in enumerate((first, second), 1):
            going.append(Going(what))
            waits(store, many)
    return [each.end() for each in going]
