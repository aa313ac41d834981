"""iqsms (СМС Дисконт): clientId comes back, nothing is promised about repeats (facts: messaging.md 7)."""

from collections.abc import Sequence
from typing import Any

from identsync import errors
from identsync.flows.sending import Accepted, Fate, Receipt, Refused, Verdict
from identsync.integrations.messaging.message import Balance, Gateway, Keep, Message, Permit, Replies, Sent
from identsync.integrations.messaging.wire import asking
from identsync.integrations.messaging.wire import words as texts
from identsync.language import _

ASKED = 200
REFUSED = {
    "invalid mobile phone": texts.BAD_NUMBER,
    "text is empty": texts.BAD_TEXT,
    "text must be string": texts.BAD_TEXT,
    "sender address invalid": texts.BAD_TEXT,
}
FATES = {
    "queued": (Fate.ACCEPTED, ""),
    "smsc submit": (Fate.ACCEPTED, ""),
    "delivered": (Fate.DELIVERED, ""),
    "delivery error": (Fate.FAILED, texts.NOT_DELIVERED),
    "smsc reject": (Fate.FAILED, texts.REJECTED),
}


def open(settings: object, permit: Permit, keep: Keep, replies: Replies) -> Gateway:  # noqa: ARG001  pushes nothing
    """Make the gateway; nothing is connected yet."""
    return Iqsms(settings, permit)


class Iqsms(asking.Asking):
    """iqsms as a gateway."""

    base = "https://api.iqsms.ru/messages/v2"

    async def submit(self, message: Message) -> Verdict:
        """Send once, with our token as clientId."""
        row = {"phone": asking.digits(message.to), "text": message.text, "clientId": message.token}
        if message.sender:
            row["sender"] = message.sender
        told = _rows(await self._ask("/send.json", {"messages": [row]}))
        if len(told) != 1:
            raise asking.nonsense(told)
        return _verdict(told[0])

    async def status(self, sent: Sequence[Sent]) -> Sequence[Receipt]:
        """Ask two hundred at a time."""
        told: list[Receipt] = []
        for some in asking.portions(sent, ASKED):
            asked = [{"clientId": each.token, "smscId": each.provider_id} for each in some]
            rows = _rows(await self._ask("/status.json", {"messages": asked}))
            told += [receipt for row in rows if (receipt := _receipt(row)) is not None]
        return told

    async def balance(self) -> Balance | None:
        """Ask for the money left."""
        answer = await self._ask("/balance.json", {})
        listed = answer.get("balance")
        row = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
        return Balance(asking.kopecks(row.get("balance")), asking.words_of(row, "type"))

    async def _ask(self, path: str, more: dict[str, Any]) -> dict[str, Any]:
        answer = await self.json(path, {"login": self.settings.user or "", "password": self.key, **more})
        if answer.get("status") == "error":
            words = asking.words_of(answer, "description")
            raise _stopped(words)
        return answer


def _rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    rows = answer.get("messages")
    if answer.get("status") != "ok" or not isinstance(rows, list):
        raise asking.nonsense(answer)
    return [row for row in rows if isinstance(row, dict)]


def _verdict(row: dict[str, Any]) -> Verdict:
    said = str(row.get("status", "")).lower()
    if said == "accepted" and row.get("smscId"):
        return Accepted(str(row["smscId"]))
    if said in REFUSED:
        return Refused(REFUSED[said], said)
    if "balance" in said or "credit" in said:
        raise _stopped(said)
    raise asking.nonsense(row)


def _stopped(words: str) -> errors.IdentsyncError:
    """Return the error of an answer that is about the channel: nothing was sent."""
    said = words.lower()
    if "authorization" in said or "login" in said:
        return errors.Refused(_("iqsms не узнал логин или пароль"), hint=_("Проверьте ключ в настройках."), raw=words)
    if "balance" in said or "credit" in said:
        return errors.AskPerson(_("на счёте iqsms кончились деньги"), hint=_("Пополните счёт."), raw=words)
    return asking.nonsense(words)


def _receipt(row: dict[str, Any]) -> Receipt | None:
    fate, reason = FATES.get(str(row.get("status", "")).lower(), (Fate.ACCEPTED, ""))
    if fate is Fate.ACCEPTED:
        return None
    return Receipt(fate, str(row.get("smscId", "")), str(row.get("clientId", "")), reason=reason)
