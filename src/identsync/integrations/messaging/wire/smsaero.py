"""SMS Aero v2: no ids of ours, but a list of what was sent: lost messages are looked for by number, text and time."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from identsync import errors
from identsync.flows.sending import Accepted, Fate, Lost, Receipt, Refused, Verdict
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
from identsync.integrations.messaging.wire.listed import EARLY_MS, Listed, looked_up
from identsync.language import _

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
        if (verdict := _refused(answer)) is not None:
            return verdict
        data = answer.get("data")
        row = data[0] if isinstance(data, list) and data else data
        if answer.get("success") is not True or not isinstance(row, dict) or not row.get("id"):
            raise asking.nonsense(answer)
        return Accepted(str(row["id"]), None, asking.kopecks(row.get("cost")))

    async def status(self, sent: Sequence[Sent]) -> Sequence[Receipt]:
        """Ask one by one: the protocol knows no list here."""
        told = await self.one_by_one(sent, self._state)
        return [receipt for receipt in told if receipt.fate is not Fate.ACCEPTED]

    async def find(self, lost: Sequence[Missing]) -> Sequence[Receipt | Absent]:
        """Look through what was sent to each number since; where two could be meant, neither is told."""
        return await self.one_by_one(lost, partial(self._found, lost))

    async def balance(self) -> Balance | None:
        """Ask for the money left."""
        answer = await self._ask("/balance", {})
        left = asking.kopecks(asking.object_of(_data(answer)).get("balance"))
        if left is None:
            raise asking.nonsense(answer)
        return Balance(left)

    async def _state(self, sent: Sent) -> Receipt | None:
        answer = await self._ask("/sms/status", {"id": asking.code_of({"id": sent.provider_id}, "id")})
        row = answer.get("data")
        if not isinstance(row, dict) or str(row.get("id")) != sent.provider_id:
            _refused(answer)
            return None  # this one it does not know; the next may do
        words = f"{row.get('status')} {asking.words_of(row, 'extendStatus')}".strip()
        fate, reason = _fate(row)
        return Receipt(fate, sent.provider_id, reason=reason, answer=words)

    async def _found(self, lost: Sequence[Missing], each: Missing) -> Receipt | Absent | None:
        return looked_up(each, lost, await self._listed(asking.digits(each.to), each.at_ms - EARLY_MS))

    async def _listed(self, number: str, since_ms: int) -> list[Listed]:
        """Give what was sent to a number since then, page by page, newest first as the protocol lists it."""
        rows: list[Listed] = []
        for page in range(1, MOST_PAGES + 1):
            answer = await self._ask(f"/sms/list?page={page}", {"number": number})
            data = asking.object_of(_data(answer))
            rows += (here := [_listed(row) for row in data.values() if isinstance(row, dict) and row.get("id")])
            links = data.get("links")
            is_last = not here or (isinstance(links, dict) and not links.get("next"))
            if is_last or any(row.made_ms is not None and row.made_ms < since_ms for row in here):
                return rows
        raise asking.nonsense(MOST_PAGES)

    async def _ask(self, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        return await self.json(path, fields, asking.basic(self.settings.user or "", self.key))


def _data(answer: dict[str, Any]) -> Any:
    """Return what a question was answered; raises what a refusal in its place means."""
    if answer.get("success") is True:
        return answer.get("data")
    _refused(answer)
    raise asking.nonsense(answer)


def _refused(answer: dict[str, Any]) -> Verdict | None:
    """Turn a refusal into what happens next; None: it is none. Raises where the channel is refused."""
    result = answer.get("result")
    if answer.get("success") is not False and result not in ("no credits", "reject"):
        return None
    words = asking.words_of(answer, "message", "reason", "result")
    said = f"{words} {result or ''}".lower()
    if "credits" in said or "balance" in said:
        raise errors.AskPerson(_("на счёте SMS Aero кончились деньги"), hint=_("Пополните счёт."), raw=words)
    if "credential" in said or "auth" in said or "access" in said:
        hint = _("Проверьте почту (user) и ключ в настройках.")
        raise errors.Refused(_("SMS Aero не принял ключ"), hint=hint, raw=words)
    if "number" in said or "phone" in said:
        return Refused(texts.BAD_NUMBER, words)
    if result == "reject" or any(word in said for word in ("validation", "sign", "text", "reject")):
        return Refused(texts.NOT_LIKED, words)
    return Lost(texts.ODD, words)


def _fate(row: dict[str, Any]) -> tuple[Fate, str]:
    return FATES.get(asking.code_of(row, "status") or 0, (Fate.ACCEPTED, ""))


def _listed(row: dict[str, Any]) -> Listed:
    fate, reason = _fate(row)
    made = asking.time_of(asking.code_of(row, "dateCreate"))
    to, text = str(row.get("number") or ""), str(row.get("text") or "")
    return Listed(str(row["id"]), asking.digits(to), text, made, fate, reason)
