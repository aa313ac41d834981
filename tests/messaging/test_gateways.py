"""The five SMS gateways over HTTP, each against its strict stand-in: what is taken, refused, lost, found and told."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import pytest

from identsync import errors
from identsync.demo.gateway.desk import KEY, SENDER, USER
from identsync.demo.gateway.process import GatewayProcess
from identsync.flows.sending import Accepted, Fate, Lost, NotTaken, Receipt, Refused
from identsync.integrations.messaging.message import Absent, Message, Missing, Sent
from identsync.integrations.messaging.settings import HTTP, Channel

TO = "+79450000001"
FINDS = ("smsc", "smsaero", "exolve")


@pytest.fixture(scope="module")
def process() -> Iterator[GatewayProcess]:
    with GatewayProcess() as process:
        yield process


@pytest.fixture(autouse=True)
def clean(process: GatewayProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    process.behave()
    process.options(balance=500_000, delivery_s=0.0, undelivered=0.0)
    monkeypatch.setenv("TEST_SMS", KEY)
    monkeypatch.setenv("TEST_WRONG", "not-the-key")


def channel(process: GatewayProcess, kind: str, **how: Any) -> Channel:
    usual = {"url": process.url(kind), "user": USER, "password": "env:TEST_SMS", "sender": SENDER, "timeout": 2_000}
    return Channel(kind=kind, **(usual | how))  # type: ignore[arg-type]


async def nothing(*_: Any) -> None:
    return None


def run(settings: Channel, work: Callable[[Any], Any]) -> Any:
    async def inside() -> Any:
        wire = import_module(f"identsync.integrations.messaging.wire.{settings.kind}")
        async with wire.open(settings, nothing, nothing, nothing) as gateway:
            return await work(gateway)

    return asyncio.run(inside())


async def judged(gateway: Any, one: Message) -> Any:
    """Submit; give the verdict, or the error that stands for one."""
    try:
        return await gateway.submit(one)
    except errors.IdentsyncError as error:
        return error


def message(text: str = "", to: str = TO, **how: Any) -> Message:
    usual = {"token": secrets.token_hex(16), "until_ms": 2**50, "sender": SENDER, "text": text or secrets.token_hex(8)}
    return Message(**({"to": to} | usual | how))


def missing(one: Message) -> Missing:
    return Missing(one.token, one.to, one.text, time.time_ns() // 1_000_000)


def taken(process: GatewayProcess, one: Message) -> list[dict[str, Any]]:
    return [each for each in process.messages() if each["text"] == one.text]


@pytest.mark.parametrize("kind", HTTP)
def test_a_message_is_taken_and_told_delivered(process: GatewayProcess, kind: str) -> None:
    one = message("Ждём вас завтра в 10:30, ул. Лесная, 5. Ваша клиника " + secrets.token_hex(20))
    process.options(delivery_s=3600.0)

    async def work(gateway: Any) -> Sequence[Receipt]:
        verdict = await gateway.submit(one)
        assert isinstance(verdict, Accepted)
        sent = [Sent(verdict.provider_id, one.token, one.to)]
        assert list(await gateway.status(sent)) == []
        await asyncio.to_thread(process.options, delivery_s=0.0)
        return list(await gateway.status([*sent, Sent("77", secrets.token_hex(16), TO)]))

    receipts = run(channel(process, kind), work)
    assert [(r.fate, r.reason) for r in receipts] == [(Fate.DELIVERED, "")]
    [there] = taken(process, one)
    assert there["phone"] == "79450000001"
    assert there["own"] in ("", one.token)
    assert receipts[0].provider_id == there["id"]


@pytest.mark.parametrize("kind", HTTP)
def test_what_does_not_arrive_is_told_with_a_reason(process: GatewayProcess, kind: str) -> None:
    process.options(undelivered=1.0)
    one = message()

    async def work(gateway: Any) -> Any:
        verdict = await gateway.submit(one)
        return await gateway.status([Sent(verdict.provider_id, one.token, one.to)])

    [receipt] = run(channel(process, kind), work)
    assert receipt.fate is Fate.FAILED
    assert receipt.reason


@pytest.mark.parametrize("kind", ["smsc", "smsru", "smsaero"])
def test_the_price_is_told_in_kopecks(process: GatewayProcess, kind: str) -> None:
    verdict = run(channel(process, kind), lambda gateway: gateway.submit(message("я" * 80 + secrets.token_hex(3))))
    assert verdict.kopecks == 920


@pytest.mark.parametrize("kind", HTTP)
def test_a_bad_number_is_refused_for_good(process: GatewayProcess, kind: str) -> None:
    verdict = run(channel(process, kind), lambda gateway: gateway.submit(message(to="+7495000000")))
    assert isinstance(verdict, Refused)
    assert verdict.reason == "номер не принимается шлюзом"


@pytest.mark.parametrize("kind", HTTP)
def test_a_wrong_key_stops_the_channel_and_is_not_told(
    process: GatewayProcess, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    one = message()
    with pytest.raises(errors.Refused) as caught:
        run(channel(process, kind, password="env:TEST_WRONG"), lambda gateway: gateway.submit(one))
    told = f"{caught.value} {caught.value.raw} {caught.value.hint} {caplog.text}"
    assert "not-the-key" not in told
    assert one.text not in told
    assert "9450000001" not in told
    assert not taken(process, one)


@pytest.mark.parametrize("kind", HTTP)
def test_no_money_stops_the_channel(process: GatewayProcess, kind: str) -> None:
    process.options(balance=100)
    one = message()
    with pytest.raises(errors.AskPerson) as caught:
        run(channel(process, kind), lambda gateway: gateway.submit(one))
    assert not isinstance(caught.value, errors.Refused)
    assert not taken(process, one)


@pytest.mark.parametrize("fault", ["lose", "cut", "hang", "late", "html", "half"])
@pytest.mark.parametrize("kind", HTTP)
def test_an_answer_that_is_lost_or_makes_no_sense_is_lost(process: GatewayProcess, kind: str, fault: str) -> None:
    """All of these have taken the message: "not taken" would send it twice."""
    process.fault(fault)
    one = message()
    verdict = run(channel(process, kind, timeout=1_000), lambda gateway: judged(gateway, one))
    assert isinstance(verdict, Lost | errors.Unavailable | errors.Unexpected)
    assert getattr(verdict, "sent", True)
    assert one.text not in f"{verdict} {getattr(verdict, 'raw', '')}"
    assert len(taken(process, one)) == 1


@pytest.mark.parametrize("kind", HTTP)
def test_nobody_there_is_certainly_not_sent(process: GatewayProcess, kind: str) -> None:
    settings = channel(process, kind, url="http://127.0.0.1:9")
    with pytest.raises(errors.Unavailable) as caught:
        run(settings, lambda gateway: gateway.submit(message()))
    assert not caught.value.sent


@pytest.mark.parametrize("kind", HTTP)
def test_asked_to_slow_down_the_channel_rests(process: GatewayProcess, kind: str) -> None:
    process.fault("fail", status=429)
    with pytest.raises(errors.Limited):
        run(channel(process, kind), lambda gateway: gateway.submit(message()))


@pytest.mark.parametrize("kind", FINDS)
def test_a_lost_message_is_found_or_known_to_be_absent(process: GatewayProcess, kind: str) -> None:
    there, nowhere = message(), message(to="+79450000002")

    async def work(gateway: Any) -> Any:
        await gateway.submit(there)
        return await gateway.find([missing(there), missing(nowhere)])

    receipt, absent = run(channel(process, kind), work)
    assert (receipt.token, receipt.fate) == (there.token, Fate.DELIVERED)
    assert receipt.provider_id == taken(process, there)[0]["id"]
    assert absent == Absent(nowhere.token)


@pytest.mark.parametrize("kind", ["smsaero", "exolve"])
def test_of_two_alike_neither_is_claimed(process: GatewayProcess, kind: str) -> None:
    one = message()
    other = message(one.text)

    async def work(gateway: Any) -> Any:
        await gateway.submit(one)
        return await gateway.find([missing(one), missing(other)])

    assert run(channel(process, kind), work) == []


@pytest.mark.parametrize("kind", ["smsru"])
def test_who_cannot_be_asked_says_nothing_of_lost_ones(process: GatewayProcess, kind: str) -> None:
    assert list(run(channel(process, kind), lambda gateway: gateway.find([missing(message())]))) == []


@pytest.mark.parametrize("kind", ["smsc", "smsru", "smsaero", "iqsms"])
def test_the_money_left_is_told(process: GatewayProcess, kind: str) -> None:
    process.options(balance=123_456)
    assert run(channel(process, kind), lambda gateway: gateway.balance()).kopecks == 123_456


@pytest.mark.parametrize(("kind", "path"), [("smsc", "send.php"), ("smsru", "/sms/send")])
def test_a_repeat_within_a_minute_is_not_called_unsent(process: GatewayProcess, kind: str, path: str) -> None:
    """The refusal may be the echo of a request that was taken and whose answer was lost."""
    first = message()
    repeat = message(first.text)
    settings = channel(process, kind)
    assert isinstance(run(settings, lambda gateway: gateway.submit(first)), Accepted)
    assert isinstance(run(settings, lambda gateway: gateway.submit(repeat)), Lost)


SMSC = {1: Refused, 2: errors.Refused, 3: errors.AskPerson, 4: errors.Limited, 5: Refused, 6: Refused, 7: Refused,
        8: Refused, 9: Lost, 99: Lost}  # fmt: skip
SMSRU = {200: errors.Refused, 201: errors.AskPerson, 202: Refused, 203: Refused, 204: errors.AskPerson, 205: Refused,
         206: errors.Limited, 207: Refused, 209: Refused, 214: Refused, 216: Refused, 220: NotTaken, 230: Refused,
         231: Lost, 232: Lost, 300: errors.Refused, 301: errors.Refused, 305: errors.Refused, 500: Lost,
         215: Refused, 233: Refused, 234: Lost, 299: Lost, 306: Lost}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "code", "meaning"),
    [("smsc", *pair) for pair in SMSC.items()] + [("smsru", *pair) for pair in SMSRU.items()],
)
def test_every_code_has_its_meaning(process: GatewayProcess, kind: str, code: int, meaning: type) -> None:
    process.fault("refuse", code=code)
    if issubclass(meaning, Exception):
        with pytest.raises(meaning) as caught:
            run(channel(process, kind), lambda gateway: gateway.submit(message()))
        assert type(caught.value) is meaning
    else:
        assert type(run(channel(process, kind), lambda gateway: gateway.submit(message()))) is meaning


def test_a_lone_half_of_an_emoji_does_not_break_a_request(process: GatewayProcess) -> None:
    """A text may hold what no encoding takes; the rest of a bulk goes on."""
    for kind in HTTP:
        verdict = run(channel(process, kind), lambda gateway: gateway.submit(message("\ud83d " + secrets.token_hex(4))))
        assert isinstance(verdict, Accepted | Refused), kind
