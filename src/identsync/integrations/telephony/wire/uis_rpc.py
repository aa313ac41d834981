"""JSON-RPC as UIS, CoMagic and Novofon speak it: one method at a time, and what each refusal means."""

import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from identsync.errors import AskPerson, IdentsyncError, Limited, Refused, Unavailable, Unexpected
from identsync.flows import sending
from identsync.flows.sending import Lost, NotTaken, Verdict
from identsync.integrations.telephony.wire import asking
from identsync.integrations.telephony.wire import asking_read as read
from identsync.integrations.telephony.wire import asking_words as words
from identsync.integrations.telephony.wire.uis_points import Points
from identsync.language import _

BAD_TOKEN, NO_DIRECTION, NO_RIGHT, BAD_STATE, BAD_LINE = -32001, -32002, -32003, -32004, -32007
NO_COMPONENT, NO_ACCOUNT, NO_POINTS, INTERNAL, BAD_PARAMS = -32008, -32009, -32029, -32603, -32602
NEVER_BEGUN = (BAD_PARAMS, BAD_STATE, -32600, -32601, -32700, -32099)
ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
WHY = {
    "employee_not_found": words.NO_EXTENSION,
    "no_active_phone_number": words.NO_EXTENSION,
    "own_virtual_phone_number_not_allowed": words.BAD_NUMBER,
    "contact_in_blacklist": words.FORBIDDEN,
}


class Declined(Exception):
    """An ``error`` of the protocol: its code, mnemonic, field and words."""

    def __init__(self, error: Mapping[str, Any], points: Points) -> None:
        data = error.get("data")
        detail: Mapping[str, Any] = data if isinstance(data, dict) else {}
        self.code = read.whole(error, "code")
        self.mnemonic = read.text(detail, "mnemonic")
        self.field = read.text(detail, "field")
        self.address = found[0] if (found := ADDRESS.search(read.text(error, "message"))) else ""
        self.said = f"{self.code} {self.mnemonic} {asking.masked(read.text(error, 'message'))}"[: asking.RAW]
        self.after_ms = points.after_ms(time.monotonic())
        super().__init__(self.said)

    def error(self) -> IdentsyncError:
        """Return what it means for a question."""
        if self.mnemonic == "ip_not_whitelisted":
            return _closed(self.address, self.said)
        if self.code == BAD_TOKEN:
            hint = _("Проверьте ключ доступа в личном кабинете: он мог истечь, или его отключили.")
            return Refused(_("UIS не принял ключ"), hint=hint, raw=self.said)
        if self.code in {NO_RIGHT, NO_COMPONENT, NO_ACCOUNT}:
            return _not_allowed(self.code, self.said)
        if self.code == NO_POINTS:
            return Limited(_("кончились баллы UIS за минуту или за день"), after_ms=self.after_ms, raw=self.said)
        if self.code == INTERNAL:
            return Unavailable(_("UIS сейчас не работает"), sent=True, raw=self.said)
        return Unexpected(_("UIS не принял запрос"), raw=self.said)

    def verdict(self) -> Verdict:
        """Return what it means for a call that was to be started; raises where the whole line is refused."""
        if self.code == NO_POINTS:
            return NotTaken(words.SLOWER, self.after_ms, self.said)
        if self.code == NO_DIRECTION:
            return sending.Refused(words.FORBIDDEN, self.said)
        if self.code == BAD_LINE:
            return sending.Refused(words.NO_LINE, self.said)
        if self.code in NEVER_BEGUN:
            why = words.BAD_NUMBER if self.field == "contact" else words.NOT_LIKED
            return sending.Refused(WHY.get(self.mnemonic, why), self.said)
        error = self.error()
        if isinstance(error, AskPerson):
            raise error
        return Lost(words.ODD, self.said)


class Rpc(asking.Asking):
    """UIS as a JSON-RPC service; two of them: Call API (``address``) and Data API (``data_address``)."""

    base = "https://callapi.uiscom.ru/v4.0"
    data_base = "https://dataapi.uiscom.ru/v2.0"
    points: Points  # of Call API

    @property
    def data_address(self) -> str:
        """The address of Data API: callapi.comagic.ru has its own at dataapi.comagic.ru."""
        parts = urlsplit(self.line.url or "")
        if self.line.data_url or not parts.netloc.startswith("callapi"):
            return self.line.data_url or self.data_base
        return f"{parts.scheme}://data{parts.netloc.removeprefix('call')}/v2.0"

    async def call(self, method: str, **params: object) -> Any:
        """Ask Call API; give ``result.data``; Declined where it refuses."""
        return await self._rpc(self.address, method, params, self.points)

    async def data(self, method: str, **params: object) -> Any:
        """Ask Data API; give ``result.data``; the error of the tree where it refuses."""
        try:
            return await self._rpc(self.data_address, method, params, Points())
        except Declined as declined:
            raise declined.error() from None

    async def _rpc(self, address: str, method: str, params: Mapping[str, object], points: Points) -> Any:
        body = {"jsonrpc": "2.0", "id": "1", "method": method, "params": {"access_token": self.key, **params}}
        answer = asking.object_of(await self.post_json(address, body))
        result, error = answer.get("result"), answer.get("error")
        for part in (result, error, error.get("data") if isinstance(error, dict) else None, answer):
            _count(part, points)
        if isinstance(error, dict):
            raise Declined(error, points)
        if not isinstance(result, dict) or "data" not in result:
            raise asking.nonsense(answer)
        return result["data"]


def _count(part: object, points: Points) -> None:
    metadata = part.get("metadata") if isinstance(part, dict) else None
    limits = metadata.get("limits") if isinstance(metadata, dict) else None
    if isinstance(limits, dict):
        points.told(limits, time.monotonic())


def _closed(address: str, said: str) -> AskPerson:
    told = _("UIS закрыт для этого адреса в интернете ({address})", address=address or "?")
    hint = _(
        "Доступ закрыт, пока адрес клиники не внесён в личном кабинете UIS: Аккаунт, Call API и Data API, вкладка "
        "«IP-адреса». Если адрес меняется, закажите у провайдера постоянный."
    )
    return AskPerson(told, hint=hint, raw=said)


def _not_allowed(code: int, said: str) -> AskPerson:
    if code == NO_ACCOUNT:
        return AskPerson(_("UIS отключил учётную запись"), hint=_("Обратитесь в поддержку UIS."), raw=said)
    told = _("у ключа UIS нет прав на это") if code == NO_RIGHT else _("в UIS не подключён нужный компонент")
    hint = _(
        "В личном кабинете UIS подключите «Call API Базовый набор» (звонки), «Call API Управление вызовами» (кто "
        "звонит) и Data API (история) и дайте их пользователю, чей это ключ."
    )
    return AskPerson(told, hint=hint, raw=said)
