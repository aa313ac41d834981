"""iqsms (СМС Дисконт): clientId comes back, nothing is promised about repeats (facts: messaging.md 7).

States are also put into a queue under a name of ours, each told once: only there a message is heard of whose number at
the gateway was lost.
"""

from collections.abc import Sequence
from typing import Any

from identsync import errors
from identsync.flows.sending import Accepted, Fate, Receipt, Refused, Verdict
from identsync.integrations.messaging.message import Balance, Gateway, Keep, Message, Missing, Permit, Replies, Sent
from identsync.integrations.messaging.wire import asking
from identsync.integrations.messaging.wire import words as texts
from identsync.language import _

ASKED = 200
QUEUE = "identsync"  # 3 to 16 letters and digits
QUEUED, MOST_READS = 1_000, 20
REFUSED = {
    "invalid mobile phone": texts.BAD_NUMBER,
    "text is empty": texts.BAD_TEXT,
    "text must be string": texts.BAD_TEXT,
    "sender address invalid": texts.BAD_TEXT,
    "wapurl invalid": texts.NOT_LIKED,
    "invalid schedule time format": texts.NOT_LIKED,
    "invalid status queue name": texts.NOT_LIKED,
}
UNKNOWN = "incorrect id"
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
        told = _rows(await self._ask("/send.json", {"messages": [row], "statusQueueName": QUEUE}))
        if len(told) != 1 or str(told[0].get("clientId", message.token)) != message.token:
            raise asking.nonsense(told)
        return _verdict(told[0])

    async def status(self, sent: Sequence[Sent]) -> Sequence[Receipt]:
        """Ask two hundred at a time."""
        told: list[Receipt] = []
        for some in asking.portions(sent, ASKED):
            asked = [{"clientId": each.token, "smscId": each.provider_id} for each in some]
            rows = _rows(await self._ask("/status.json", {"messages": asked}))
            told += [_told(row) for row in rows]
        return [receipt for receipt in told if receipt.fate is not Fate.ACCEPTED]

    async def find(self, lost: Sequence[Missing]) -> Sequence[Receipt]:
        """Read the queue of states; who is not in it may be there all the same, so nobody is called absent."""
        tokens, found = {each.token for each in lost}, dict[str, Receipt]()
        for _read in range(MOST_READS):
            asked = {"statusQueueName": QUEUE, "statusQueueLimit": QUEUED}
            rows = _rows(await self._ask("/statusQueue.json", asked))
            mine = [_told(row) for row in rows if row.get("clientId") in tokens and row.get("status") != UNKNOWN]
            found |= {receipt.token: receipt for receipt in mine}
            if len(rows) < QUEUED:
                break
        return [*found.values()]

    async def balance(self) -> Balance | None:
        """Ask for the money left."""
        answer = await self._ask("/balance.json", {})
        listed = answer.get("balance")
        row = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
        left = asking.kopecks(row.get("balance"))
        if left is None:
            raise asking.nonsense(answer)
        return Balance(left, asking.words_of(row, "type"))

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


def _told(row: dict[str, Any]) -> Receipt:
    said = str(row.get("status", "")).lower()
    fate, reason = FATES.get(said, (Fate.ACCEPTED, ""))
    return Receipt(fate, str(row.get("smscId", "")), str(row.get("clientId", "")), reason=reason, answer=said[:40])
