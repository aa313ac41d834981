"""The five SMS gateways over HTTP, each against its strict stand-in: what is taken, refused, lost, found and told."""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from typing import Any

import pytest

from identsync import errors
from identsync.demo.gateway.process import GatewayProcess
from identsync.flows.sending import Accepted, Fate, Lost, Receipt, Refused
from identsync.integrations.messaging.message import Absent, Sent
from identsync.integrations.messaging.settings import HTTP

from .gateway_calls import TO, channel, judged, message, missing, run, taken

FINDS = ("smsc", "smsaero", "exolve")


@pytest.mark.parametrize("kind", HTTP)
def test_a_message_is_taken_and_told_delivered(gateways: GatewayProcess, kind: str) -> None:
    one = message("Ждём вас завтра в 10:30, ул. Лесная, 5. Ваша клиника " + secrets.token_hex(20))
    gateways.options(delivery_s=3600.0)

    async def work(gateway: Any) -> Sequence[Receipt]:
        verdict = await gateway.submit(one)
        assert isinstance(verdict, Accepted)
        sent = [Sent(verdict.provider_id, one.token, one.to)]
        assert list(await gateway.status(sent)) == []
        await asyncio.to_thread(gateways.options, delivery_s=0.0)
        return list(await gateway.status([*sent, Sent("77", secrets.token_hex(16), TO)]))

    receipts = run(channel(gateways, kind), work)
    assert [(r.fate, r.reason) for r in receipts] == [(Fate.DELIVERED, "")]
    [there] = taken(gateways, one)
    assert there["phone"] == "79450000001"
    assert there["own"] in ("", one.token)
    assert receipts[0].provider_id == there["id"]


@pytest.mark.parametrize("kind", HTTP)
def test_what_does_not_arrive_is_told_with_a_reason(gateways: GatewayProcess, kind: str) -> None:
    gateways.options(undelivered=1.0)
    one = message()

    async def work(gateway: Any) -> Any:
        verdict = await gateway.submit(one)
        return await gateway.status([Sent(verdict.provider_id, one.token, one.to)])

    [receipt] = run(channel(gateways, kind), work)
    assert receipt.fate is Fate.FAILED
    assert receipt.reason


@pytest.mark.parametrize("kind", ["smsc", "smsru", "smsaero"])
def test_the_price_is_told_in_kopecks(gateways: GatewayProcess, kind: str) -> None:
    verdict = run(channel(gateways, kind), lambda gateway: gateway.submit(message("я" * 80 + secrets.token_hex(3))))
    assert verdict.kopecks == 920


@pytest.mark.parametrize("kind", HTTP)
def test_a_bad_number_is_refused_for_good(gateways: GatewayProcess, kind: str) -> None:
    verdict = run(channel(gateways, kind), lambda gateway: gateway.submit(message(to="+7495000000")))
    assert isinstance(verdict, Refused)
    assert verdict.reason == "номер не принимается шлюзом"


