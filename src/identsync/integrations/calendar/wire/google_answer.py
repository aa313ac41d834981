"""What Google's answers mean beside the 2xx (source: facts/calendar.md A8; developers.google.com, "Handle API errors").

Google says with 403 both "you may not" and "slower, please": only the reason in the body tells them apart. A message of
Google's may repeat what we sent, so people are shown the reason's code, and the message only where it is about access.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from identsync.errors import IdentsyncError, Limited, Refused, Unavailable, Unexpected
from identsync.flows.answer import Reply, retry_after
from identsync.integrations.calendar.event import Barred, NoCalendar
from identsync.language import keyed as _
from identsync.spans import DAY_MS, HOUR_MS, MINUTE_MS

PASSING = frozenset(range(400, 500)) - {408}  # what Http leaves to us
USAGE_MS = HOUR_MS  # the usage limits of Calendar itself last for hours
_PACIFIC = "America/Los_Angeles"  # where the quotas' days begin

_PACE = {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"}
_USAGE = {"quotaExceeded", "calendarUsageLimitsExceeded"}
_DAILY = {"dailyLimitExceeded", "dailyLimitExceededUnreg"}
NO_RIGHT = {"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}
_NO_SERVICE = {"accessNotConfigured", "SERVICE_DISABLED"}
_EVENT = {"forbiddenForNonOrganizer", "eventTypeRestriction"}  # a 403 about what was sent
_CODE = re.compile(r"[A-Za-z0-9_.\[\]-]{1,60}")


@dataclass(frozen=True, slots=True)
class Trouble:
    """The reasons Google names, by their codes; ``daily`` where a quota of the day is used up."""

    codes: tuple[str, ...]
    message: str
    daily: bool = False

    @property
    def said(self) -> str:
        """The codes for people; '?' where Google names none."""
        return ", ".join(self.codes) or "?"

    def is_one_of(self, codes: set[str]) -> bool:
        """Say whether one of the reasons is among ``codes``."""
        return not codes.isdisjoint(self.codes)


def trouble(reply: Reply) -> Trouble:
    """Read the body of an error, in the old form (errors) and the new one (status, details)."""
    error = _error(reply)
    codes, daily = [], False
    for row in [*_rows(error, "errors"), *_rows(error, "details")]:
        codes += [code for key in ("reason", "location") if (code := _code(row.get(key)))]
        metadata = row.get("metadata")
        daily = daily or "PerDay" in str(metadata) or "/d/" in str(metadata)
    codes += [code] if (code := _code(error.get("status"))) else []
    message = error.get("message")
    return Trouble(tuple(codes), message[:300] if isinstance(message, str) else "", daily)


def unwanted(reply: Reply) -> str:
    """Return why Google did not take a body, in words for people that repeat nothing of it."""
    return _("Google не принял событие ({status} {codes})", status=reply.status, codes=trouble(reply).said)


def about_the_event(reply: Reply) -> bool:
    """Say whether a refusal is about the event that was sent and not about us."""
    return reply.status in {400, 413} or (reply.status == 403 and trouble(reply).is_one_of(_EVENT))


def error_of(reply: Reply, now: datetime | None = None) -> IdentsyncError:
    """Return what is to be raised for an answer that is none to the question."""
    told = trouble(reply)
    if reply.status in {403, 429} and (wait := _wait(reply.status, told, now or datetime.now(UTC))):
        words = _("Google просит обращаться реже ({codes})", codes=told.said)
        asked = retry_after(reply.headers)
        return Limited(words, after_ms=wait if asked is None else asked)
    if reply.status >= 500 or reply.status == 408:  # a part of a batch: Http has judged the batch only
        words = _("Google сейчас не отвечает ({status})", status=reply.status)
        return Unavailable(words, sent=True, after_ms=retry_after(reply.headers))
    if reply.status in {401, 403}:
        words = _("Google отказал в доступе ({status} {codes})", status=reply.status, codes=told.said)
        kind = Refused if reply.status == 401 or told.is_one_of(NO_RIGHT | _NO_SERVICE) else Barred
        return kind(words, hint=_hint(reply.status, told), raw=told.message)
    words = _("Google ответил не так, как обещает ({status} {codes})", status=reply.status, codes=told.said)
    return Unexpected(words)


def no_calendar() -> NoCalendar:
    """Return what is to be raised where the calendar itself is gone: somebody has deleted it."""
    hint = _("Его удалили в Google. Подключите врача заново: будет создан новый календарь.")
    return NoCalendar(_("календаря врача в Google больше нет"), hint=hint)


def json_of(reply: Reply) -> dict[str, Any]:
    """Return the object of a 2xx; Unexpected for anything else (a portal's page, half an answer)."""
    try:
        told = reply.json
    except ValueError:
        told = None
    if not isinstance(told, dict):
        if reply.html:
            raise Unexpected(_("вместо ответа Google пришла веб-страница"))
        raise Unexpected(_("вместо ответа Google не JSON или его обрывок"))
    return told


def half() -> Unavailable:
    """Return what is to be raised where a list cannot be read to its end: the next run begins anew."""
    return Unavailable(_("список Google оборвался на середине"), sent=True)


def _wait(status: int, told: Trouble, now: datetime) -> int | None:
    """Milliseconds to wait; None where the refusal is about rights."""
    if told.is_one_of(_DAILY) or (told.daily and told.is_one_of(_PACE | _USAGE)):
        return _until_the_quota_is_new(now)
    if told.is_one_of(_USAGE):
        return USAGE_MS
    return MINUTE_MS if status == 429 or told.is_one_of(_PACE) else None


def _until_the_quota_is_new(now: datetime) -> int:
    here = now.astimezone(ZoneInfo(_PACIFIC))
    midnight = datetime.combine(here.date() + timedelta(days=1), datetime.min.time(), here.tzinfo)
    return min(max(int((midnight.astimezone(UTC) - now).total_seconds() * 1000), MINUTE_MS), DAY_MS)


def _hint(status: int, told: Trouble) -> str:
    if told.is_one_of(_NO_SERVICE):
        return _("Включите Google Calendar API в проекте Google Cloud, которому принадлежит приложение.")
    if status == 401 or told.is_one_of(NO_RIGHT):
        return _("Подключите календарь врача заново и на странице Google не снимайте галочку доступа к календарю.")
    return _("Проверьте, что календарь создан этой программой и врач не отозвал доступ.")


def _error(reply: Reply) -> dict[str, Any]:
    try:
        told = reply.json
    except ValueError:
        return {}
    error = told.get("error") if isinstance(told, dict) else None
    return error if isinstance(error, dict) else {}


def _rows(error: dict[str, Any], key: str) -> list[dict[str, Any]]:
    rows = error.get(key)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _code(value: object) -> str:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""
