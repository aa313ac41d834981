"""Tasks and clients by branch, as the overview shows them: rows, groups, and what needs a person."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from identsync.console.crew import Crew, Standing
from identsync.console.states import RANK, LastRun, State
from identsync.console.troubles import Trouble
from identsync.engine.integration import Role
from identsync.store.slots import SlotView

SHORT = 6  # of a client id, where its computer has no name


@dataclass(frozen=True, slots=True)
class Row:
    """A task of one scope as the page shows it."""

    slot: SlotView
    title: str
    state: State
    last: LastRun | None
    trouble: Trouble | None
    detail: str

    @property
    def id(self) -> str:
        """The row's id on the page."""
        return f"task-{self.slot.scope}-{self.slot.kind.replace('/', '-')}"


@dataclass(slots=True)
class Group:
    """A branch (scope 0: the network) with its tasks and its clients."""

    scope: int
    name: str
    zone: str | None
    crew: Crew | None
    rows: list[Row] = field(default_factory=list)

    @property
    def worst(self) -> str:
        """The colour of the worst task."""
        return min((row.state.kind for row in self.rows), key=RANK.__getitem__, default="idle")

    @property
    def colour(self) -> str:
        """The branch's colour where it is one cell: a stand-in or a missing crew is worth a look."""
        return "warn" if self.worst not in ("bad", "warn") and self.standing is not Standing.LED else self.worst

    @property
    def noticeable(self) -> list[Row]:
        """The tasks that are shown of a branch that is not opened."""
        return [row for row in self.rows if row.state.kind in ("bad", "warn") or row.slot.paused]

    @property
    def standing(self) -> Standing:
        """How the branch is led."""
        return self.crew.standing if self.crew else Standing.EMPTY

    @property
    def last_ms(self) -> int | None:
        """When anything of the branch last ended well."""
        return max((row.slot.last_ok_ms for row in self.rows if row.slot.last_ok_ms), default=None)

    @property
    def order(self) -> tuple[Any, ...]:
        """Where it stands in the list: the network, then what needs a look, then by name."""
        trouble = min(RANK[self.worst], 2)
        return self.scope != 0, trouble, self.standing is Standing.LED, self.name, self.scope


@dataclass(slots=True)
class Cause:
    """One thing that needs a person, and every branch where it stands."""

    row: Row
    places: list[tuple[Group, Row]] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The card's id on the page; it stays while the first branch of the cause stays."""
        return f"cause-{self.row.id}"

    @property
    def scopes(self) -> str:
        """The branches' ids as an action takes them."""
        return ",".join(str(row.slot.scope) for _group, row in self.places)


class Names:
    """What people call the clients: the computer's name, with some of the id where several run on one computer."""

    def __init__(self, computers: Mapping[str, str], present: Iterable[str]) -> None:
        self._computers = computers
        here = [computers[client] for client in set(present) if client in computers]
        self._shared = {name for name in here if here.count(name) > 1}

    def __call__(self, client: str) -> str:
        """Return the name of a client."""
        name = self._computers.get(client)
        if name is None:
            return client[:SHORT]
        return f"{name} {client[: SHORT - 2]}" if name in self._shared else name


def grouped(rows: Iterable[Row], crews: Mapping[int, Crew], branches: Mapping[int, Any]) -> list[Group]:
    """Return every scope that has tasks, or clients beside its seat; what needs a look stands first."""
    groups: dict[int, Group] = {}

    def group(scope: int) -> Group:
        if scope not in groups:
            branch = branches.get(scope)
            name, zone = (branch.name, branch.zone) if branch else ("", None)
            groups[scope] = Group(scope, name, zone, crews.get(scope))
        return groups[scope]

    for row in rows:
        group(row.slot.scope).rows.append(row)
    for scope, crew in crews.items():
        if crew.members:
            group(scope)
    for each in groups.values():
        each.rows.sort(key=lambda row: (RANK[row.state.kind], row.title))
    return sorted(groups.values(), key=lambda each: each.order)


def causes_of(groups: Sequence[Group]) -> list[Cause]:
    """Return what needs a person, the same trouble of the same task in many branches as one cause."""
    causes: dict[tuple[str, str, str], Cause] = {}
    for group in groups:
        for row in group.rows:
            if row.state.attention:
                why = row.trouble.title if row.trouble else row.detail
                causes.setdefault((row.slot.kind, row.state.words, why), Cause(row)).places.append((group, row))
    return sorted(causes.values(), key=lambda cause: -len(cause.places))


def counts_of_rows(rows: Sequence[Row]) -> dict[str, int]:
    """Return how many tasks there are of each colour, in all, and paused."""
    counts = dict.fromkeys(RANK, 0)
    for row in rows:
        counts[row.state.kind] += 1
    return counts | {"all": len(rows), "paused": sum(row.slot.paused for row in rows)}


def alive(crews: Iterable[Crew]) -> dict[Role, int]:
    """Return how many clients are alive in the network, by role."""
    present = {(one.client, one.role) for crew in crews for one in crew.members if one.rank is not None}
    return {role: sum(of is role for _client, of in present) for role in (Role.ADMINISTRATOR, Role.DIRECTOR)}


def at_home(crews: Mapping[int, Crew], branches: Mapping[int, Any]) -> dict[str, str]:
    """Return by client the name of the branch it leads: what the network's own line of clients is told by."""
    leading = {crew.holder.client: scope for scope, crew in crews.items() if crew.holder and scope}
    return {client: branches[scope].name for client, scope in leading.items() if scope in branches}