@pytest.mark.parametrize("kind", HTTP)
def test_a_wrong_key_stops_the_channel_and_is_not_told(
    gateways: GatewayProcess, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    one = message()
    with pytest.raises(errors.Refused) as caught:
        run(channel(gateways, kind, password="env:TEST_WRONG"), lambda gateway: gateway.submit(one))
    told = f"{caught.value} {caught.value.raw} {caught.value.hint} {caplog.text}"
    assert "not-the-key" not in told
    assert one.text not in told
    assert "9450000001" not in told
    assert not taken(gateways, one)


@pytest.mark.parametrize("kind", HTTP)
def test_no_money_stops_the_channel(gateways: GatewayProcess, kind: str) -> None:
    gateways.options(balance=100)
    one = message()
    with pytest.raises(errors.AskPerson) as caught:
        run(channel(gateways, kind), lambda gateway: gateway.submit(one))
    assert not isinstance(caught.value, errors.Refused)
    assert not taken(gateways, one)


@pytest.mark.parametrize("fault", ["lose", "cut", "hang", "late", "html", "half"])
@pytest.mark.parametrize("kind", HTTP)
def test_an_answer_that_is_lost_or_makes_no_sense_is_lost(gateways: GatewayProcess, kind: str, fault: str) -> None:
    """All of these have taken the message: "not taken" would send it twice."""
    gateways.fault(fault)
    one = message()
    verdict = run(channel(gateways, kind, timeout=1_000), lambda gateway: judged(gateway, one))
    assert isinstance(verdict, Lost | errors.Unavailable | errors.Unexpected)
    assert getattr(verdict, "sent", True)
    assert one.text not in f"{verdict} {getattr(verdict, 'raw', '')}"
    assert len(taken(gateways, one)) == 1


@pytest.mark.parametrize("kind", HTTP)
def test_nobody_there_is_certainly_not_sent(gateways: GatewayProcess, kind: str) -> None:
    settings = channel(gateways, kind, url="http://127.0.0.1:9")
    with pytest.raises(errors.Unavailable) as caught:
        run(settings, lambda gateway: gateway.submit(message()))
    assert not caught.value.sent


@pytest.mark.parametrize("kind", HTTP)
def test_asked_to_slow_down_the_channel_rests(gateways: GatewayProcess, kind: str) -> None:
    gateways.fault("fail", status=429)
    with pytest.raises(errors.Limited):
        run(channel(gateways, kind), lambda gateway: gateway.submit(message()))


@pytest.mark.parametrize("kind", FINDS)
def test_a_lost_message_is_found_or_known_to_be_absent(gateways: GatewayProcess, kind: str) -> None:
    there, nowhere = message(), message(to="+79450000002")

    async def work(gateway: Any) -> Any:
        await gateway.submit(there)
        return await gateway.find([missing(there), missing(nowhere)])

    receipt, absent = run(channel(gateways, kind), work)
    assert (receipt.token, receipt.fate) == (there.token, Fate.DELIVERED)
    assert receipt.provider_id == taken(gateways, there)[0]["id"]
    assert absent == Absent(nowhere.token)


@pytest.mark.parametrize("kind", ["smsaero", "exolve"])
def test_of_two_alike_neither_is_claimed(gateways: GatewayProcess, kind: str) -> None:
    one = message()
    other = message(one.text)

    async def work(gateway: Any) -> Any:
        await gateway.submit(one)
        return await gateway.find([missing(one), missing(other)])

    assert run(channel(gateways, kind), work) == []


@pytest.mark.parametrize("kind", ["smsru"])
def test_who_cannot_be_asked_says_nothing_of_lost_ones(gateways: GatewayProcess, kind: str) -> None:
    assert list(run(channel(gateways, kind), lambda gateway: gateway.find([missing(message())]))) == []


@pytest.mark.parametrize("kind", ["smsc", "smsru", "smsaero", "iqsms"])
def test_the_money_left_is_told(gateways: GatewayProcess, kind: str) -> None:
    gateways.options(balance=123_456)
    assert run(channel(gateways, kind), lambda gateway: gateway.balance()).kopecks == 123_456


@pytest.mark.parametrize(("kind", "path"), [("smsc", "send.php"), ("smsru", "/sms/send")])
def test_a_repeat_within_a_minute_is_not_called_unsent(gateways: GatewayProcess, kind: str, path: str) -> None:
    """The refusal may be the echo of a request that was taken and whose answer was lost."""
    first = message()
    repeat = message(first.text)
    settings = channel(gateways, kind)
    assert isinstance(run(settings, lambda gateway: gateway.submit(first)), Accepted)
    assert isinstance(run(settings, lambda gateway: gateway.submit(repeat)), Lost)


def test_a_lone_half_of_an_emoji_does_not_break_a_request(gateways: GatewayProcess) -> None:
    """A text may hold what no encoding takes; the rest of a bulk goes on."""
    for kind in HTTP:
        verdict = run(
            channel(gateways, kind), lambda gateway: gateway.submit(message("\ud83d " + secrets.token_hex(4)))
        )
        assert isinstance(verdict, Accepted | Refused), kind
