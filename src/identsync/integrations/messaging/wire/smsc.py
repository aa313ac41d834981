"""SMSC.ru: own ids, so that a lost message can be asked for (facts: messaging.md 7)."""

from collections.abc import Sequence
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
from identsync.language import _

AT_ONCE = 10  # parallel requests; more than 15 are refused as error 9
ASKED = 100
BLOCKED_MS = 600_000
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


def open(settings: object, permit: Permit, keep: Keep, replies: Replies) -> Gateway:  # noqa: ARG001  pushes nothing
    """Make the gateway; nothing is connected yet."""
    return Smsc(settings, permit)


class Smsc(asking.Asking):
    """SMSC.ru as a gateway."""

    base = "https://smsc.ru"

    def __init__(self, settings: object, permit: Permit) -> None:
        super().__init__(settings, permit)
        self.window = min(self.window, AT_ONCE)

    async def submit(self, message: Message) -> Verdict:
        """Send once under our own id."""
        fields = {"phones": asking.digits(message.to), "mes": message.text, "id": message.token, "cost": "3"}
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
        """Ask by our own ids, a hundred at a time."""
        told: list[Receipt] = []
        for some in asking.portions(sent, ASKED):
            told += [r for r in await self._told([(each.token, each.to) for each in some]) if isinstance(r, Receipt)]
        return [receipt for receipt in told if receipt.fate is not Fate.ACCEPTED]

    async def find(self, lost: Sequence[Missing]) -> Sequence[Receipt | Absent]:
        """Ask for lost messages by our own ids."""
        found: list[Receipt | Absent] = []
        for some in asking.portions(lost, ASKED):
            found += await self._told([(each.token, each.to) for each in some])
        return found

    async def balance(self) -> Balance | None:
        """Ask for the money left."""
        answer = await self._ask("/sys/balance.php", {})
        if (code := asking.code_of(answer, "error_code")) is not None:
            _refused(code, "")
        left = asking.kopecks(answer.get("balance"))
        return Balance(left, str(answer.get("balance", ""))[:40])

    async def _told(self, asked: Sequence[tuple[str, str]]) -> list[Receipt | Absent]:
        ids = "".join(f"{token}," for token, _to in asked)
        phones = "".join(f"{asking.digits(to)}," for _token, to in asked)
        answer = await self._list("/sys/status.php", {"id": ids, "phone": phones})
        known = {token for token, _to in asked}
        return [told for row in answer if (told := _row(row, known)) is not None]

    async def _ask(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        return await self.form(path, self._signed(fields))

    async def _list(self, path: str, fields: dict[str, str]) -> list[Any]:
        answer = await self.anything(path, self._signed(fields))
        if isinstance(answer, list):
            return answer
        answer = asking.object_of(answer)
        if (code := asking.code_of(answer, "error_code")) is not None:
            _refused(code, "")
            raise asking.nonsense(answer)
        return [answer]

    def _signed(self, fields: dict[str, str]) -> dict[str, str]:
        return {"login": self.settings.user or "", "psw": self.key, "fmt": "3", "charset": "utf-8", **fields}


def _refused(code: int, words: str) -> Verdict:
    """Turn an error of the gateway into what happens next; raises where the channel itself is refused."""
    if code == 2:
        hint = _("Проверьте логин и пароль, и разрешён ли в кабинете SMSC.ru этот адрес в интернете.")
        raise errors.Refused(_("SMSC.ru не узнал логин или пароль"), hint=hint)
    if code == 3:
        raise errors.AskPerson(_("на счёте SMSC.ru кончились деньги"), hint=_("Пополните счёт."))
    if code == 4:
        raise errors.Limited(_("SMSC.ru на время закрыл доступ за частые ошибки"), after_ms=BLOCKED_MS)
    if code == 9:  # the same request twice within a minute, or too many at once: the first one may have been taken
        return Lost(texts.REPEATED, words)
    return Refused(REFUSED.get(code, texts.NOT_LIKED), f"{code} {words}".strip())


def _row(row: object, known: set[str]) -> Receipt | Absent | None:
    """Read one line of a list of states; what was not asked for is passed over."""
    if not isinstance(row, dict) or (token := str(row.get("id", ""))) not in known:
        return None
    code = asking.code_of(row, "status")
    if code == NOT_FOUND:
        return Absent(token)
    if code not in FATES:
        return None
    fate, reason = FATES[code]
    stamp = asking.code_of(row, "last_timestamp")
    words = f"{code} {asking.words_of(row, 'err', 'status_name')}".strip()
    return Receipt(fate, token, token, at_ms=stamp and stamp * 1000, reason=reason, answer=words)
