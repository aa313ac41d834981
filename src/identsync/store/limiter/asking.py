"""Asking the database: one statement, repeated on a fresh connection or after a broken tie, never in the dark."""

import random
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from identsync.errors import NoDatabase
from identsync.store.failures import Reaction, is_refusal, reaction, unavailable
from identsync.store.limiter.dialect import Dialect
from identsync.store.limiter.link import Link

T = TypeVar("T")
TRIES = 3


class LockedError(NoDatabase):
    """A lock was not free in time."""


class _DuplicateError(Exception):
    pass


class Asking:
    """A dialect's statements over one connection; ``ties`` counts those the server undid to break a deadlock."""

    def __init__(self, dialect: Dialect, link: Link) -> None:
        self.ties = 0
        self._dialect = dialect
        self._link = link

    def close(self) -> None:
        """Close the connection; the next operation opens it again."""
        self._link.close()

    def _insert(self, statement: str, p: Mapping[str, Any]) -> None:
        try:
            self._ask(lambda cursor: self._dialect.run(cursor, statement, p))
        except _DuplicateError:
            return  # another client, or our own lost first try, was quicker: the row is there

    def _ask(self, work: Callable[[Any], T], *, again_after_duplicate: bool = False, patient: bool = True) -> T:
        """Run ``work``, up to three times: on a fresh connection, or where the server broke a tie.

        Where a lock was not free in time a ``patient`` ask is repeated, too; another raises LockedError.
        """
        for left in reversed(range(TRIES)):
            try:
                return work(self._link.cursor())
            except Exception as error:
                again = self._judge(error, again_after_duplicate)
                if reaction(error) is Reaction.BUSY and not (patient and left):
                    raise LockedError("the database stayed locked", sent=False) from error
                if not again or not left:
                    raise unavailable(error) from error
                time.sleep(random.uniform(0.02, 0.2))  # noqa: S311
        raise AssertionError

    def _judge(self, error: Exception, again_after_duplicate: bool) -> bool:
        kind = reaction(error)
        self.ties += kind is Reaction.AGAIN
        if kind is Reaction.LOST:
            self._link.close()
        elif kind is Reaction.DEFECT:
            raise error
        elif kind is Reaction.DUPLICATE and not again_after_duplicate:
            raise _DuplicateError from error
        if is_refusal(error):
            return False  # at once it would be refused again, and some servers lock an account after a few tries
        return kind in {Reaction.AGAIN, Reaction.BUSY, Reaction.LOST, Reaction.DUPLICATE}
