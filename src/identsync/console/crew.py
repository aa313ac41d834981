"""Who holds each branch's seat, who is alive beside it, who takes over next and how soon, by the engine's own rules.

A scope's clients stand in line as ``engine/seat.py`` has them: the holder, then administrators before directors, each
in the order of their ids. The follower of rank r looks every lease * 2^(r-1), the first two at most an eighth late.
Counted from the holder's last sign of life, that look finds the seat free; so the bounds here are constants, not
countdowns. A director looks as often, but is admitted only when the last administrator has been silent for the
presence time.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import Connection

from identsync.engine.integration import Role
from identsync.engine.seat import patience, spacing
from identsync.engine.state import Policy, presence
from identsync.store import slots
from identsync.store.limiter import Present
from identsync.store.slots import SeatView

POLICY = Policy()
SLEEPER_MS = POLICY.backoff_cap_ms * 3 // 2 + 1_000  # who was not seen for so long is not in line any more
SHOWN_SILENT_MS = 15 * 60_000  # how long a client that fell silent is still shown
RECENT_MS = 10 * 60_000  # how long a change of hands is news
NEWS = 8  # so many changes of hands are looked up in the journal; more at once is a network that was switched on
PUNCTUAL = 2  # followers whose look is at most an eighth late; the others' is at most half late


class Standing(StrEnum):
    """How a scope is led."""

    LED = "led"  # by an administrator's client
    STAND_IN = "stand_in"  # by a director's: no administrator is alive
    VACANT = "vacant"  # the holder fell silent or left, and somebody is in line
    EMPTY = "empty"  # nobody is alive


@dataclass(frozen=True, slots=True)
class Member:
    """A client in line: ``rank`` 0 holds the seat, 1 is next; None = silent for longer than its turn.

    ``within_ms`` is how long after the holder's last sign of life this one has taken over at the latest.
    """

    client: str
    role: Role
    seen_ms: int
    rank: int | None
    within_ms: int = 0

    @property
    def is_alive_administrator(self) -> bool:
        """Whether a director has nothing to do beside this one."""
        return self.rank is not None and self.role is Role.ADMINISTRATOR


@dataclass(frozen=True, slots=True)
class Crew:
    """A scope's clients: members in line, the holder first, then the silent ones.

    ``since_ms`` is when the holder took the seat, ``by_ms`` when a vacant seat is taken at the latest; ``moved``:
    it changed hands lately, and ``former`` led before; ``administrator_ms`` when an administrator was last seen, where
    none is alive.
    """

    scope: int
    standing: Standing
    members: tuple[Member, ...]
    since_ms: int | None = None
    by_ms: int | None = None
    moved: bool = False
    former: Present | None = None
    administrator_ms: int | None = None

    @property
    def holder(self) -> Member | None:
        """The client that holds the seat."""
        return self.members[0] if self.members and self.members[0].rank == 0 else None

    @property
    def heirs(self) -> tuple[Member, ...]:
        """The clients that would take over, in their order."""
        return tuple(member for member in self.members if member.rank)

    @property
    def silent(self) -> tuple[Member, ...]:
        """The clients that have lately fallen silent."""
        return tuple(member for member in self.members if member.rank is None)

    @property
    def alive(self) -> int:
        """How many clients are alive."""
        return sum(member.rank is not None for member in self.members)

    @property
    def mark(self) -> str:
        """What changes when the crew must be drawn again."""
        return f"{self.scope}{self.standing}{','.join(f'{one.client}{one.rank}' for one in self.members)}"


def crews(connection: Connection, now_ms: int, *, told: bool = True) -> dict[int, Crew]:
    """Return the crew of every scope that has a seat; ``told``: with what the journal knows of changes of hands."""
    found = _with_network([crew_of(seat, now_ms) for seat in slots.seats(connection, presence_ttl_ms=SLEEPER_MS)])
    if told:
        gone, looks = slots.administrators_seen(connection), iter(range(1, NEWS + 1))
        found = [_told(connection, crew, gone, looks) for crew in found]
    return {crew.scope: crew for crew in found}


def crew_of(seat: SeatView, now_ms: int, cap_ms: int = POLICY.backoff_cap_ms) -> Crew:
    """Return the crew of one seat as it stands at ``now_ms`` of the database's clock."""
    lease = max(seat.eligible_ms - seat.stamp_ms, 0) or POLICY.seat_lease_max_ms
    line, silent = _line(seat, now_ms, lease, patience(lease, len(seat.present), cap_ms))
    if seat.holder is not None:
        holder = _holder(seat, seat.holder)
        standing = Standing.STAND_IN if holder.role is Role.DIRECTOR else Standing.LED
        moved = seat.fence > 1 and seat.since_ms is not None and seat.since_ms > now_ms - RECENT_MS
        return Crew(seat.scope, standing, (holder, *line, *silent), seat.since_ms, moved=moved)
    if line:
        return Crew(seat.scope, Standing.VACANT, (*line, *silent), by_ms=seat.stamp_ms + line[0].within_ms)
    return Crew(seat.scope, Standing.EMPTY, tuple(silent))


