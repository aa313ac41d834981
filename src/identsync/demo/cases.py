"""Cases of service in the demo: what N3 has taken, what it got twice, and how that is told as it happens."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select

from identsync.language import _
from identsync.store.tables import egisz_book, egisz_exchange

if TYPE_CHECKING:
    from identsync.demo.stage import Stage


@dataclass(frozen=True, slots=True)
class Compared:
    """Cases that N3 has; visits that it has twice, in two cases or in one."""

    taken: int = 0
    doubled: int = 0


def compared(stage: "Stage") -> Compared:
    """Count on N3's side."""
    cases = stage.n3.cases()
    visits = [step["IdStepMis"] for each in cases for step in each["content"]["Steps"]]
    return Compared(len(cases), len(visits) - len(set(visits)))


@dataclass(slots=True)
class Teller:
    """Tells of the runs of the room ЕГИСЗ; remembers what it has told."""

    again: int = 0
    missing: int = 0
    unknown: int = 0

    def told(self, connection: Connection, kind: str, counts: Mapping[str, int]) -> Iterator[str]:
        """Yield sentences about a run that has ended well."""
        if kind.endswith(".books"):
            books = connection.execute(select(func.count()).select_from(egisz_book)).scalar()
            yield _("справочники и контракт N3 сверены, справочников: {books}", books=books)
            return
        if counts.get("confirmed"):
            yield _("N3 принял случаев: {count}", count=counts["confirmed"])
        if counts.get("unknown", 0) > self.unknown:
            told = _("N3 не ответил на случаев: {count}. Дошли ли они, неизвестно: уйдут ещё раз под тем же номером")
            yield told.format(count=counts["unknown"])
        self.unknown = counts.get("unknown", 0)
        if again := self._again(connection):
            yield _("без ответа было случаев: {count}. Отправлены ещё раз, N3 их уже знал: двойных нет", count=again)
        if counts.get("missing", 0) != self.missing:
            self.missing = counts.get("missing", 0)
            yield _("не готово случаев: {count}. Чего в них не хватает, видно на странице", count=self.missing)

    def _again(self, connection: Connection) -> int:
        """Return how many cases N3 has said since the last time that it has them already."""
        e = egisz_exchange.c
        there = select(func.count()).where(e.operation == "AddCase", e.fate == "there")
        before, self.again = self.again, int(connection.execute(there).scalar() or 0)
        return self.again - before
