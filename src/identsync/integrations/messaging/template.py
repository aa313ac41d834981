"""Texts with places to fill: ``{имя}``, ``{время}``; a whitelist, no expressions, no surprises.

A place is ``{name}`` or ``{name|what to write where it is empty}``; ``{{`` and ``}}`` are braces. Names are Russian,
with English aliases, in any case. What a place is filled with is one line of printable text, so that no name of a
patient makes a new line, a header or another place. An SMS says no surname (a telephone belongs to a family) and names
no service: what somebody is treated for is nobody's business (152-ФЗ). Advertising of medical services carries a
warning (38-ФЗ, article 24).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from identsync.integrations.messaging.message import Kind, Medium
from identsync.store.texts import printable


def _(text: str) -> str:
    return text


WARNING = "Имеются противопоказания, необходима консультация специалиста"
"""What advertising of a clinic must say."""
LONGEST = {Medium.SMS: 1_000, Medium.EMAIL: 20_000}
"""Characters of a message as it goes out; an SMS of a thousand letters is 15 parts."""
SUBJECT = 200
VALUE = 200
"""Characters that one place may be filled with."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place that may be filled: its name, its alias, an example, whether it needs a visit, which media may say it."""

    name: str
    alias: str
    example: str
    visit: bool = False
    media: tuple[Medium, ...] = (Medium.SMS, Medium.EMAIL)


PLACES = (
    Place("имя", "first_name", "Анна"),
    Place("отчество", "patronymic", "Сергеевна"),
    Place("фамилия", "surname", "Белова", media=(Medium.EMAIL,)),
    Place("дата", "date", "3 декабря", visit=True),
    Place("день_недели", "weekday", "четверг", visit=True),
    Place("время", "time", "14:30", visit=True),
    Place("врач", "doctor", "Ершова А. И.", visit=True),
    Place("услуга", "service", "Осмотр и консультация", visit=True, media=(Medium.EMAIL,)),
    Place("филиал", "branch", "Клиника на Садовой"),
    Place("адрес_филиала", "branch_address", "Садовая, 12"),
    Place("телефон_филиала", "branch_phone", "+7 945 000-00-01"),
)
"""All there is. ``услуга`` is filled in a mail to a confirmed address only."""
NAMES: Mapping[str, Place] = {name: place for place in PLACES for name in (place.name, place.alias)}
EXAMPLE: Mapping[str, str] = {place.name: place.example for place in PLACES}
"""Values to preview a template with where no patient is at hand."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a template: a message key, the place's name as written, where (character from 0), in what."""

    what: str
    name: str = ""
    at: int = 0
    field: str = "text"  # or "subject"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a message would be: as it reads, its alphabet ('' for mail), units, parts, kopecks."""

    subject: str
    text: str
    alphabet: str
    units: int
    parts: int
    kopecks: int


def mistakes(text: str, medium: Medium, kind: Kind, subject: str = "", *, visit: bool = True) -> list[Mistake]:
    """Say everything wrong with a template at once; ``visit`` False = it is for people without a visit (bulk)."""
    found = [*_of_places(text, medium, "text", visit), *_of_places(subject, medium, "subject", visit)]
    if not text.strip():
        found.append(Mistake(_("текст пуст")))
    if len(text) > LONGEST[medium]:
        found.append(Mistake(_("текст слишком длинный"), at=LONGEST[medium]))
    if medium is Medium.EMAIL and not subject.strip():
        found.append(Mistake(_("у письма нет темы"), field="subject"))
    if len(subject) > SUBJECT:
        found.append(Mistake(_("тема слишком длинная"), at=SUBJECT, field="subject"))
    if kind is Kind.AD and not warns(text):
        found.append(Mistake(_("в рекламе должно быть предупреждение о противопоказаниях")))
    return found