def _holder(seat: SeatView, client: str) -> Member:
    for one in seat.present:
        if one.client == client:
            return Member(client, Role(one.role), one.seen_ms, 0)
    return Member(client, Role.ADMINISTRATOR, seat.stamp_ms, 0)


def _line(seat: SeatView, now_ms: int, lease_ms: int, cap_ms: int) -> tuple[list[Member], list[Member]]:
    """Return the followers by rank, and who fell silent, the latest first; the rule of ``engine.seat.rank_of``."""
    known = presence(lease_ms, cap_ms)
    ruled = any(one.role == Role.ADMINISTRATOR and now_ms - one.seen_ms < known for one in seat.present)
    line: list[Member] = []
    silent: list[Member] = []
    for one in sorted(seat.present, key=lambda one: (one.role, one.client)):
        role, age = Role(one.role), now_ms - one.seen_ms
        gap = spacing(lease_ms, len(line) + 1, cap_ms)
        if one.client == seat.holder:
            continue
        if age <= gap * 3 // 2 + 1_000:
            rank = len(line) + 1
            within = _within(rank, lease_ms, cap_ms, barred=ruled and role is Role.DIRECTOR)
            line.append(Member(one.client, role, one.seen_ms, rank, within))
        elif age <= SHOWN_SILENT_MS:
            silent.append(Member(one.client, role, one.seen_ms, None))
    return line, sorted(silent, key=lambda one: -one.seen_ms)


def _within(rank: int, lease_ms: int, cap_ms: int, *, barred: bool) -> int:
    """Return how long after the holder's last sign of life the follower of a rank has the seat, ms."""
    gap = spacing(lease_ms, rank, cap_ms)
    look = gap + (gap // 8 if rank <= PUNCTUAL else gap // 2)
    if not barred:
        return look
    known = presence(lease_ms, cap_ms)
    if look <= known - lease_ms:
        return known + lease_ms // 4
    return max(look, known) + lease_ms + lease_ms // 4


def _with_network(found: list[Crew], cap_ms: int = POLICY.backoff_cap_ms) -> list[Crew]:
    """Return the crews with the network's (scope 0) as it is: only those that lead a branch can lead the network."""
    leading = {crew.holder.client: crew for crew in found if crew.scope and crew.holder}
    return [crew if crew.scope else _network(crew, leading, cap_ms) for crew in found]


def _network(crew: Crew, leading: Mapping[str, Crew], cap_ms: int) -> Crew:
    """Return the network's crew: who leads another branch is alive, however seldom it looks here."""
    asleep = [replace(one, within_ms=cap_ms + cap_ms // 2) for one in crew.silent]
    heirs = {one.client: one for one in (*crew.heirs, *asleep) if one.client in leading}
    heirs |= {one.client: one for one in _at_home(crew, leading)}
    if not heirs:
        return crew
    line = [
        replace(one, rank=rank) for rank, one in enumerate(sorted(heirs.values(), key=lambda one: one.within_ms), 1)
    ]
    holder = [crew.holder] if crew.holder else []
    by_ms = None if crew.by_ms is None else crew.by_ms - crew.heirs[0].within_ms + line[0].within_ms
    return replace(crew, members=(*holder, *line), by_ms=by_ms)


def _at_home(crew: Crew, leading: Mapping[str, Crew]) -> list[Member]:
    """Return who inherits the holder's branch, and asks for the network at once: no director while others lead."""
    home = leading.get(crew.holder.client) if crew.holder else None
    heirs = home.heirs[:1] if home else ()
    alone = len(leading) == 1
    return [
        replace(one, rank=0, within_ms=2 * one.within_ms) for one in heirs if alone or one.role is Role.ADMINISTRATOR
    ]


def _told(connection: Connection, crew: Crew, gone: Mapping[int, int], looks: Iterator[int]) -> Crew:
    """Add who led before a recent change of hands, and since when no administrator is alive."""
    administrator_ms = None if any(one.is_alive_administrator for one in crew.members) else gone.get(crew.scope)
    former = None
    if crew.moved and crew.holder is not None and crew.since_ms is not None and next(looks, None):
        former = slots.forerunner(connection, crew.scope, crew.holder.client, crew.since_ms)
    return replace(crew, former=former, administrator_ms=administrator_ms)
