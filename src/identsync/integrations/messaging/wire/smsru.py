"""SMS.ru: no ids of ours, no list: what is lost there stays unknown until a person looks (facts: messaging.md 7)."""

from collections.abc import Sequence
from typing import Any

from identsync import errors
from identsync.flows.sending import Accepted, Fate, Lost, NotTaken, Receipt, Refused, Verdict
from identsync.integrations.messaging.message import Balance, Gateway, Keep, Message, Permit, Replies, Sent
from identsync.integrations.messaging.wire import asking
from identsync.integrations.messaging.wire import words as texts
from identsync.language import _
from identsync.spans import HOUR_MS, MINUTE_MS

TAKEN = 100  # in the queue: not delivered yet, whatever other programs make of it
ASKED = 100
LIVES_MIN = 1_440
LAST_ERROR = 233  # of those about a message; what is beyond is not known to us
KEY = (200, 300, 301, 302, 303, 304, 305)
REFUSED = {
    202: texts.BAD_NUMBER,
    203: texts.NOT_LIKED,
    205: texts.BAD_TEXT,
    207: texts.BAD_NUMBER,
    209: texts.ON_STOP_LIST,
    214: texts.FORBIDDEN,
    216: texts.BAD_TEXT,
    230: texts.DAY_LIMIT,
}
FATES = {
    100: (Fate.ACCEPTED, ""),
    101: (Fate.ACCEPTED, ""),
    102: (Fate.ACCEPTED, ""),
    103: (Fate.DELIVERED, ""),
    110: (Fate.DELIVERED, ""),
    104: (Fate.EXPIRED, ""),
    105: (Fate.FAILED, texts.REJECTED),
    106: (Fate.FAILED, texts.UNREACHABLE),
    107: (Fate.FAILED, texts.NOT_DELIVERED),
    108: (Fate.FAILED, texts.REJECTED),
    150: (Fate.FAILED, texts.FORBIDDEN),
}


def open(settings: object, permit: Permit, keep: Keep, replies: Replies) -> Gateway:  # noqa: ARG001  pushes nothing
    """Make the gateway; nothing is connected yet."""
    return SmsRu(settings, permit)


class SmsRu(asking.Asking):
    """SMS.ru as a gateway."""

    base = "https://sms.ru"

    async def submit(self, message: Message) -> Verdict:
        """Send once."""
        number = asking.digits(message.to)
        fields = {"to": number, "msg": message.text}
        fields["ttl"] = asking.lifetime(message, MINUTE_MS, LIVES_MIN)
        if message.sender:
            fields["from"] = message.sender
        answer = await self._ask("/sms/send", fields)
        if (verdict := _verdict(answer)) is not None:
            return verdict
        listed = answer.get("sms")
        told = listed.get(number) if isinstance(listed, dict) else None
        if not isinstance(told, dict):
            raise asking.nonsense(answer)
        if (verdict := _verdict(told)) is not None:
            return verdict
        number_there = told.get("sms_id")
        if not number_there:
            raise asking.nonsense(answer)
        return Accepted(str(number_there), asking.code_of(told, "sms"), asking.kopecks(told.get("cost")))

    async def status(self, sent: Sequence[Sent]) -> Sequence[Receipt]:
        """Ask a hundred at a time."""
        told: list[Receipt] = []
        for some in asking.portions(sent, ASKED):
            asked = {"sms_id": ",".join(each.provider_id for each in some)}
            rows = asking.object_of(_answered(await self._ask("/sms/status", asked)).get("sms"))
            told += [receipt for each in some if (receipt := _receipt(each.provider_id, rows)) is not None]
        return told

    async def balance(self) -> Balance | None:
        """Ask for the money left."""
        answer = _answered(await self._ask("/my/balance", {}))
        left = asking.kopecks(answer.get("balance"))
        if left is None:
            raise asking.nonsense(answer)
        return Balance(left, str(answer["balance"])[:40])

    async def _ask(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        return await self.form(path, {"api_id": self.key, "json": "1", **fields})


def _answered(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a question; raises what an error in its place means."""
    verdict = _verdict(answer)
    if verdict is None:
        return answer
    if isinstance(verdict, NotTaken):
        raise errors.Limited(_("SMS.ru просит спрашивать реже"), after_ms=verdict.after_ms)
    raise asking.nonsense(answer)


def _verdict(answer: dict[str, Any]) -> Verdict | None:
    """Turn a code into what happens next; None: taken. Raises where the channel itself is refused."""
    code = asking.code_of(answer, "status_code")
    words = f"{code} {asking.words_of(answer, 'status_text')}".strip()
    if code == TAKEN and answer.get("status") == "OK":
        return None
    if code is None or code < 200 or code == 500:
        return Lost(texts.ODD, words)
    if code in KEY:
        raise errors.Refused(_("SMS.ru не принял ключ api_id"), hint=_("Проверьте ключ в настройках."), raw=words)
    if code == 201:
        raise errors.AskPerson(_("на счёте SMS.ru кончились деньги"), hint=_("Пополните счёт."), raw=words)
    if code == 204:
        hint = _("Согласуйте его в кабинете SMS.ru или измените sender.")
        raise errors.AskPerson(_("имя отправителя не согласовано с SMS.ru"), hint=hint, raw=words)
    if code == 206:
        raise errors.Limited(_("дневной предел SMS.ru исчерпан"), after_ms=HOUR_MS, raw=words)
    if code == 220:
        return NotTaken(texts.BUSY, MINUTE_MS, words)
    if code in (231, 232):  # the same text to the same number: the first may have been taken unheard
        return Lost(texts.REPEATED, words)
    return Refused(REFUSED.get(code, texts.NOT_LIKED), words) if code <= LAST_ERROR else Lost(texts.ODD, words)


def _receipt(number: str, rows: dict[str, Any]) -> Receipt | None:
    row = rows.get(number)
    if not isinstance(row, dict) or (code := asking.code_of(row, "status_code")) not in FATES:
        return None
    fate, reason = FATES[code]
    words = f"{code} {asking.words_of(row, 'status_text')}".strip()
    return None if fate is Fate.ACCEPTED else Receipt(fate, number, reason=reason, answer=words)
