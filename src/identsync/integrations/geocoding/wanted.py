"""What the clinic wants on the map: the buildings of its patients and branches, with what people corrected."""

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import getrandbits
from typing import TYPE_CHECKING

from identsync.core.address import Address, parse
from identsync.core.columns import Columns, digest
from identsync.core.register import Register
from identsync.integrations.geocoding.books import Fix
from identsync.integrations.geocoding.cities import cities
from identsync.integrations.geocoding.place import Question

if TYPE_CHECKING:
    from identsync.clinic.source import Branch, ClinicSource

MAPPING = 1
"""The version of what is asked and kept of a building."""
MONTH = 30


@dataclass(frozen=True, slots=True)
class Wanted:
    """The buildings of the clinic's patients and its branches, with what people corrected."""

    register: Register
    buildings: Sequence[int]  # the register's, with ``counts`` in the same order
    counts: Sequence[int]
    desired: Columns
    own: Mapping[int, Question]  # of branches (key = -number) and of corrected buildings; others are in the register
    pins: Mapping[int, Fix]
    homes: Mapping[int, str]  # the branches' cities, '' where nobody names one

    def question(self, key: int) -> Question:
        """Give what is asked of a building."""
        return self.own.get(key) or _question(key, self.register.address(key))

    def body(self, questions: Sequence[Question]) -> bytes:
        """Give the questions' texts as a JSON array, straight from the register; b"" where one is not in it."""
        keys = array("q", (each.key for each in questions))
        return b"" if any(key in self.own for key in keys) else self.register.batch(keys)

    def patients(self, key: int) -> int:
        """Give how many patients live in a building; 0 = a branch."""
        at = self._at(key)
        return 0 if at is None else self.counts[at]

    def queue(self, keys: Sequence[int]) -> Sequence[int]:
        """Put branches first, then buildings by the month of the last visit, shuffled within it."""
        return self.register.queue(array("q", keys), MONTH, getrandbits(63))

    def _at(self, key: int) -> int | None:
        at = bisect_left(self.buildings, key)
        return at if at < len(self.buildings) and self.buildings[at] == key else None


def read(clinic: "ClinicSource", fixes: Mapping[int, Fix]) -> Wanted:
    """Read all addresses and parse them."""
    with clinic.snapshot() as source:
        branches = source.branches()
        home = cities(source, branches)
        register = Register(home)
        source.addresses(register.add)
    known = register.desired(MAPPING)
    own = {-branch.id: _question(-branch.id, _of_branch(branch, home.get(branch.id, ""))) for branch in branches}
    for key, fix in fixes.items():
        if fix.address is not None and (key in own or key in known):
            city = own[key].city if key in own else register.address(key).city
            own[key] = _question(key, parse(fix.address, city))
    pins = {key: fix for key, fix in fixes.items() if fix.latitude is not None and (key in own or key in known)}
    changed = {key: digest(each.text.encode(), MAPPING) for key, each in own.items() if each.text}
    changed |= {key: digest(array("q", (fix.latitude or 0, fix.longitude or 0)), MAPPING) for key, fix in pins.items()}
    desired = known.with_(array("q", changed.keys()), array("q", changed.values()), array("q"))
    homes = {branch.id: home.get(branch.id, "") for branch in branches}
    return Wanted(register, register.buildings, register.counts, desired, own, pins, homes)


def _of_branch(branch: "Branch", city: str) -> Address:
    told = parse(branch.address, city)
    return told if told.street else parse(branch.name, city)


def _question(key: int, address: Address) -> Question:
    street = f"{address.street_kind} {address.street}".strip()
    return Question(key, address.text, address.region, address.city or address.place, street, address.house)
