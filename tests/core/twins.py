"""Plain Python twins of the compiled core: slow, obvious, and the oracle of every comparison."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import ceil, floor

MASK = 2**64 - 1
LONGEST = 720
Cell = tuple[int, int, int, int]  # branch, doctor, day, cell
Row = tuple[int, int, int, int]


def signed(value: int) -> int:
    value &= MASK
    return value - 2**64 if value >> 63 else value


def xxh64(data: bytes, seed: int = 0) -> int:
    """XXH64 as its specification words it, unsigned."""
    p1, p2, p3, p4, p5 = (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )

    def rotate(x: int, r: int) -> int:
        return ((x << r) | (x >> (64 - r))) & MASK

    def step(acc: int, lane: int) -> int:
        return rotate((acc + lane * p2) & MASK, 31) * p1 & MASK

    seed &= MASK
    at, left = 0, len(data)
    if left >= 32:
        lanes = [(seed + p1 + p2) & MASK, (seed + p2) & MASK, seed, (seed - p1) & MASK]
        while left >= 32:
            for i in range(4):
                lanes[i] = step(lanes[i], int.from_bytes(data[at : at + 8], "little"))
                at += 8
            left -= 32
        h = sum(rotate(lane, r) for lane, r in zip(lanes, (1, 7, 12, 18), strict=True)) & MASK
        for lane in lanes:
            h = ((h ^ step(0, lane)) * p1 + p4) & MASK
    else:
        h = (seed + p5) & MASK
    h = (h + len(data)) & MASK
    while left >= 8:
        h = (rotate(h ^ step(0, int.from_bytes(data[at : at + 8], "little")), 27) * p1 + p4) & MASK
        at, left = at + 8, left - 8
    if left >= 4:
        h = (rotate(h ^ (int.from_bytes(data[at : at + 4], "little") * p1 & MASK), 23) * p2 + p3) & MASK
        at, left = at + 4, left - 4
    for byte in data[at:]:
        h = rotate(h ^ (byte * p5 & MASK), 11) * p1 & MASK
    h = (h ^ (h >> 33)) * p2 & MASK
    h = (h ^ (h >> 29)) * p3 & MASK
    return h ^ (h >> 32)


@dataclass
class Boards:
    """Boards as two sets of cells."""

    seats: list[tuple[int, int]]
    first_day: int
    days: int
    grid: int
    working: set[Cell] = field(default_factory=set)
    busy: set[Cell] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.seats = sorted(set(self.seats))

    @property
    def cells(self) -> int:
        return 1440 // self.grid

    def _add(self, rows: Iterable[Row], plane: set[Cell], inward: bool) -> int:
        ignored = 0
        low, high = self.first_day * 1440, (self.first_day + self.days) * 1440
        for branch, doctor, start, length in rows:
            begin, end = max(start, low), min(start + length, high)
            if (branch, doctor) not in self.seats or length <= 0 or begin >= end:
                ignored += 1
                continue
            first = ceil(begin / self.grid) if inward else floor(begin / self.grid)
            last = floor(end / self.grid) if inward else ceil(end / self.grid)
            for cell in range(first, last):
                plane.add((branch, doctor, cell // self.cells, cell % self.cells))
        return ignored

    def add_shifts(self, rows: Iterable[Row]) -> int:
        return self._add(rows, self.working, inward=True)

    def add_busy(self, rows: Iterable[Row]) -> int:
        return self._add(rows, self.busy, inward=False)

    def counts(self) -> tuple[int, int, int]:
        return len(self.working), len(self.busy), len(self.working - self.busy)

    def runs_of(self, branch: int, doctor: int, day: int, absent: frozenset[int] = frozenset()) -> list[list[int]]:
        """The free cells and merged busy runs of one board as [start cell, cells, busy]."""
        runs: list[list[int]] = []
        for cell in range(self.cells):
            key = (branch, doctor, day, cell)
            if cell in absent:
                continue
            if key in self.busy:
                last = runs[-1] if runs else [0, 0, 0]
                if last[2] and last[0] + last[1] == cell and last[1] * self.grid < LONGEST:
                    last[1] += 1
                else:
                    runs.append([cell, 1, 1])
            elif key in self.working:
                runs.append([cell, 1, 0])
        return runs

    def runs(self) -> list[tuple[int, int, int, int, int]]:
        return [
            (b, d, day * 1440 + cell * self.grid, cells * self.grid, busy)
            for b, d in self.seats
            for day in range(self.first_day, self.first_day + self.days)
            for cell, cells, busy in self.runs_of(b, d, day)
        ]

    def spans(self, plane: set[Cell]) -> list[tuple[int, int]]:
        """Maximal spans of a plane within their days, in cells counted over all boards."""
        spans: list[tuple[int, int]] = []
        for index, (b, d) in enumerate(self.seats):
            for day in range(self.days):
                before = False
                for cell in range(self.cells):
                    there = (b, d, self.first_day + day, cell) in plane
                    at = (index * self.days + day) * self.cells + cell
                    if there and before:
                        spans[-1] = (spans[-1][0], at + 1)
                    elif there:
                        spans.append((at, at + 1))
                    before = there
        return spans

    def coarsen(self, grid: int) -> "Boards":
        other = Boards(self.seats, self.first_day, self.days, grid)
        ratio = grid // self.grid
        for b, d in self.seats:
            for day in range(self.first_day, self.first_day + self.days):
                for cell in range(other.cells):
                    parts = [(b, d, day, cell * ratio + i) for i in range(ratio)]
                    if all(part in self.working for part in parts):
                        other.working.add((b, d, day, cell))
                    if any(part in self.busy for part in parts):
                        other.busy.add((b, d, day, cell))
        return other

    def difference(self, new: "Boards") -> tuple[int, list[tuple[int, int, int]]]:
        days = range(max(self.first_day, new.first_day), min(self.first_day + self.days, new.first_day + new.days))
        changed = [cell for old, fresh in ((self.working, new.working), (self.busy, new.busy)) for cell in old ^ fresh]
        changed = [cell for cell in changed if cell[2] in days]
        return len(changed), sorted({cell[:3] for cell in changed})

    def strip(self, branch: int, doctor: int, day: int) -> tuple[bytes, bytes]:
        return tuple(  # type: ignore[return-value]
            bytes((branch, doctor, day, cell) in plane for cell in range(self.cells))
            for plane in (self.working, self.busy)
        )

    def digest(self, first: int, last: int, salt: int) -> int:
        """XXH64 chained by its seed: header, then for each seat its ids and its bitmaps."""
        h = xxh64(b"".join(n.to_bytes(8, "little", signed=True) for n in (self.first_day, self.days, self.grid)), salt)
        size = (self.cells + 63) // 64 * 8
        for b, d in self.seats[first:last]:
            h = xxh64((b << 32 | d).to_bytes(8, "little"), h)
            bitmaps = b"".join(
                sum(1 << cell for cell in range(self.cells) if (b, d, day, cell) in plane).to_bytes(size, "little")
                for day in range(self.first_day, self.first_day + self.days)
                for plane in (self.working, self.busy)
            )
            h = xxh64(bitmaps, h)
        return signed(h)


def offset_text(minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def timetable(
    boards: Boards,
    doctors: Mapping[int, str],
    branches: Mapping[int, str],
    zones: Mapping[int, Sequence[int]],
) -> bytes:
    """The body of PostTimeTable from dicts and json."""
    intervals = []
    for b, d in boards.seats:
        for i in range(boards.days):
            before, switch, after, gap = zones[b][i * 4 : i * 4 + 4]
            absent = frozenset(
                cell
                for cell in range(boards.cells)
                if gap and cell * boards.grid < switch + gap and (cell + 1) * boards.grid > switch
            )
            day = boards.first_day + i
            for cell, cells, busy in boards.runs_of(b, d, day, absent):
                minute = cell * boards.grid
                wall = (date(1970, 1, 1) + timedelta(day)).isoformat() + f"T{minute // 60:02}:{minute % 60:02}:00"
                interval = {
                    "DoctorId": d,
                    "BranchId": b,
                    "StartDateTime": wall + offset_text(before if minute < switch else after),
                    "LengthInMinutes": cells * boards.grid,
                    "IsBusy": bool(busy),
                }
                intervals.append(((d, wall, b), interval))
    body = {
        "Doctors": [{"Id": number, "Name": doctors[number]} for number in sorted(doctors)],
        "Branches": [{"Id": number, "Name": branches[number]} for number in sorted(branches)],
        "Intervals": [interval for _, interval in sorted(intervals, key=lambda pair: pair[0])],
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def columns_difference(old: dict[int, int], new: dict[int, int]) -> tuple[list[int], list[int], list[int]]:
    """Keys added, changed, removed."""
    return (
        sorted(new.keys() - old.keys()),
        sorted(key for key in old.keys() & new.keys() if old[key] != new[key]),
        sorted(old.keys() - new.keys()),
    )


def columns_with(old: dict[int, int], fresh: dict[int, int], removed: Iterable[int]) -> list[tuple[int, int]]:
    """What is left of old | fresh without removed, sorted."""
    gone = set(removed)
    return sorted((key, digest) for key, digest in (old | fresh).items() if key not in gone)


class Pace:
    """GCRA with whole nanoseconds."""

    def __init__(self, period: int, burst: int) -> None:
        self.period, self.burst = period, burst
        self.arrival: int | None = None
        self.latest = -(2**63)

    def take_at(self, n: int, now: int) -> int:
        self.latest = now = max(now, self.latest)
        arrival = now if self.arrival is None else max(self.arrival, now)
        wait = arrival + n * self.period - now - self.burst * self.period
        if wait <= 0:
            self.arrival = arrival + n * self.period
        elif self.arrival is None:
            self.arrival = arrival
        return max(wait, 0)


GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\0ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
).replace("\0", "")
GSM_FURTHER = {"\f": 10, "^": 20, "{": 40, "}": 41, "\\": 47, "[": 60, "~": 61, "]": 62, "|": 64, "€": 101}


def sms(text: str) -> tuple[int, list[list[bytes]]]:
    """(data_coding, segments, each a list of its characters' octets): 3GPP TS 23.038, character by character."""
    codes = {character: bytes([i + (i >= 27)]) for i, character in enumerate(GSM)}
    codes |= {character: bytes([27, code]) for character, code in GSM_FURTHER.items()}
    coding, alone, each = 0, 160, 153
    if not set(text) <= set(codes):
        coding, alone, each = 8, 140, 134
        codes = {c: ("\ufffd" if "\ud800" <= c <= "\udfff" else c).encode("utf-16-be") for c in set(text)}
    whole = [codes[character] for character in text]
    if sum(map(len, whole)) <= alone:
        return coding, [whole]
    segments: list[list[bytes]] = [[]]
    for character in whole:
        if sum(map(len, segments[-1])) + len(character) > each:
            segments.append([])
        segments[-1].append(character)
    return coding, segments
