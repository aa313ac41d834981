"""IDENT's PostTimeTable (facts: ident-http.md): who is in it, its bytes, what an answer means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from identsync.clinic.clock import zone_table
from identsync.core.board import Boards
from identsync.core.columns import digest
from identsync.core.payload import TimetableBody
from identsync.flows.verdict import Confirmed, Later, Rejected, Verdict
from identsync.integrations.timetable.kept import Gone
from identsync.language import _

if TYPE_CHECKING:
    from identsync.flows.http import Answer, Http

METHOD = "PostTimeTable"
KEY_HEADER = "IDENT-Integration-Key"
GRID = 15  # minutes in a free cell on the wire
MAPPING = 1  # raise it when the bytes of the same boards change: every site is then sent everything anew

NOBODY = Gone()
_ABOUT_THE_BODY = {400, 409, 413, 415, 422}


@dataclass(frozen=True, slots=True)
class Names:
    """What the site shows of ids: doctors and branches by id; ``zones`` are the branches' time zones."""

    doctors: Mapping[int, str]
    branches: Mapping[int, str]
    zones: Mapping[int, str]

    def salt(self, boards: Boards, branches: set[int], doctors: set[int], destination: str) -> int:
        """Hash all that is in a body beside the boards' bits, and where it goes."""
        days = boards.first_day, boards.days
        zones = [(branch, zone_table(self.zones[branch], *days).tobytes().hex()) for branch in branches]
        named = [sorted((id_, names[id_]) for id_ in ids) for ids, names in self._of(branches, doctors)]
        return digest(orjson.dumps([MAPPING, destination, sorted(zones), named]))

    def _of(self, branches: set[int], doctors: set[int]) -> tuple[tuple[set[int], Mapping[int, str]], ...]:
        return (branches, self.branches), (doctors, self.doctors)


def spelled(name: str) -> str:
    """Return a name as the wire can carry it: one line, valid UTF-8; '' where nothing is left."""
    return " ".join(name.encode("utf-8", "replace").decode().split())


def body(boards: Boards, names: Names, gone: Gone = NOBODY) -> TimetableBody:
    """Return the body of these boards; every seat has a name. Whoever is ``gone`` is declared without an interval."""
    seats = boards.seats
    branches = {branch for branch, _doctor in seats}
    doctors = {doctor for _branch, doctor in seats}
    zones = {branch: zone_table(names.zones[branch], boards.first_day, boards.days) for branch in branches}
    return TimetableBody(
        boards,
        {**gone.doctors, **{doctor: names.doctors[doctor] for doctor in doctors}},
        {**gone.branches, **{branch: names.branches[branch] for branch in branches}},
        zones,
    )


async def post(http: "Http", url: str, key: str, content: TimetableBody, *, gzip: bool, deadline: float) -> Verdict:
    """Send a body and say what its answer means; raises what flows.http raises."""
    answer = await http.post_chunks(f"{url}/{METHOD}", {KEY_HEADER: key}, content.chunks, gzip=gzip, deadline=deadline)
    return verdict(answer)


def verdict(answer: "Answer") -> Verdict:
    """Read an answer: 2xx = it is there; a status about the body = not like this; others = nothing was done."""
    if answer.ok:
        return Confirmed(answer.text)
    if answer.status == 413:
        words = _("{status}: тело слишком велико для сайта, задайте max_bytes и split", status=answer.status)
        return Rejected(f"{words}. {answer.text}")
    if answer.status in _ABOUT_THE_BODY:
        return Rejected(f"{answer.status}: {answer.text}")
    words = _("{status}: сайт не знает такой службы, проверьте адрес (url)", status=answer.status)
    return Later(f"{words}. {answer.text}")
