"""Google's quotas: requests a minute (sliding) per user and per project, and a day's budget per project."""

from collections import defaultdict, deque
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from identsync.demo.google.options import Options
from identsync.demo.google.reply import Refusal

_MINUTE_MS = 60_000
_PACIFIC = ZoneInfo("America/Los_Angeles")


class Quota:
    """Counts requests; a refused request counts nothing."""

    def __init__(self) -> None:
        self._users: dict[str, deque[int]] = defaultdict(deque)
        self._project: deque[int] = deque()
        self._day = ""
        self.today = 0

    def take(self, user: str, options: Options, now_ms: int) -> None:
        """Count one request; Refusal where it is one too many."""
        day = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(_PACIFIC).date().isoformat()
        if day != self._day:
            self._day, self.today = day, 0
        if options.per_day and self.today >= options.per_day:
            raise _spent(
                options, "dailyLimitExceeded", "Daily Limit Exceeded", "defaultPerDayPerProject", "1/d/{project}"
            )
        mine = self._users[user]
        for times, limit, reason in (
            (mine, options.per_minute_user, "userRateLimitExceeded"),
            (self._project, options.per_minute, "rateLimitExceeded"),
        ):
            while times and times[0] <= now_ms - _MINUTE_MS:
                times.popleft()
            if limit and len(times) >= limit:
                raise _spent(
                    options, reason, "Rate Limit Exceeded", "defaultPerMinutePerUser", "1/min/{project}/{user}"
                )
        mine.append(now_ms)
        self._project.append(now_ms)
        self.today += 1


def _spent(options: Options, reason: str, message: str, limit: str, unit: str) -> Refusal:
    refusal = Refusal(429 if options.quota_form == "429" else 403, reason, message, domain="usageLimits")
    if options.quota_form == "details":
        refusal.status, refusal.reason = 429, "rateLimitExceeded"
        metadata = {"service": "calendar-json.googleapis.com", "quota_limit": limit, "quota_unit": unit}
        refusal.details = [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "RATE_LIMIT_EXCEEDED",
                "domain": "googleapis.com",
                "metadata": metadata,
            }
        ]
    if options.retry_after is not None:
        refusal.headers.append(("Retry-After", str(options.retry_after)))
    return refusal
