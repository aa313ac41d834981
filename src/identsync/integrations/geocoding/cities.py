"""The city that registrars leave out: each branch's own."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from identsync.core.address import parse

if TYPE_CHECKING:
    from identsync.clinic.source import Branch, ClinicSource

SAMPLE = 400
"""Addresses of a branch's patients that are looked at where its own does not name a city."""


def cities(clinic: "ClinicSource", branches: Iterable["Branch"] | None = None) -> dict[int, str]:
    """Give the city of each branch by its number: by its address, its name, or most of its patients' addresses.

    0 is for patients of no branch: the network's city where all branches are in one. A branch whose city nobody names
    is absent.
    """
    known = {branch.id: _own(branch) for branch in branches or clinic.branches()}
    for branch, city in known.items():
        if not city:
            known[branch] = _most(clinic.some_addresses(branch, SAMPLE))
    found = {branch: city for branch, city in known.items() if city}
    if len(set(found.values())) == 1:
        found[0] = next(iter(found.values()))
    return found


def _own(branch: "Branch") -> str:
    return parse(branch.address).city or parse(branch.name).city


def _most(addresses: Iterable[str]) -> str:
    named = Counter(city for address in addresses if (city := parse(address).city))
    return named.most_common(1)[0][0] if named else ""
