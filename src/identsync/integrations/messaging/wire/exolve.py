"""МТС Exolve: sender in ``number``, recipient in ``destination`` (facts: telephony.md); a list to look for lost ones.

What a row of GetList says is only partly documented: names and states are read tolerantly, and what is not understood
changes nothing.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from identsync import errors
from identsync.flows.sending import Accepted, Fate, Lost, Receipt, Refused, Verdict
from identsync.integrations.messaging.message import Absent, Gateway, Keep, Message, Missing, Permit, Replies, Sent
from identsync.integrations.messaging.wire import asking
from identsync.integrations.messaging.wire import words as texts
from identsync.integrations.messaging.wire.listed import EARLY_MS, Listed, looked_up
from identsync.language import _
from identsync.spans import DAY_MS

LISTED, MOST_PAGES = 2_000, 5
WEEK_MS = 8 * DAY_MS  # longer than anything is asked about
FATES = (  # parts of a state's name, the first that fits
    ("undeliver", Fate.FAILED, texts.NOT_DELIVERED),
    ("not_deliver", Fate.FAILED, texts.NOT_DELIVERED),
    ("deliver", Fate.DELIVERED, ""),
    ("expire", Fate.EXPIRED, ""),
    ("reject", Fate.FAILED, texts.REJECTED),
    ("fail", Fate.FAILED, texts.NOT_DELIVERED),
    ("error", Fate.FAILED, texts.NOT_DELIVERED),
)


def open(settings: object, permit: Permit, keep: Keep, replies: Replies) -> Gateway:  # noqa: ARG001  pushes nothing
    """Make the gateway; nothing is connected yet."""
    return Exolve(settings, permit)


class Exolve(asking.Asking):
    """МТС Exolve as a gateway."""

    base = "https://api.exolve.ru"

    async def submit(self, message: Message) -> Verdict:
        """Send once."""
        body = {"number": message.sender, "destination": asking.digits(message.to), "text": message.text}
        answer = await self._ask("/messaging/v1/SendSMS", body)
        if answer.get("message_id") and not answer.get("error"):
            return Accepted(str(answer["message_id"]))
        if (verdict := _refused(answer)) is not None:
            return verdict
        raise asking.nonsense(answer)

    async def status(self, sent: Sequence[Sent]) -> Sequence[Receipt]:
        """Read the list of what was sent lately."""
        mine = {each.provider_id for each in sent}
        rows, _complete = await self._listed(time.time_ns() // 1_000_000 - WEEK_MS)
        told = [Receipt(row.fate, row.id, reason=row.reason) for row in rows if row.id in mine]
        return [receipt for receipt in told if receipt.fate is not Fate.ACCEPTED]

    async def find(self, lost: Sequence[Missing]) -> Sequence[Receipt | Absent]:
        """Look for lost messages by number, text and time; where two could be meant, or the list is cut, neither."""
        rows, complete = await self._listed(min(each.at_ms for each in lost) - EARLY_MS)
        told = [looked_up(each, lost, rows) for each in lost]
        return [each for each in told if isinstance(each, Receipt) or (isinstance(each, Absent) and complete)]

    async def _listed(self, since_ms: int) -> tuple[list[Listed], bool]:
        """Give what was sent since then, and whether that is all of it."""
        since = datetime.fromtimestamp(since_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        found: list[Listed] = []
        for page in range(MOST_PAGES):
            asked = {"limit": LISTED, "offset": page * LISTED, "date_gte": since}
            answer = await self._ask("/messaging/v1/GetList", asked)
            rows = answer.get("messages")
            if not isinstance(rows, list):
                _refused(answer)
                raise asking.nonsense(answer)
            found += [_listed(row) for row in rows if isinstance(row, dict)]
            if len(rows) < LISTED:
                return found, True
        return found, False

    async def _ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self.json(path, body, {"Authorization": f"Bearer {self.key}"})


def _refused(answer: dict[str, Any]) -> Verdict | None:
    """Turn an error object into what happens next; None: it is none. Raises where the channel is refused."""
    told = answer.get("error") or answer
    told = told if isinstance(told, dict) else {"message": str(told)}
    if not any(told.get(name) for name in ("message", "code")):
        return None
    words = asking.words_of(told, "message", "details", "code")
    said = words.lower()
    if any(word in said for word in ("balance", "fund", "money", "402")):
        raise errors.AskPerson(_("на счёте МТС Exolve кончились деньги"), hint=_("Пополните счёт."), raw=words)
    if any(word in said for word in ("token", "auth")):
        raise errors.Refused(_("МТС Exolve не принял ключ"), hint=_("Проверьте ключ в настройках."), raw=words)
    if "destination" in said:
        return Refused(texts.BAD_NUMBER, words)
    if any(word in said for word in ("invalid", "template", "alpha", "forbidden")):
        return Refused(texts.NOT_LIKED, words)
    return Lost(texts.ODD, words)


def _listed(row: dict[str, Any]) -> Listed:
    said = str(row.get("delivery_status", "")).lower()
    fate, reason = next(((fate, reason) for part, fate, reason in FATES if part in said), (Fate.ACCEPTED, ""))
    to = next((str(row[name]) for name in ("destination", "receiver") if row.get(name)), "")
    number = str(row.get("message_id") or "")
    return Listed(number, asking.digits(to), str(row.get("text") or ""), _made(row), fate, reason)


def _made(row: dict[str, Any]) -> int | None:
    said = next((row[name] for name in ("date", "created_at") if row.get(name)), None)
    try:
        made = datetime.fromisoformat(str(said))
    except ValueError:
        return None
    return int((made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp() * 1000)
