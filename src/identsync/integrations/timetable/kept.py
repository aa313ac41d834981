"""What is kept beside a body that a site has: its boards and names; and who of them is no longer there to be sent.

The protocol has no mark of deletion: a site that puts parts together keeps what no part speaks of any more. So whoever
has gone is declared once more in a body, without an interval: he has no time.
"""

import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from identsync.core.board import Boards
from identsync.language import _

Named = Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Gone:
    """Doctors, and branches they were in, by id: what a site has of them is no longer so."""

    doctors: Named = field(default_factory=dict)
    branches: Named = field(default_factory=dict)


def packed(boards: Boards, doctors: Named, branches: Named) -> bytes:
    """Return boards, with the names of their seats, as they are kept beside an item."""
    from isal import isal_zlib

    seats = boards.seats
    named = [{str(id_): doctors[id_] for _, id_ in seats}, {str(id_): branches[id_] for id_, _ in seats}]
    return isal_zlib.compress(boards.pack(), 1) + orjson.dumps(named)


def unpacked(payload: bytes) -> Boards:
    """Read the boards of what packed() made; ValueError for anything else."""
    return _parts(payload)[0]


def gone(payload: bytes | None, present: Collection[tuple[int, int]]) -> Gone:
    """Say whom a site has from a body, and who is in none of the seats any more."""
    if not payload:
        return Gone()
    try:
        boards, tail = _parts(payload)
        doctors, branches = _named(tail)
    except ValueError:  # kept by a newer client, or damaged
        return Gone()
    seats = [seat for seat in boards.seats if seat not in present]
    return Gone(
        {id_: doctors.get(id_) or _("Врач № {id}", id=id_) for _branch, id_ in seats},
        {id_: branches.get(id_) or _("Филиал № {id}", id=id_) for id_, _doctor in seats},
    )


def _parts(payload: bytes) -> tuple[Boards, bytes]:
    reader = zlib.decompressobj()
    try:
        boards = Boards.unpack(reader.decompress(payload))
    except zlib.error as error:
        raise ValueError("not packed boards") from error
    return boards, reader.unused_data


def _named(tail: bytes) -> tuple[Named, Named]:
    """Read the names, which older clients did not keep."""
    read: Any = orjson.loads(tail) if tail else [{}, {}]
    doctors, branches = ({int(id_): name for id_, name in names.items()} for names in read)
    return doctors, branches
