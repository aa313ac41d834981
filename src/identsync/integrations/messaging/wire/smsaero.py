"""SMS Aero v2: no ids of ours, but a list of what was sent: lost messages are looked for by number, text and time."""

from collections.abc import Sequence
from typing import Any

from identsync import errors
from identsync.flows.sending import Accepted, Fate, Receipt, Refused, Verdict
from identsync.integrations.messaging.message import (
    Absent,
    Balance,
    Gateway,
    Keep,
    Message,
    Missing,
    Permit,
    Replies,
    Sent,
)
from identsync.integrations.messaging.wire import asking
from identsync.integrations.messaging.wire import words as texts
from identsync.language import _

EARLY_MS = 120_000  # their clock and ours
MOST_PAGES = 20
FATES = {
    0: (Fate.ACCEPTED, ""),
    1: (Fate.DELIVERED, ""),
    2: (Fate.FAILED, texts.NOT_DELIVERED),
    3: (Fate.ACCEPTED, ""),
    4: (Fate.ACCEPTED, ""),
    6: (Fate.FAILED, texts.REJECTED),
    8: (Fate.ACCEPTED, ""),
}


def open(settings: object, permit: Permit, keep: Keep, replies: Replies) -> Gateway:  # noqa: ARG001  pushes nothing
    """Make the gateway; nothing is connected yet."""
    return SmsAero(settings, permit)


class SmsAero(asking.Asking):
    """SMS Aero as a gateway."""

    base = "https://gate.smsaero.ru/v2"

    async def submit(self, message: Message) -> Verdict:
        """Send once."""
        fields = {"number": asking.digits(message.to), "text": message.text, "sign": message.sender}
        answer = await self._ask("/sms/send", fields)
        if answer.get("success") is False:
            return _refused(answer)
        data = answer.get("data")
        row = data[0] if isinstance(data, list) and data else data
        if answer.get("success") is not True or not isinstance(row, dict) or not row.get("id"):
            raise asking.nonsense(answer)
        return Accepted(str(row["id"]), None, asking.kopecks(row.get("cost")))

    async def status(self, sent: Sequence[Sent]) -> Sequence[Receipt]:
        """Ask one by one: the protocol knows no list here."""
        told: list[Receipt] = []
        for each in sent:
            answer = await self._ask("/sms/status", {"id": each.provider_id})
            row = answer.get("data")
            if isinstance(row, dict) and (receipt := _receipt(row)) is not None and receipt.fate is not Fate.ACCEPTED:
                told.append(receipt)
        return told

    async def find(self, lost: Sequence[Missing]) -> Sequence[Receipt | Absent]:
        """Look through what was sent since the oldest of them; where two could be meant, neither is told."""
        since = min(each.at_ms for each in lost) - EARLY_MS
        rows = await self._listed(since)
        found: list[Receipt | Absent] = []
        for each in lost:
            alike = [row for row in rows if _is(row, each)]
            rivals = [other for other in lost if (other.to, other.text) == (each.to, each.text)]
            if not alike:
                found.append(Absent(each.token))
            elif len(alike) == len(rivals) == 1:
                fate, reason = _fate(alike[0]) or (Fate.ACCEPTED, "")
                found.append(Receipt(fate, str(alike[0]["id"]), each.token, reason=reason))
        return found

    async def balance(self) -> Balance | None:
        """Ask for the money left."""
        answer = await self._ask("/balance", {})
        if answer.get("success") is False:
            _refused(answer)
        data = answer.get("data")
        return Balance(asking.kopecks(data.get("balance"))) if isinstance(data, dict) else None

    async def _listed(self, since_ms: int) -> list[dict[str, Any]]:
        """Give the messages sent since then, page by page, newest first as the protocol lists them."""
        rows: list[dict[str, Any]] = []
        for page in range(1, MOST_PAGES + 1):
            data = (await self._ask("/sms/list", {"page": page})).get("data")
            values = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
            here = [row for row in values if isinstance(row, dict) and row.get("id")]
            rows += here
            if not here or min(asking.code_of(row, "dateCreate") or 0 for row in here) * 1000 < since_ms:
                return [row for row in rows if (asking.code_of(row, "dateCreate") or 0) * 1000 >= since_ms]
        raise asking.nonsense(_("список отправленного не кончается"))

    async def _ask(self, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        return await self.json(path, fields, asking.basic(self.settings.user or "", self.key))


def _refused(answer: dict[str, Any]) -> Verdict:
    """Turn "success: false" into what happens next: certainly not sent. Raises where the channel is refused."""
    words = asking.words_of(answer, "message")
    said = words.lower()
    if "credit" in said or "balance" in said:
        raise errors.AskPerson(_("на счёте SMS Aero кончились деньги"), hint=_("Пополните счёт."), raw=words)
    if "auth" in said or "access" in said:
        hint = _("Проверьте почту (user) и ключ в настройках.")
        raise errors.Refused(_("SMS Aero не принял ключ"), hint=hint, raw=words)
    return Refused(texts.BAD_NUMBER if "number" in said or "phone" in said else texts.NOT_LIKED, words)


def _fate(row: dict[str, Any]) -> tuple[Fate, str] | None:
    code = asking.code_of(row, "status")
    return None if code is None else FATES.get(code)


def _receipt(row: dict[str, Any]) -> Receipt | None:
    known = _fate(row)
    if known is None:
        return None
    words = f"{row.get('status')} {asking.words_of(row, 'extendStatus')}".strip()
    return Receipt(known[0], str(row.get("id", "")), reason=known[1], answer=words)


def _is(row: dict[str, Any], lost: Missing) -> bool:
    since = (lost.at_ms - EARLY_MS) // 1000
    made = asking.code_of(row, "dateCreate") or 0
    return str(row.get("number")) == asking.digits(lost.to) and row.get("text") == lost.text and made >= since
