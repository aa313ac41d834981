"""Reading a leg of a journal, beside ``asking_read``: moments in many spellings, lengths, phones inside, legs, keys."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from identsync.flows.flaw import Flaw
from identsync.integrations.telephony.call import Employee, Reason
from identsync.integrations.telephony.wire import asking_words
from identsync.integrations.telephony.wire.asking_read import EARLIEST_MS, EPOCH, LATEST_MS, LONGEST_S, rows, text

ISO = "%Y-%m-%dT%H:%M:%SZ"
SPELLINGS = (
    "%d.%m.%Y %H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y%m%dT%H%M%SZ",
    "%d.%m.%Y %H:%M",
    "%Y-%m-%d %H:%M",
)
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})", re.ASCII)
_TOKEN = re.compile(r"[0-9a-f]{32}")


def length_ms(row: Mapping[str, Any], *names: str) -> int:
    """Return the first length among the fields, seconds as a number or as [H:]MM:SS; 0 where there is none."""
    return next((told for name in names if (told := _length_ms(text(row, name))) is not None), 0)


def _length_ms(said: str) -> int | None:
    if found := _CLOCK.fullmatch(said):
        told = float(int(found[1] or 0) * 3_600 + int(found[2]) * 60 + int(found[3]))
    else:
        try:
            told = float(said.replace(",", "."))
        except ValueError:
            return None
    return int(told * 1_000) if 0 <= told <= LONGEST_S else None  # NaN is in no range


def moment(value: Any, ahead_min: int = 0) -> int | None:
    """Return a moment as epoch milliseconds; a time without a zone is ``ahead_min`` minutes ahead of UTC.

    Takes seconds and milliseconds since 1970, ISO 8601, the spellings of journals, protobuf's {seconds, nanos}.
    """
    said = text(value, "seconds") if isinstance(value, Mapping) else text({"": value}, "")
    try:
        told = float(said) * (1 if len(said.partition(".")[0]) > 11 else 1_000)
    except ValueError:
        told = _written(said, ahead_min)
    return int(told) if EARLIEST_MS <= told < LATEST_MS else None


def _written(said: str, ahead_min: int) -> float:
    at = _parsed(said)
    if at is None:
        return 0.0
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC) - timedelta(minutes=0 if said.endswith("Z") else ahead_min)
    return at.timestamp() * 1_000


def _parsed(said: str) -> datetime | None:
    for spelling in SPELLINGS if said[:1].isdigit() else ():
        try:
            return datetime.strptime(said, spelling)  # noqa: DTZ007  the zone is added by the caller
        except ValueError:
            continue
    try:
        at = datetime.fromisoformat(said)
    except (ValueError, OverflowError):
        return None
    return at if 2000 <= at.year < 2100 else None


def spelled(at_ms: int, spelling: str, ahead_min: int = 0) -> str:
    """Return a moment as a journal asks for it, by a clock ``ahead_min`` minutes ahead of UTC."""
    return (EPOCH + timedelta(milliseconds=at_ms, minutes=ahead_min)).strftime(spelling)


def legs_of(raw: Any) -> list[dict[str, Any]]:
    """Return the legs of a call: those put together, or a row by itself; what is none is left out."""
    return list(rows(raw))


def flaws_of(raw: object, key: str, start_ms: int | None, field: str) -> list[Flaw]:
    """Return what is wrong with a call that has no key (it stands in ``field``) or no beginning."""
    if not legs_of(raw):
        return [Flaw(asking_words.NOT_A_ROW)]
    no_key, no_start = Flaw(asking_words.NO_KEY, {"key": field}), Flaw(asking_words.NO_START, {"key": key or "?"})
    return [flaw for flaw, wrong in ((no_key, not key), (no_start, start_ms is None)) if wrong]


def is_inner(number: str, inside: int) -> bool:
    """Tell whether a number is a phone inside: two to ``inside`` digits and nothing else."""
    return number.isascii() and number.isdigit() and 2 <= len(number) <= inside


def distinct(people: Iterable[Employee]) -> tuple[Employee, ...]:
    """Return each phone once, in order; the one with a name before the one without."""
    kept: dict[str, Employee] = {}
    for each in people:
        if each.extension and (each.extension not in kept or not kept[each.extension].name):
            kept[each.extension] = each
    return tuple(kept.values())


def token_of(row: Mapping[str, Any], *names: str) -> str:
    """Return our own token where a journal repeats it."""
    said = text(row, *names)
    return said if _TOKEN.fullmatch(said) else ""


def key_of(*parts: object) -> str:
    """Return a key for a call that its PBX gives none: the same parts make the same key, no number can be read off."""
    return hashlib.sha256("|".join(str(part) for part in parts).encode("utf-8", "replace")).hexdigest()[:32]


def reason_of(said: Sequence[str], known: Mapping[str, Reason]) -> Reason:
    """Return why nobody talked: the first, in the order of ``known``, that a leg's words hold a part of."""
    words = [each.lower() for each in said]
    return next((reason for part, reason in known.items() if any(part in word for word in words)), Reason.NONE)
