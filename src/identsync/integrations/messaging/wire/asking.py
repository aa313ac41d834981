"""What the gateways over HTTP share: one request each, its answer decoded, the parts of a gateway that do nothing.

A request that failed says by its error whether it may have arrived (``flows/http.py``); an answer that makes no sense
is ``Unexpected``. Both are *lost* to the outbox, never "not taken". Of an answer only its shape and the gateway's own
words are kept: the rest may be a person's text or number.
"""

import base64
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

from identsync.errors import IdentsyncError, Unexpected
from identsync.flows.answer import shape, titled
from identsync.flows.coding import dumps
from identsync.flows.http import Http
from identsync.flows.sending import Receipt
from identsync.integrations.messaging.books import masked
from identsync.integrations.messaging.message import Absent, Balance, Message, Missing, Permit, Sent
from identsync.integrations.messaging.settings import Channel
from identsync.language import _
from identsync.values import secret

T = TypeVar("T")
Told = TypeVar("Told")

FORM = "application/x-www-form-urlencoded"
JSON = "application/json; charset=utf-8"
MAX_ANSWER = 4 * 1024 * 1024
RAW = 300
TELLING = 6  # characters: what is shorter may be a word of the gateway's own
WORDS = ("error", "message", "reason", "details", "description", "status_text", "status_name")
SOME = 200  # questions one by one in a run: at five a second well within its time
LATEST_MS = 4_102_444_800_000  # 2100: a time beyond that is none