def render(text: str, values: Mapping[str, str]) -> str:
    """Fill the places with ``values`` (by Russian name); an empty or unknown one leaves no hole in the sentence.

    Never raises: what is no place stays as it is written.
    """
    whole, hole, filled = "", False, False
    for piece in _parsed(text):
        said = piece.text if piece.name is None else _filled(piece, values)
        if filled and whole.endswith(".") and said.startswith("."):  # 'Ершова А. И.' ends the sentence by itself
            said = said[1:]
        if not said:
            hole = True
            continue
        if hole:
            whole, said = _closed_up(whole, said)
        whole, hole, filled = whole + said, False, piece.name is not None
    return whole.rstrip(" ,") if hole else whole


def places(text: str) -> set[str]:
    """Give the Russian names of the places that a text fills."""
    return {NAMES[piece.name].name for piece in _parsed(text) if piece.name is not None and piece.name in NAMES}


def warns(text: str) -> bool:
    """Tell whether a text warns of contraindications, in the law's words or nearly so."""
    plain = " ".join(text.lower().replace("ё", "е").split())
    return _WARNING.search(plain) is not None


def preview(text: str, subject: str, values: Mapping[str, str], medium: Medium, kopecks: int) -> Preview:
    """Show a message as it would go out; ``kopecks`` is the price of a part."""
    said, title = render(text, values), render(subject, values)
    if medium is Medium.EMAIL:
        return Preview(title, said, "", len(said), 1, kopecks)
    from identsync.core.texts import measure

    alphabet, units, parts = measure(said)
    return Preview(title, said, alphabet, units, parts, parts * kopecks)


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str  # as written; of a place, what to write where it is empty
    name: str | None = None  # lower case; '' = a brace that opens or closes nothing
    at: int = 0


_TOKEN = re.compile(r"\{\{|\}\}|\{\s*([^\W\d]\w{0,39})\s*(?:\|([^{}]*))?\}|[{}]")
_WARNING = re.compile(r"имеются противопоказания\W.*консультаци\w* (?:со )?специалист", re.DOTALL)


@lru_cache(maxsize=256)
def _parsed(text: str) -> tuple[_Piece, ...]:
    return tuple(_pieces(text))


def _pieces(text: str) -> Iterator[_Piece]:
    end = 0
    for match in _TOKEN.finditer(text):
        if match.start() > end:
            yield _Piece(text[end : match.start()])
        end, token = match.end(), match[0]
        if token in ("{{", "}}"):
            yield _Piece(token[0])
        elif match[1] is None:
            yield _Piece(token, "", match.start())
        else:
            name = match[1].lower()
            yield _Piece(match[2] or "" if name in NAMES else token, name, match.start())
    if end < len(text):
        yield _Piece(text[end:])


def _of_places(text: str, medium: Medium, field: str, visit: bool) -> Iterator[Mistake]:
    for piece in _parsed(text):
        if piece.name is None:
            continue
        what = _wrong(piece.name, medium, visit)
        if what:
            yield Mistake(what, piece.name or piece.text, piece.at, field)


def _wrong(name: str, medium: Medium, visit: bool) -> str:
    place = NAMES.get(name)
    if not name:
        return _("одинокая скобка: пишите {{ или }}, если нужна сама скобка")
    if place is None:
        return _("такого места для вставки нет")
    if medium not in place.media:
        return _("в SMS этого писать нельзя: его может прочесть другой")
    if place.visit and not visit:
        return _("это известно только для записи на приём")
    return ""


def _filled(piece: _Piece, values: Mapping[str, str]) -> str:
    place = NAMES.get(piece.name or "")
    if place is None:
        return piece.text
    return one_line(values.get(place.name, "")) or piece.text


def one_line(value: str) -> str:
    """Return a value as one line of printable text, cut."""
    return " ".join("".join(c if c.isprintable() else " " for c in printable(value)).split())[:VALUE].strip()


def _closed_up(before: str, after: str) -> tuple[str, str]:
    """Close the gap an empty place leaves: no two spaces, no comma before another mark or at the start of a line."""
    if not before or before.endswith("\n"):
        return before, after.lstrip(" ,")
    if after[0] in ",.!?;:)":
        return before.rstrip(" ,"), after
    return (before, after.lstrip(" ")) if before.endswith(" ") else (before, after)
