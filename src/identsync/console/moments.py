"""Moments, spans and numbers as people read them: on the branch's wall clock, in the reader's language.

``console.js`` renews relative times with the same words and the same rule (``words``); keep the two alike.
"""

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from identsync.console.i18n import Catalog
from identsync.spans import DAY_MS, HOUR_MS, MINUTE_MS

NO_BREAK = "\N{NO-BREAK SPACE}"


def _(sentence: str) -> str:
    return sentence


MONTHS = (
    _("янв"),
    _("фев"),
    _("мар"),
    _("апр"),
    _("мая"),
    _("июн"),
    _("июл"),
    _("авг"),
    _("сен"),
    _("окт"),
    _("ноя"),
    _("дек"),
)
WORDS = {
    "s": _("{n} с"),
    "m": _("{n} мин"),
    "h": _("{n} ч"),
    "hm": _("{h} ч {m} мин"),
    "d": _("{n} дн"),
    "ago": _("{t} назад"),
    "in": _("через {t}"),
    "just": _("только что"),
    "now": _("сейчас"),
}


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return the zone; UTC for a name the tz database does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


class Moments:
    """Writes epoch milliseconds (UTC) for people; ``zone`` is used where a moment has no branch of its own."""

    def __init__(self, catalog: Catalog, zone: str) -> None:
        self._ = catalog
        self.zone = zone

    def local(self, ms: int, zone: str | None = None) -> datetime:
        """Return the wall-clock moment in ``zone``."""
        return datetime.fromtimestamp(ms / 1000, zone_of(zone or self.zone))

    def clock(self, ms: int, zone: str | None = None) -> str:
        """14:05."""
        return self.local(ms, zone).strftime("%H:%M")

    def day(self, ms: int, zone: str | None = None) -> str:
        """23 ноя."""
        at = self.local(ms, zone)
        return f"{at.day}{NO_BREAK}{self._(MONTHS[at.month - 1])}"

    def moment(self, ms: int, zone: str | None = None) -> str:
        """23 ноя, 14:05:31."""
        return f"{self.day(ms, zone)}, {self.local(ms, zone).strftime('%H:%M:%S')}"

    def short(self, ms: int, now_ms: int, zone: str | None = None) -> str:
        """14:05 on the day of ``now_ms``, else 22 ноя, 14:05."""
        today = self.local(ms, zone).date() == self.local(now_ms, zone).date()
        return self.clock(ms, zone) if today else f"{self.day(ms, zone)}, {self.clock(ms, zone)}"

    def span(self, ms: int) -> str:
        """A length in the one or two units that matter: 40 с, 12 мин, 1 ч 20 мин, 14 ч, 3 дн."""
        ms = max(ms, 0)
        if ms < MINUTE_MS:
            return self._words("s", n=ms // 1000)
        if ms < HOUR_MS:
            return self._words("m", n=ms // MINUTE_MS)
        hours, minutes = ms // HOUR_MS, ms % HOUR_MS // MINUTE_MS
        if hours < 6 and minutes:
            return self._words("hm", h=hours, m=minutes)
        return self._words("h", n=hours) if hours < 48 else self._words("d", n=ms // DAY_MS)

    def ago(self, ms: int, now_ms: int) -> str:
        """3 мин назад."""
        passed = now_ms - ms
        return self._(WORDS["just"]) if passed < 5000 else self._(WORDS["ago"], t=self.span(passed))

    def until(self, ms: int, now_ms: int) -> str:
        """Через 3 мин; сейчас, where the moment has come."""
        ahead = ms - now_ms
        return self._(WORDS["now"]) if ahead < 1000 else self._(WORDS["in"], t=self.span(ahead))

    def length(self, ms: int) -> str:
        """How long a run took: 80 мс, 1,2 с, 45 с, 1 мин 20 с."""
        if ms < 1000:
            return self._("{n} мс", n=ms)
        if ms < 10_000 and ms % 1000:
            tenths = f"{ms // 1000}{'.' if self._.language == 'en' else ','}{ms % 1000 // 100}"
            return self._words("s", n=tenths)
        if ms < HOUR_MS and ms >= MINUTE_MS:
            seconds = f"{NO_BREAK}{self._words('s', n=ms % MINUTE_MS // 1000)}" if ms % MINUTE_MS >= 1000 else ""
            return self._words("m", n=ms // MINUTE_MS) + seconds
        return self.span(ms)

    def atmost(self, ms: int) -> str:
        """A bound, rounded up to whole seconds, or to minutes from ten minutes on: 34 с, 3 мин 8 с, 18 мин."""
        unit = 1000 if ms < 10 * MINUTE_MS else MINUTE_MS
        return self.length(-(-ms // unit) * unit)

    def number(self, n: int) -> str:
        """1 234 567 in Russian, 1,234,567 in English."""
        return f"{n:,}" if self._.language == "en" else f"{n:,}".replace(",", NO_BREAK)

    def words(self) -> dict[str, str]:
        """Return the words ``console.js`` renews relative times with."""
        return {name: self._(sentence) for name, sentence in WORDS.items()}

    def _words(self, name: str, **values: object) -> str:
        return self._(WORDS[name], **values).replace(" ", NO_BREAK)


def iso(ms: int) -> str:
    """Return the moment as a machine reads it: 2026-11-23T09:00:00Z."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def hhmm(minute: int) -> str:
    """Return wall minutes (of a day, or since 1970) as 09:30."""
    return f"{minute % 1440 // 60:02d}:{minute % 60:02d}"


def phone(number: str | None) -> str:
    """Return an E.164 number as people read it: +7 912 345-67-89; other countries' unchanged."""
    if not number or not (number.startswith("+7") and len(number) == 12):
        return number or ""
    return f"+7{NO_BREAK}{number[2:5]}{NO_BREAK}{number[5:8]}-{number[8:10]}-{number[10:]}"
