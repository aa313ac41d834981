"""МТС Exolve: sender in ``number``, recipient in ``destination`` (facts: telephony.md); a list to look for lost ones.

What a row of GetList looks like is not documented where we could read it: names and states are read tolerantly, and
what is not understood changes nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from identsync import errors
from identsync.flows.sending import Accepted, Fate, Receipt, Refused, Verdict
from identsync.integrations.messaging.message import Absent, Gateway, Keep, Message, Missing, Permit, Replies, Sent
from identsync.integrations.messaging.wire import asking
from identsync.integrations.messaging.wire import words as texts
from identsync.language import _

LISTED = 2_000
EARLY_MS = 120_000
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
        if "error" in answer:
            return _refused(answer["error"])
        if not answer.get("message_id"):
            raise asking.nonsense(answer)
        return Accepted(str(answer["message_id"]))

    async def status(self, sent: Sequence[Sent]) -> Sequence[Receipt]:
        """Read the list of what was sent lately."""
        mine = {each.provider_id for each in sent}
        rows = await self._listed()
        told = [_receipt(row) for row in rows if str(row.get("message_id", "")) in mine]
        return [receipt for receipt in told if receipt is not None and receipt.fate is not Fate.ACCEPTED]

    async def find(self, lost: Sequence[Missing]) -> Sequence[Receipt | Absent]:
        """Look for lost messages by number, text and time; where two could be meant, or rows tell no time, neither."""
        rows = await self._listed()
        oldest = min((made for row in rows if (made := _made(row)) is not None), default=None)
        found: list[Receipt | Absent] = []
        for each in lost:
            alike = [row for row in rows if _is(row, each)]
            rivals = [other for other in lost if (other.to, other.text) == (each.to, each.text)]
            if len(alike) == len(rivals) == 1 and (receipt := _receipt(alike[0])) is not None:
                found.append(Receipt(receipt.fate, receipt.provider_id, each.token, reason=receipt.reason))
            elif not alike and (len(rows) < LISTED or (oldest is not None and oldest < each.at_ms - EARLY_MS)):
                found.append(Absent(each.token))
        return found

    async def _listed(self) -> list[dict[str, Any]]:
        answer = await self._ask("/messaging/v1/GetList", {"limit": LISTED, "offset": 0})
        if "error" in answer:
            _refused(answer["error"])
        rows = answer.get("messages")
        if not isinstance(rows, list):
            raise asking.nonsense(answer)
        return [row for row in rows if isinstance(row, dict)]

    async def _ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self.json(path, body, {"Authorization": f"Bearer {self.key}"})


def _refused(error: object) -> Verdict:
    """Turn an error object into what happens next; raises where the channel is refused."""
    told = error if isinstance(error, dict) else {"message": str(error)}
    words = asking.words_of(told, "message", "details", "code")
    said = words.lower()
    if any(word in said for word in ("balance", "fund", "money", "402")):
        raise errors.AskPerson(_("на счёте МТС Exolve кончились деньги"), hint=_("Пополните счёт."), raw=words)
    if any(word in said for word in ("token", "auth", "forbidden")):
        raise errors.Refused(_("МТС Exolve не принял ключ"), hint=_("Проверьте ключ в настройках."), raw=words)
    return Refused(texts.BAD_NUMBER if "destination" in said else texts.NOT_LIKED, words)


def _receipt(row: dict[str, Any]) -> Receipt | None:
    number, said = str(row.get("message_id", "")), str(row.get("delivery_status", "")).lower()
    if not number:
        return None
    for part, fate, reason in FATES:
        if part in said:
            return Receipt(fate, number, reason=reason, answer=said[:40])
    return Receipt(Fate.ACCEPTED, number, answer=said[:40])


def _is(row: dict[str, Any], lost: Missing) -> bool:
    to = next((str(row[name]) for name in ("destination", "receiver") if row.get(name)), "")
    made = _made(row)
    return (
        to.removeprefix("+") == asking.digits(lost.to)
        and row.get("text") == lost.text
        and made is not None
        and made >= lost.at_ms - EARLY_MS
    )


def _made(row: dict[str, Any]) -> int | None:
    said = next((row[name] for name in ("created_at", "create_date", "date") if row.get(name)), None)
    try:
        return int(datetime.fromisoformat(str(said)).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None
