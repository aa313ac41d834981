"""GetTickets as IDENT spells it (source: facts/ident-http.md). The only file that knows the site's spelling.

What real sites do and how it is read: numbers where texts belong are taken as their text; ``null`` and an empty text
are nothing; times without an offset are the site's wall clock; a time of year 1 (an unset date of .NET) is nothing; a
time in the future and an unknown DoctorId are taken as they are. Texts are cut at the length of their column, counted
in UTF-16 units as SQL Server does; the key is made of the whole Id.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from identsync.flows.flaw import Flaw
from identsync.flows.intake import Row, Window
from identsync.flows.phone import callable_number
from identsync.spans import HOUR_MS
from identsync.store.texts import cut, printable

METHOD = "GetTickets"
KEY_HEADER = "IDENT-Integration-Key"
ID_LENGTH = 400
COMMENT_LENGTH = 20_000
PLAN_MS = 12 * HOUR_MS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_INT64 = 2**63

_UTM = {
    "UtmSource": "source",
    "UtmMedium": "medium",
    "UtmCampaign": "campaign",
    "UtmTerm": "term",
    "UtmContent": "content",
}
_NAME_PARTS = ("ClientSurname", "ClientName", "ClientPatronymic")


def _(sentence: str) -> str:
    return sentence  # marked for the page's catalogue: what is wrong is told in the reader's language


@dataclass(frozen=True, slots=True)
class Ticket:
    """A lead as the site told it, cleaned; times are epoch milliseconds UTC, the phone is both as it came and E.164."""

    external_id: str
    made_ms: int
    phone: str
    phone_e164: str | None
    email: str | None
    full_name: str | None
    form: str | None
    comment: str | None
    plan_start_ms: int | None
    plan_end_ms: int | None
    doctor_id: int | None
    doctor_name: str | None
    utm: dict[str, str]
    referer: str | None


def query(window: Window, zone: str, limit: int, offset: int) -> dict[str, str]:
    """Return the parameters of one page; ``limit`` 0 sends neither limit nor offset."""
    parameters = {"dateTimeFrom": spell(window.start_ms, zone), "dateTimeTo": spell(window.end_ms, zone)}
    if limit:
        parameters |= {"limit": str(limit), "offset": str(offset)}
    return parameters


def spell(at_ms: int, zone: str) -> str:
    """Spell a moment as ISO 8601 with the zone's offset, whole seconds."""
    moment = _EPOCH + timedelta(seconds=at_ms // 1000)  # not fromtimestamp: Windows knows no moment before 1970
    return moment.astimezone(_zone(zone)).isoformat()


def parse(raw: object, zone: str, *, fix_plus8: bool = False) -> Row[Ticket] | list[Flaw]:
    """Return the row of a ticket, or everything that is wrong with it."""
    if not isinstance(raw, dict):
        return [Flaw(_("это не заявка: вместо объекта пришло что-то другое"))]
    fields = _Fields(raw, zone)
    identity = fields.required("Id")
    ticket = Ticket(
        external_id=cut(identity, ID_LENGTH),
        made_ms=fields.moment("DateAndTime", required=True) or 0,
        phone=cut(phone := fields.required("ClientPhone"), 100),
        phone_e164=e164(phone, fix_plus8=fix_plus8),
        email=fields.text("ClientEmail", 320),
        full_name=fields.name(),
        form=fields.text("FormName", 400),
        comment=fields.text("Comment", COMMENT_LENGTH),
        plan_start_ms=fields.moment("PlanStart"),
        plan_end_ms=fields.moment("PlanEnd"),
        doctor_id=fields.whole("DoctorId"),
        doctor_name=fields.text("DoctorName", 400),
        utm={name: value for key, name in _UTM.items() if (value := fields.text(key, 400))},
        referer=fields.text("HttpReferer", 2000),
    )
    _check(ticket, identity, fields.flaws)
    return fields.flaws or Row(key_of(identity), ticket.made_ms, ticket)


def key_of(identity: str) -> str:
    """Return the key of a site's Id: sha256 hex, so that 400 characters fit an index everywhere."""
    return hashlib.sha256(identity.encode()).hexdigest()


def e164(phone: str, *, fix_plus8: bool = False) -> str | None:
    """Return a number that can be called, E.164, or None.

    '+8' and ten more digits is a Russian number whose '8' got a plus; read as it stands it may be a number in Vietnam.
    It is not recognised unless ``fix_plus8``.
    """
    digits = "".join(character for character in phone if character.isdecimal())
    if phone.lstrip().startswith("+8") and len(digits) == 11:
        if not fix_plus8:
            return None
        phone = "+7" + digits[1:]
    return callable_number(phone[:250], "RU")


class _Fields:
    """The fields of one ticket; collects what is wrong with them."""

    def __init__(self, raw: Mapping[str, Any], zone: str) -> None:
        self._raw = raw
        self._zone = zone
        self.flaws: list[Flaw] = []

    def required(self, key: str) -> str:
        found = len(self.flaws)
        value = self._text(key)
        if value is None and len(self.flaws) == found:
            self.flaws.append(Flaw(_("нет обязательного поля {key}"), {"key": key}))
        return value or ""

    def text(self, key: str, length: int) -> str | None:
        value = self._text(key)
        return None if value is None else cut(value, length)

    def name(self) -> str | None:
        """Return the full name; the site gives it whole or in parts, never both."""
        whole = self.text("ClientFullName", 400)
        parts = [part for key in _NAME_PARTS if (part := self.text(key, 400))]
        if whole and parts:
            self.flaws.append(Flaw(_("имя и целиком (ClientFullName), и по частям: непонятно, какое верно")))
        return whole or cut(" ".join(parts), 400) or None

    def moment(self, key: str, *, required: bool = False) -> int | None:
        value = self._text(key)
        moment = None if value is None else _moment(value, self._zone)
        unset = value is None or value.startswith("0001-01-01")
        if moment is None and not unset:
            self.flaws.append(Flaw(_("{key}: не похоже на дату и время"), {"key": key}))
        elif moment is None and required:
            self.flaws.append(Flaw(_("нет обязательного поля {key}"), {"key": key}))
        return moment

    def whole(self, key: str) -> int | None:
        value = self._raw.get(key)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        number = _whole(value)
        if number is None:
            self.flaws.append(Flaw(_("{key}: не целое число"), {"key": key}))
        return number

    def _text(self, key: str) -> str | None:
        value = self._raw.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.flaws.append(Flaw(_("{key}: не текст"), {"key": key}))
            return None
        return printable(str(value)).strip() or None


def _check(ticket: Ticket, identity: str, flaws: list[Flaw]) -> None:
    if len(identity) > ID_LENGTH:
        flaws.append(Flaw(_("Id длиннее {n} знаков"), {"n": ID_LENGTH}))
    start, end = ticket.plan_start_ms, ticket.plan_end_ms
    if start is not None and end is not None:
        if start > end:
            flaws.append(Flaw(_("PlanStart позже, чем PlanEnd")))
        elif end - start > PLAN_MS:
            flaws.append(Flaw(_("между PlanStart и PlanEnd больше 12 часов")))


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
        exact = not isinstance(value, float) or value == number
    except (ValueError, OverflowError):
        return None
    return number if exact and -_INT64 <= number < _INT64 else None


def _moment(text: str, zone: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=_zone(zone))
        return int(moment.timestamp() * 1000) if _EARLIEST <= moment < _LATEST else None
    except (ValueError, OverflowError):
        return None


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