class Asking:
    """A gateway over HTTP without its words; ``base`` is its usual address."""

    base = ""

    def __init__(self, settings: object, permit: Permit) -> None:
        assert isinstance(settings, Channel)
        self.settings = settings
        self.window = settings.at_once
        self.address = settings.url or self.base
        self.key = ""
        self._permit = permit
        self._http = Http(pool=self.window)

    async def __aenter__(self) -> Self:
        """Read the key and open the pool; nothing is connected."""
        self.key = secret(self.settings.password or "")
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._http.__aexit__(kind, error, trace)

    async def status(self, sent: Sequence[Sent]) -> Sequence[Receipt]:  # noqa: ARG002  for those that can be asked
        """Tell nothing: this protocol has no such question."""
        return ()

    async def find(self, lost: Sequence[Missing]) -> Sequence[Receipt | Absent]:  # noqa: ARG002
        """Find nothing: this protocol has no such question."""
        return ()

    async def listen(self, quiet_ms: int) -> None:
        """Return at once: nothing is pushed over HTTP."""

    async def balance(self) -> Balance | None:
        """Tell nothing: this protocol has no such question."""
        return None

    async def one_by_one(self, values: Sequence[T], ask: Callable[[T], Awaitable[Told | None]]) -> list[Told]:
        """Ask of some, one after the other; what was told before a question failed is kept."""
        told: list[Told] = []
        for value in turn(values, SOME):
            try:
                heard = await ask(value)
            except IdentsyncError:
                if not told:
                    raise
                break
            if heard is not None:
                told.append(heard)
        return told

    async def form(self, path: str, fields: Mapping[str, str]) -> dict[str, Any]:
        """POST a form; give the JSON object of the answer. The key travels in the body, never in the address."""
        return object_of(await self.anything(path, fields))

    async def anything(self, path: str, fields: Mapping[str, str]) -> Any:
        """POST a form; give the JSON of the answer, whatever it is."""
        body = urlencode(fields, errors="replace").encode()
        return _discreet(await self._post(path, {"Content-Type": FORM}, body), self._ours(fields))

    async def json(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """POST JSON; give the JSON object of the answer."""
        answer = await self._post(path, {"Content-Type": JSON, **(headers or {})}, dumps(body))
        return object_of(_discreet(answer, self._ours(body)))

    def _ours(self, body: object) -> list[str]:
        """Return the key and what else we said in a request, the longest first."""
        return sorted({*_strings(body), *([self.key] if self.key else [])}, key=len, reverse=True)

    async def _post(self, path: str, headers: Mapping[str, str], body: bytes) -> Any:
        await self._permit()
        deadline = self.settings.timeout / 1000
        url = f"{self.address}{path}"
        try:
            reply = await self._http.ask("POST", url, headers, body, max_bytes=MAX_ANSWER, deadline=deadline)
        except IdentsyncError as error:
            error.raw = ""  # a gateway may repeat the text and the number in it
            raise
        try:
            return reply.json
        except ValueError:
            raise nonsense(titled(reply.text) if reply.html else len(reply.body)) from None


def _strings(body: object) -> Iterator[str]:
    """Yield the texts of a request that are long enough to be told from words."""
    if isinstance(body, Mapping):
        body = list(body.values())
    if isinstance(body, list):
        for value in body:
            yield from _strings(value)
    elif isinstance(body, str) and len(body) >= TELLING:
        yield body


def _discreet(answer: Any, ours: Sequence[str], depth: int = 4, *, is_words: bool = False) -> Any:
    """Return an answer in whose words, and only there, nothing of ours is repeated."""
    if isinstance(answer, dict) and depth:
        return {name: _discreet(value, ours, depth - 1, is_words=name in WORDS) for name, value in answer.items()}
    if is_words and isinstance(answer, str):
        for each in ours:
            answer = answer.replace(each, "***")
    return answer


def nonsense(answer: object) -> Unexpected:
    """Return the error of an answer that is not what the protocol promises: a web page, bytes counted, or JSON."""
    said = answer if isinstance(answer, str) else str(shape(answer))
    return Unexpected(_("шлюз ответил не по протоколу"), raw=masked(said)[:RAW])


def object_of(answer: Any) -> dict[str, Any]:
    """Return an answer that is an object; raises Unexpected for anything else."""
    if not isinstance(answer, dict):
        raise nonsense(answer)
    return answer


def code_of(answer: Mapping[str, Any], name: str) -> int | None:
    """Return a whole number of an answer, spelled as a number or as a text; None where there is none."""
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return int(value)
    except ValueError:
        return None


def words_of(answer: Mapping[str, Any], *names: str) -> str:
    """Return the first text of an answer among ``names``, without numbers and addresses of people, cut."""
    found = next((str(answer[name]) for name in names if answer.get(name) not in (None, "")), "")
    return masked(found)[:RAW]


def kopecks(value: object) -> int | None:
    """Return roubles, spelled as a number or as a text, as kopecks; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value).strip().replace(",", ".")) * 100
        return int(amount.to_integral_value()) if amount.is_finite() and abs(amount) < 10**15 else None
    except InvalidOperation:
        return None


def time_of(seconds: int | None) -> int | None:
    """Return seconds since 1970 as milliseconds; None for what is no time of our days."""
    return seconds * 1000 if seconds is not None and 0 < seconds * 1000 < LATEST_MS else None


def lifetime(message: Message, unit_ms: int, most: int) -> str:
    """Return how long a message may still be delivered, in whole units from 1 to ``most``."""
    return str(max(1, min(most, (message.until_ms - message.at_ms) // unit_ms)))


def digits(number: str) -> str:
    """Return a number as gateways take it: digits alone."""
    return number.removeprefix("+")


def portions(values: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """Yield at most ``most`` of them at a time."""
    return (values[at : at + most] for at in range(0, len(values), most))


def turn(values: Sequence[T], most: int) -> Sequence[T]:
    """Return at most ``most`` of them, others every minute: a long list leaves nobody out for ever."""
    if len(values) <= most:
        return values
    first = int(time.time()) // 60 * most % len(values)
    return [*values[first:], *values[:first]][:most]


def basic(user: str, key: str) -> dict[str, str]:
    """Return the header of HTTP's basic access."""
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{key}'.encode()).decode()}"}
