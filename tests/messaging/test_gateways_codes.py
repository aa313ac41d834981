"""What each gateway may answer to a send and say of a message, code by code, and what that means to the outbox."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identsync import errors
from identsync.demo.gateway.desk import KEY
from identsync.demo.gateway.process import GatewayProcess
from identsync.flows.sending import Accepted, Fate, Lost, NotTaken, Receipt, Refused
from identsync.integrations.messaging.message import Sent
from identsync.integrations.messaging.settings import HTTP
from identsync.integrations.messaging.wire import words

from .gateway_calls import TO, channel, judged, message, run, taken

TOKEN = "0123456789abcdef" * 2
SMSC = {
    1: Refused, 2: errors.Refused, 3: errors.AskPerson, 4: errors.Limited, 5: Refused, 6: Refused, 7: Refused,
    8: Refused, 9: Lost, 10: Lost, 99: Lost, 0: Lost, -1: Lost,
}  # fmt: skip
SMSRU = {
    -1: Lost, 101: Lost, 200: errors.Refused, 201: errors.AskPerson, 202: Refused, 203: Refused, 204: errors.AskPerson,
    205: Refused, 206: errors.Limited, 207: Refused, 208: Refused, 209: Refused, 210: Refused, 211: Refused,
    212: Refused, 213: Refused, 214: Refused, 215: Refused, 216: Refused, 220: NotTaken, 230: Refused, 231: Lost,
    232: Lost, 233: Refused, 234: Lost, 300: errors.Refused, 301: errors.Refused, 302: errors.Refused,
    303: errors.Refused, 304: errors.Refused, 305: errors.Refused, 306: Lost, 500: Lost,
}  # fmt: skip


def smsru_one(code: Any) -> dict[str, Any]:
    """The answer of SMS.ru where the request is well and its one message is not."""
    row = {"status": "ERROR", "status_code": code, "status_text": "said"}
    return {"status": "OK", "status_code": 100, "sms": {TO[1:]: row}}


def iqsms_one(status: str, **more: Any) -> dict[str, Any]:
    return {"status": "ok", "messages": [{"status": status, "clientId": TOKEN} | more]}


def aero_no(words: str) -> dict[str, Any]:
    return {"success": False, "data": None, "message": words}


def exolve_no(words: str, code: int = 3) -> dict[str, Any]:
    return {"error": {"code": code, "message": words, "details": []}}


SENDS: list[tuple[str, int, Any, type]] = [
    *(("smsc", 200, {"error": "said", "error_code": code}, meaning) for code, meaning in SMSC.items()),
    ("smsc", 200, {"error": "said", "error_code": "7"}, Refused),
    ("smsc", 200, {"error": "said"}, errors.Unexpected),
    ("smsc", 200, {"id": "another", "cnt": 1}, errors.Unexpected),
    *(("smsru", 200, {"status": "ERROR", "status_code": code}, meaning) for code, meaning in SMSRU.items()),
    *(("smsru", 200, smsru_one(code), meaning) for code, meaning in SMSRU.items()),
    ("smsru", 200, {"status": "ERROR", "status_code": 100, "sms": {}}, Lost),
    ("smsru", 200, {"status": "OK", "status_code": 100, "sms": {"79990000000": {}}}, errors.Unexpected),
    ("smsru", 200, {"status": "OK", "status_code": 100, "sms": []}, errors.Unexpected),
    ("smsaero", 200, {"result": "no credits"}, errors.AskPerson),
    ("smsaero", 200, {"result": "reject", "reason": "empty field"}, Refused),
    ("smsaero", 402, aero_no("Not enough credits"), errors.AskPerson),
    ("smsaero", 400, aero_no("Validation error: number"), Refused),
    ("smsaero", 400, aero_no("Validation error: sign"), Refused),
    ("smsaero", 200, aero_no("Your request was made with invalid credentials."), errors.Refused),
    ("smsaero", 401, aero_no("Your request was made with invalid credentials."), errors.Refused),
    ("smsaero", 200, aero_no("Internal error"), Lost),
    ("smsaero", 200, {"success": False}, Lost),
    ("smsaero", 200, {"success": True, "data": None}, errors.Unexpected),
    ("smsaero", 200, {"success": True, "data": {"id": 0}}, errors.Unexpected),
    ("smsaero", 200, {"success": "true", "data": {"id": 7}}, errors.Unexpected),
    ("exolve", 400, exolve_no("invalid destination"), Refused),
    ("exolve", 400, exolve_no("invalid number"), Refused),
    ("exolve", 400, {"code": 3, "message": "invalid text"}, Refused),
    ("exolve", 400, exolve_no("not enough balance", 9), errors.AskPerson),
    ("exolve", 400, exolve_no("Unauthenticated", 16), errors.Refused),
    ("exolve", 401, exolve_no("token"), errors.Refused),
    ("exolve", 400, exolve_no("internal", 13), Lost),
    ("exolve", 200, {"error": exolve_no("internal", 13), "message_id": "7"}, errors.Unexpected),
    ("exolve", 200, {"message_id": ""}, errors.Unexpected),
    ("iqsms", 200, iqsms_one("invalid mobile phone"), Refused),
    ("iqsms", 200, iqsms_one("text is empty"), Refused),
    ("iqsms", 200, iqsms_one("text must be string"), Refused),
    ("iqsms", 200, iqsms_one("sender address invalid"), Refused),
    ("iqsms", 200, iqsms_one("wapurl invalid"), Refused),
    ("iqsms", 200, iqsms_one("invalid schedule time format"), Refused),
    ("iqsms", 200, iqsms_one("invalid status queue name"), Refused),
    ("iqsms", 200, iqsms_one("not enough balance"), errors.AskPerson),
    ("iqsms", 200, iqsms_one("not enough credits"), errors.AskPerson),
    ("iqsms", 200, iqsms_one("accepted"), errors.Unexpected),
    ("iqsms", 200, iqsms_one("accepted", smscId="7", clientId="f" * 32), errors.Unexpected),
    ("iqsms", 200, iqsms_one("something new", smscId="7"), errors.Unexpected),
    ("iqsms", 200, {"status": "ok", "messages": []}, errors.Unexpected),
    ("iqsms", 200, {"status": "error", "description": "error authorization"}, errors.Refused),
    ("iqsms", 200, {"status": "error", "description": "something new"}, errors.Unexpected),
    *((kind, 429, {}, errors.Limited) for kind in HTTP),
    *((kind, 403, {}, errors.Refused) for kind in HTTP),
    *((kind, status, {}, errors.Unavailable) for kind in HTTP for status in (408, 500, 502, 503, 504)),
    *((kind, status, {}, errors.Unexpected) for kind in HTTP for status in (301, 302)),
]


@pytest.mark.parametrize(("kind", "status", "body", "meaning"), SENDS)
def test_every_answer_to_a_send_has_its_meaning(
    gateways: GatewayProcess, kind: str, status: int, body: Any, meaning: type
) -> None:
    gateways.says(json.dumps(body), status)
    told = run(channel(gateways, kind), lambda gateway: judged(gateway, message(token=TOKEN)))
    assert type(told) is meaning
    assert not isinstance(told, errors.Unavailable) or told.sent
    assert isinstance(told, errors.IdentsyncError) or told.reason
    if isinstance(told, NotTaken | errors.Limited) and status == 200:
        assert told.after_ms is not None


NUMBERS = {
    "smsc": {"error": "said", "error_code": 7},
    "smsru": smsru_one(202),
    "smsaero": aero_no("Validation error: number"),
    "exolve": exolve_no("invalid destination"),
    "iqsms": iqsms_one("invalid mobile phone"),
}


@pytest.mark.parametrize("kind", HTTP)
def test_a_number_that_is_refused_is_told_from_a_text(gateways: GatewayProcess, kind: str) -> None:
    gateways.says(json.dumps(NUMBERS[kind]))
    told = run(channel(gateways, kind), lambda gateway: judged(gateway, message(token=TOKEN)))
    assert told.reason == words.BAD_NUMBER


A, D, F, E = Fate.ACCEPTED, Fate.DELIVERED, Fate.FAILED, Fate.EXPIRED


def smsc_state(code: Any) -> list[dict[str, Any]]:
    return [{"status": code, "last_timestamp": 1_790_000_000, "err": 0, "id": TOKEN, "phone": TO[1:]}]


def smsru_state(code: Any) -> dict[str, Any]:
    row = {"status": "OK", "status_code": code, "status_text": "said"}
    return {"status": "OK", "status_code": 100, "sms": {"77": row}}


def aero_state(code: Any) -> dict[str, Any]:
    return {"success": True, "data": {"id": 77, "status": code, "extendStatus": "said"}, "message": None}


def iqsms_state(status: Any) -> dict[str, Any]:
    return {"status": "ok", "messages": [{"status": status, "smscId": "77", "clientId": TOKEN}]}


def exolve_state(status: Any) -> dict[str, Any]:
    return {"messages": [{"message_id": 77, "receiver": TO[1:], "delivery_status": status}]}


STATES: list[tuple[str, Any, Fate]] = [
    *(("smsc", smsc_state(code), fate) for code, fate in {
        -3: A, -2: A, -1: A, 0: A, 1: D, 2: D, 4: D, 3: E, 20: F, 22: F, 23: F, 24: F, 25: F, "1": D, 21: A, None: A,
    }.items()),
    *(("smsru", smsru_state(code), fate) for code, fate in {
        -1: A, 100: A, 101: A, 102: A, 103: D, 104: E, 105: F, 106: F, 107: F, 108: F, 110: D, 150: F, 109: A, None: A,
    }.items()),
    *(("smsaero", aero_state(code), fate) for code, fate in {
        0: A, 1: D, 2: F, 3: A, 4: A, 6: F, 8: A, 9: A, "1": D, None: A,
    }.items()),
    *(("iqsms", iqsms_state(status), fate) for status, fate in {
        "queued": A, "smsc submit": A, "delivered": D, "delivery error": F, "smsc reject": F, "incorrect id": A,
        None: A,
    }.items()),
    *(("exolve", exolve_state(status), fate) for status, fate in {
        "DELIVERED": D, "UNDELIVERED": F, "NOT_DELIVERED": F, "EXPIRED": E, "REJECTED": F, "FAILED": F, "ERROR": F,
        "SENT": A, "DELIVERY_STATUS_DELIVERED": D, 3: A, None: A,
    }.items()),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body", "fate"), STATES)
def test_every_state_has_its_fate(gateways: GatewayProcess, kind: str, body: Any, fate: Fate) -> None:
    """Those without news are left out; a failure says why, in words that are not the gateway's."""
    gateways.says(json.dumps(body))
    told = run(channel(gateways, kind), lambda gateway: gateway.status([Sent("77", TOKEN, TO)]))
    assert [receipt.fate for receipt in told] == ([] if fate is A else [fate])
    for receipt in told:
        assert TOKEN in (receipt.token, receipt.provider_id) or receipt.provider_id == "77"
        assert bool(receipt.reason) == (fate is F)


