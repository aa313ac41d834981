"""SMSC.ru: own ids, so that lost messages can be asked for; replies to a number rented there (facts: messaging.md)."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
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
    Reply,
    Sent,
)
from identsync.integrations.messaging.wire import asking
from identsync.integrations.messaging.wire import words as texts
from identsync.language import _
from identsync.spans import HOUR_MS, MINUTE_MS

AT_ONCE = 10  # parallel requests; more than 15 are refused as error 9
ASKED = 100
BLOCKED_MS = 600_000
LIVES_H = 24
TOO_OFTEN = 9
REPLIES_H = 168  # the longest it gives: a client that slept over the holidays hears of every STOP
MOSCOW = timezone(timedelta(hours=3))
REFUSED = {
    1: texts.NOT_LIKED,
    5: texts.NOT_LIKED,
    6: texts.BAD_TEXT,
    7: texts.BAD_NUMBER,
    8: texts.FORBIDDEN,
}
NOT_FOUND = -3
FATES = {
    -1: (Fate.ACCEPTED, ""),
    0: (Fate.ACCEPTED, ""),
    1: (Fate.DELIVERED, ""),
    2: (Fate.DELIVERED, ""),
    4: (Fate.DELIVERED, ""),  # a link in it was opened
    3: (Fate.EXPIRED, ""),
    20: (Fate.FAILED, texts.NOT_DELIVERED),
    22: (Fate.FAILED, texts.BAD_NUMBER),
    23: (Fate.FAILED, texts.FORBIDDEN),
    24: (Fate.FAILED, texts.NO_MONEY),
    25: (Fate.FAILED, texts.UNREACHABLE),
}


def open(settings: object, permit: Permit, keep: Keep, replies: Replies) -> Gateway:  # noqa: ARG001  no receipts pushed
    """Make the gateway; nothing is connected yet."""
    return Smsc(settings, permit, replies)


class Smsc(asking.Asking):
    """SMSC.ru as a gateway."""

    base = "https://smsc.ru"

    def __init__(self, settings: object, permit: Permit, replies: Replies) -> None:
        super().__init__(settings, permit)
        self._replies = replies
        self.window = min(self.window, AT_ONCE)

    async def submit(self, message: Message) -> Verdict:
        """Send once under our own id."""
        fields = {"phones": asking.digits(message.to), "mes": message.text, "id": message.token, "cost": "3"}
        fields["valid"] = asking.lifetime(message, HOUR_MS, LIVES_H)
        if message.sender:
            fields["sender"] = message.sender
        answer = await self._ask("/sys/send.php", fields)
        code = asking.code_of(answer, "error_code")
        if code is not None:
            return _refused(code, asking.words_of(answer, "error"))
        if str(answer.get("id", "")) != message.token:
            raise asking.nonsense(answer)
        return Accepted(message.token, asking.code_of(answer, "cnt"), asking.kopecks(answer.get("cost")))

    async def status(self, sent: Sequence[Sent]) -> Sequence[Receipt]:
        """Ask by our own ids in one request: a second list within a minute is refused, and then there are no news."""
        some = asking.turn(sent, ASKED)
        ids = "".join(f"{each.token}," for each in some)
        phones = "".join(f"{asking.digits(each.to)}," for each in some)
        answer = await self.anything("/sys/status.php", self._signed({"id": ids, "phone": phones}))
        if isinstance(answer, dict):
            if asking.code_of(answer, "error_code") == TOO_OFTEN:
                return ()
            _answered(answer)
        rows = answer if isinstance(answer, list) else [answer]
        known = {each.token for each in some}
        told = [_row(row, str(row["id"])) for row in rows if isinstance(row, dict) and str(row.get("id", "")) in known]
        return [receipt for receipt in told if isinstance(receipt, Receipt) and receipt.fate is not Fate.ACCEPTED]

    async def find(self, lost: Sequence[Missing]) -> Sequence[Receipt | Absent]:
        """Ask for lost messages by our own ids, one by one: only lists are limited to one a minute."""
        return await self.one_by_one(lost, self._found)

    async def balance(self) -> Balance | None:
        """Ask for the money left."""
        answer = _answered(await self._ask("/sys/balance.php", {}))
        left = asking.kopecks(answer.get("balance"))
        if left is None:
            raise asking.nonsense(answer)
        return Balance(left, str(answer["balance"])[:40])

    async def listen(self, quiet_ms: int) -> None:  # noqa: ARG002  nothing is pushed: it is asked for
        """Read what people wrote back; without a number rented there is no such list, and no error either."""
        fields = {"get_answers": "1", "hour": str(REPLIES_H)}
        try:
            answer = await self.anything("/sys/get.php", self._signed(fields))
        except errors.IdentsyncError:
            return  # asked again soon; what is known of sent messages must not wait for it
        rows = answer if isinstance(answer, list) else ()
        if told := [reply for row in rows if (reply := _reply(row)) is not None]:
            await self._replies(told)

    async def _found(self, one: Missing) -> Receipt | Absent:
        asked = {"id": one.token, "phone": asking.digits(one.to)}
        answer = _answered(await self._ask("/sys/status.php", asked))
        if (told := _row(answer, one.token)) is None:
            raise asking.nonsense(answer)
        return told

    async def _ask(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        return await self.form(path, self._signed(fields))

    def _signed(self, fields: dict[str, str]) -> dict[str, str]:
        return {"login": self.settings.user or "", "psw": self.key, "fmt": "3", "charset": "utf-8", **fields}


def _answered(answer: Any) -> dict[str, Any]:
    """Return the answer to a question; raises what an error in its place means."""
    told = asking.object_of(answer)
    if (code := asking.code_of(told, "error_code")) is None:
        return told
    if code == TOO_OFTEN:
        raise errors.Limited(_("SMSC.ru просит спрашивать реже"), after_ms=MINUTE_MS)
    _refused(code, "")
    raise asking.nonsense(told)


def _refused(code: int, words: str) -> Verdict:
    """Turn an error of the gateway into what happens next; raises where the channel itself is refused."""
    if code == 2:
        hint = _("Проверьте логин и пароль, и разрешён ли в кабинете SMSC.ru этот адрес в интернете.")
        raise errors.Refused(_("SMSC.ru не узнал логин или пароль"), hint=hint)
    if code == 3:
        raise errors.AskPerson(_("на счёте SMSC.ru кончились деньги"), hint=_("Пополните счёт."))
    if code == 4:
        raise errors.Limited(_("SMSC.ru на время закрыл доступ за частые ошибки"), after_ms=BLOCKED_MS)
    said = f"{code} {words}".strip()
    if code == TOO_OFTEN:  # the same request twice within a minute, or too many at once: the first may have been taken
        return Lost(texts.REPEATED, said)
    return Refused(REFUSED[code], said) if code in REFUSED else Lost(texts.ODD, said)


def _row(row: dict[str, Any], token: str) -> Receipt | Absent | None:
    """Read a state; one we have no word for is that of a message that is there, None = no state."""
    code = asking.code_of(row, "status")
    if code is None:
        return None
    if code == NOT_FOUND:
        return Absent(token)
    fate, reason = FATES.get(code, (Fate.ACCEPTED, ""))
    stamp = asking.time_of(asking.code_of(row, "last_timestamp"))
    words = f"{code} {asking.words_of(row, 'err', 'status_name')}".strip()
    return Receipt(fate, token, token, at_ms=stamp, reason=reason, answer=words)


def _reply(row: object) -> Reply | None:
    if not isinstance(row, dict) or not row.get("id") or not row.get("phone"):
        return None
    sender = str(row["phone"])
    sender = f"+{sender}" if sender.isdigit() else sender
    return Reply(str(row["id"]), sender, str(row.get("message") or ""), _heard(row))


def _heard(row: dict[str, Any]) -> int:
    """Return when a reply came, Moscow's time as the gateway writes it; now, where it says nothing of sense."""
    now = time.time_ns() // 1_000_000
    try:
        said = datetime.strptime(str(row.get("received") or row.get("sent")), "%d.%m.%Y %H:%M:%S").replace(
            tzinfo=MOSCOW
        )
    except ValueError:
        return now
    at = int(said.astimezone(UTC).timestamp() * 1000)
    return at if now - (REPLIES_H + 24) * HOUR_MS < at < now else now