def test_the_time_of_a_state_is_kept_and_nonsense_is_no_time(gateways: GatewayProcess) -> None:
    def told(stamp: Any) -> Receipt:
        rows = smsc_state(1)
        rows[0]["last_timestamp"] = stamp
        gateways.says(json.dumps(rows))
        [receipt] = run(channel(gateways, "smsc"), lambda gateway: gateway.status([Sent(TOKEN, TOKEN, TO)]))
        return receipt

    assert told(1_790_000_000).at_ms == told("1790000000").at_ms == 1_790_000_000_000
    assert [told(stamp).at_ms for stamp in (0, -5, 10**30, "soon", None, 1.5, True)] == [None] * 7


PRICES = [("4.60", 460), (4.6, 460), (5, 500), ("1 руб.", None), (None, None), (True, None), ("NaN", None),
          ("1e999", None), ("4,60", 460), ([], None), ("0.005", 0)]  # fmt: skip


@pytest.mark.parametrize(("price", "kopecks"), PRICES)
def test_a_price_is_read_or_not_told(gateways: GatewayProcess, price: Any, kopecks: int | None) -> None:
    gateways.says(json.dumps({"success": True, "data": {"id": 7, "cost": price}}))
    assert run(channel(gateways, "smsaero"), lambda gateway: gateway.submit(message())) == Accepted("7", None, kopecks)


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-400, 400) | st.sampled_from(["", "ok", "OK", "error", "accepted", "7"]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(
            ["status", "status_code", "sms", "messages", "id", "data", "success", "error", "smscId", "message_id",
             "clientId", "cnt", TO[1:]]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=6,
)  # fmt: skip


@pytest.mark.parametrize("kind", HTTP)
def test_whatever_json_comes_it_ends_in_a_verdict_or_an_error_of_the_tree(gateways: GatewayProcess, kind: str) -> None:
    """And "try it again" is said only where the gateway itself has said so."""

    @settings(database=None)
    @given(body=JSONS)
    def tried(body: Any) -> None:
        gateways.behave()
        gateways.says(json.dumps(body), taken=True)
        told = run(channel(gateways, kind), lambda gateway: judged(gateway, message(token=TOKEN)))
        assert isinstance(told, Accepted | Refused | Lost | NotTaken | errors.IdentsyncError)
        if isinstance(told, NotTaken | errors.Limited):
            assert "220" in json.dumps(body) or "206" in json.dumps(body) or kind == "smsc"

    tried()


@pytest.mark.parametrize("text", ["", "null", "[]", "7", '"ok"', "<html><title>Gone</title>", "\ufeff{}", "{", "NaN"])
@pytest.mark.parametrize("kind", HTTP)
def test_an_answer_without_sense_after_a_send_is_lost(gateways: GatewayProcess, kind: str, text: str) -> None:
    gateways.says(text, taken=True)
    one = message()
    told = run(channel(gateways, kind), lambda gateway: judged(gateway, one))
    assert isinstance(told, Lost | errors.Unexpected)
    assert len(taken(gateways, one)) == 1


def test_an_answer_with_a_byte_order_mark_is_read(gateways: GatewayProcess) -> None:
    gateways.says("\ufeff" + json.dumps({"id": TOKEN, "cnt": 2, "cost": "9.20"}))
    told = run(channel(gateways, "smsc"), lambda gateway: gateway.submit(message(token=TOKEN)))
    assert told == Accepted(TOKEN, 2, 920)


@pytest.mark.parametrize("kind", HTTP)
def test_a_gateway_that_repeats_what_was_said_is_not_quoted(gateways: GatewayProcess, kind: str) -> None:
    """Neither key nor number nor text stands in what is kept of an answer."""
    one = message("Иванова, ждём вас")
    echo = f"refused: key {KEY}, number {one.to}, text {one.text}, invalid"
    bodies: list[Any] = [
        {"error": echo, "error_code": 1},
        {"status": "ERROR", "status_code": 202, "status_text": echo},
        {"status": "error", "description": echo},
        {"success": False, "message": echo},
        {"result": "reject", "reason": echo},
        {"error": {"message": echo, "details": [echo]}},
        {"text": one.text, "key": KEY, "rows": [{"number": one.to, "text": one.text}]},
        [echo],
    ]
    for body in bodies:
        for status in (200, 400, 401, 429, 500):
            gateways.says(json.dumps(body, ensure_ascii=False), status)
            told = run(channel(gateways, kind), lambda gateway: judged(gateway, one))
            kept = f"{told} {getattr(told, 'raw', '')} {getattr(told, 'hint', '')}"
            for ours in (KEY, one.to[1:], one.text, "Иванова"):
                assert ours not in kept, (body, status, kept)
