"""What gateways are asked after a send: states in the portions each allows, lost messages, a pace that is kept."""

import asyncio
import json
import secrets
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync import errors
from identsync.demo.gateway.process import GatewayProcess
from identsync.flows.sending import Accepted, Fate, Lost, NotTaken, Receipt
from identsync.integrations.messaging.message import Absent, Message, Missing, Reply, Sent
from identsync.integrations.messaging.settings import HTTP
from identsync.integrations.messaging.wire.listed import EARLY_MS, Listed, looked_up

from .gateway_calls import TO, channel, judged, message, missing, run, taken

ASKS = ("smsc", "smsru", "smsaero", "iqsms", "exolve")
LISTS = ("smsaero", "exolve")
NOW = 1_790_000_000_000


def number(last: int) -> str:
    return f"+7945{last:07}"


def sent_many(gateways: GatewayProcess, kind: str, count: int) -> list[Sent]:
    """Send so many, each to a number of its own."""
    some = [message(to=number(1_000 + each)) for each in range(count)]

    async def work(gateway: Any) -> list[Any]:
        told = []
        for one in some:
            told.append(await gateway.submit(one))
        return told

    gateways.options(price=1)
    told = run(channel(gateways, kind), work)
    return [Sent(verdict.provider_id, one.token, one.to) for verdict, one in zip(told, some, strict=True)]


def counted(gateways: GatewayProcess, path: str) -> int:
    return int(gateways.ask("GET", "books")["counts"].get(path, 0))


@pytest.mark.parametrize(("kind", "path", "most"), [("smsru", "/sms/status", 100), ("iqsms", "/status.json", 200)])
def test_states_are_asked_in_the_portions_allowed(gateways: GatewayProcess, kind: str, path: str, most: int) -> None:
    sent = sent_many(gateways, kind, most + 1)
    before = counted(gateways, f"/{kind}{path}")
    told = run(channel(gateways, kind), lambda gateway: gateway.status(sent))
    assert sorted(r.provider_id for r in told) == sorted(each.provider_id for each in sent)
    assert counted(gateways, f"/{kind}{path}") - before == 2


def test_smsc_takes_one_list_a_minute_and_all_have_their_turn(
    gateways: GatewayProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second list of a minute is an error 9 there: no news, and nothing that stops the channel."""
    sent = sent_many(gateways, "smsc", 130)
    gateways.options(mass_s=60.0, ahead=100.0)
    heard: set[str] = set()

    async def work(gateway: Any) -> list[Receipt]:
        told = list(await gateway.status(sent))
        assert list(await gateway.status(sent)) == []
        return told

    for minute in range(13):  # 130 of 100 at a time come round again after thirteen
        gateways.options(ahead=100.0 * (minute + 2))
        monkeypatch.setattr(time, "time", lambda at=NOW / 1000 + 60 * minute: at)
        told = run(channel(gateways, "smsc"), work)
        assert len(told) == 100
        heard |= {receipt.token for receipt in told}
    assert heard == {each.token for each in sent}


def test_lost_ones_are_asked_for_at_smsc_in_the_same_minute_as_a_list(gateways: GatewayProcess) -> None:
    [sent] = sent_many(gateways, "smsc", 1)
    gateways.options(mass_s=60.0, ahead=10_000.0)
    there, nowhere = Missing(sent.token, sent.to, "", 0), missing(message())

    async def work(gateway: Any) -> Any:
        return await gateway.status([sent]), await gateway.find([there, nowhere]), await gateway.balance()

    told, found, _balance = run(channel(gateways, "smsc"), work)
    assert [receipt.fate for receipt in told] == [Fate.DELIVERED]
    assert [type(each) for each in found] == [Receipt, Absent]


def test_a_message_that_waits_at_smsc_is_found(gateways: GatewayProcess) -> None:
    """Any state but "not found" means that it is there, also one we have no word for."""
    one = missing(message())
    for code, fate in ((-1, Fate.ACCEPTED), (-2, Fate.ACCEPTED), (17, Fate.ACCEPTED), (3, Fate.EXPIRED)):
        gateways.says(json.dumps({"status": code, "last_timestamp": 1_790_000_000, "err": 0}))
        [found] = run(channel(gateways, "smsc"), lambda gateway: gateway.find([one]))
        assert (found.fate, found.token, found.provider_id) == (fate, one.token, one.token)


QUESTIONS: list[tuple[str, int, Any, type[Exception]]] = [
    ("smsc", 200, {"error": "said", "error_code": 9}, errors.Limited),
    ("smsc", 200, {"error": "said", "error_code": 2}, errors.Refused),
    ("smsc", 200, {"error": "said", "error_code": 4}, errors.Limited),
    ("smsc", 200, {"error": "said", "error_code": 1}, errors.Unexpected),
    ("smsru", 200, {"status": "ERROR", "status_code": 301}, errors.Refused),
    ("smsru", 200, {"status": "ERROR", "status_code": 220}, errors.Limited),
    ("smsru", 200, {"status": "ERROR", "status_code": 202}, errors.Unexpected),
    ("smsaero", 200, {"success": False, "message": "said"}, errors.Unexpected),
    ("smsaero", 200, {"success": False, "message": "invalid credentials"}, errors.Refused),
    ("iqsms", 200, {"status": "error", "description": "error authorization"}, errors.Refused),
    ("iqsms", 200, {"status": "error", "description": "said"}, errors.Unexpected),
    *((kind, 200, {}, errors.Unexpected) for kind in ("smsc", "smsru", "smsaero", "iqsms")),
    *((kind, 200, [], errors.Unexpected) for kind in ("smsc", "smsru", "smsaero", "iqsms")),
    *((kind, 500, {}, errors.Unavailable) for kind in ("smsc", "smsru", "smsaero", "iqsms")),
    *((kind, 401, {}, errors.Refused) for kind in ("smsc", "smsru", "smsaero", "iqsms")),
]


@pytest.mark.parametrize(("kind", "status", "body", "meaning"), QUESTIONS)
def test_a_balance_that_is_not_told_is_not_called_post_paid(
    gateways: GatewayProcess, kind: str, status: int, body: Any, meaning: type[Exception]
) -> None:
    gateways.says(json.dumps(body), status)
    with pytest.raises(meaning) as caught:
        run(channel(gateways, kind), lambda gateway: gateway.balance())
    assert type(caught.value) is meaning


NO_LISTS: list[tuple[str, int, Any]] = [
    ("smsc", 200, {"error": "said", "error_code": 9}),
    ("smsc", 200, {"error": "said", "error_code": 1}),
    ("smsc", 200, {}),
    ("smsc", 200, []),
    ("smsaero", 400, {"success": False, "data": None, "message": "Too many requests"}),
    ("smsaero", 200, {"success": True, "data": None}),
    ("smsaero", 200, {"success": True, "data": []}),
    ("smsaero", 200, {"result": "reject", "reason": "said"}),
    ("exolve", 400, {"error": {"code": 3, "message": "invalid limit"}}),
    ("exolve", 400, {"code": 13, "message": "internal"}),
    ("exolve", 200, {}),
    ("exolve", 200, {"messages": None}),
    *((kind, 503, {}) for kind in (*LISTS, "smsc")),
]


@pytest.mark.parametrize(("kind", "status", "body"), NO_LISTS)
def test_a_question_that_was_not_answered_proves_nothing(
    gateways: GatewayProcess, kind: str, status: int, body: Any
) -> None:
    """A person who reads "not there" sends it again."""
    gateways.says(json.dumps(body), status)
    with pytest.raises((errors.Later, errors.Unexpected)):
        run(channel(gateways, kind), lambda gateway: gateway.find([missing(message())]))


def rows_of(kind: str, *rows: dict[str, Any]) -> str:
    """A list as the gateway tells it, of rows (id, to, text, at)."""
    if kind == "exolve":
        names = {"id": "message_id", "to": "receiver", "text": "text", "at": "date"}
        return json.dumps({"messages": [{names[name]: value for name, value in row.items()} for row in rows]})
    names = {"id": "id", "to": "number", "text": "text", "at": "dateCreate"}
    told = {str(at): {names[name]: value for name, value in row.items()} for at, row in enumerate(rows)}
    return json.dumps({"success": True, "data": told | {"links": {"self": "/v2/sms/list?page=1"}}})


def at(kind: str, seconds: float) -> Any:
    return int(seconds) if kind == "smsaero" else time.strftime("%Y-%m-%dT%H:%M:%S.5Z", time.gmtime(seconds))


@pytest.mark.parametrize("kind", LISTS)
def test_rows_that_may_be_the_lost_one_keep_it_unknown(gateways: GatewayProcess, kind: str) -> None:
    one = message("Ждём вас завтра")
    lost, now = missing(one), time.time()
    row = {"id": 5, "to": TO[1:], "text": one.text, "at": at(kind, now)}

    def found(*rows: dict[str, Any]) -> Any:
        gateways.says(rows_of(kind, *rows))
        return run(channel(gateways, kind), lambda gateway: gateway.find([lost]))

    assert found() == [Absent(one.token)]
    assert [each.provider_id for each in found(row)] == ["5"]
    assert [each.provider_id for each in found(row | {"text": f" {one.text}\n", "to": TO})] == ["5"]
    assert found(row | {"to": "79450000009"}) == [Absent(one.token)]
    assert found(row | {"at": at(kind, now - 3_600)}) == [Absent(one.token)]
    for odd in ({"text": "Ждем вас завтра"}, {"text": None}, {"at": "yesterday"}, {"at": None}, {"to": None}):
        assert found(row | odd) == [], odd
    assert found(row, row | {"id": 6}) == []


@pytest.mark.parametrize("kind", LISTS)
def test_a_lost_one_is_found_behind_many_others(gateways: GatewayProcess, kind: str) -> None:
    """Pages and filters as the protocol has them: fifty others went to the same number since."""
    first = message("first " + secrets.token_hex(4), to=number(77))
    others = [message(to=number(77)) for _each in range(60)]
    gateways.options(price=1)

    async def work(gateway: Any) -> Any:
        for one in (first, *others):
            assert isinstance(await gateway.submit(one), Accepted)
        return await gateway.find([missing(first)])

    [found] = run(channel(gateways, kind), work)
    assert (found.token, found.provider_id) == (first.token, taken(gateways, first)[0]["id"])


def test_a_list_of_exolve_that_is_cut_proves_no_absence(gateways: GatewayProcess) -> None:
    one = message()
    full = rows_of(
        "exolve", *({"id": i, "to": "79990000000", "text": "x", "at": at("exolve", 0)} for i in range(2_000))
    )
    gateways.fault("say", status=200, body=full, path="/GetList", times=5)
    assert run(channel(gateways, "exolve"), lambda gateway: gateway.find([missing(one)])) == []


def test_iqsms_tells_lost_ones_through_its_queue_once(gateways: GatewayProcess) -> None:
    there, nowhere = message(), message()

    async def work(gateway: Any) -> Any:
        await gateway.submit(there)
        asked = [missing(there), missing(nowhere)]
        return await gateway.find(asked), await gateway.find(asked)

    found, again = run(channel(gateways, "iqsms"), work)
    [receipt] = found
    assert (receipt.token, receipt.fate) == (there.token, Fate.DELIVERED)
    assert receipt.provider_id == taken(gateways, there)[0]["id"]
    assert again == []


@pytest.mark.parametrize("kind", ["smsc", "smsaero"])
def test_what_was_told_before_a_question_failed_is_kept(gateways: GatewayProcess, kind: str) -> None:
    one, other = message(to=number(88)), message(to=number(89))

    async def work(gateway: Any) -> Any:
        await gateway.submit(one)
        await asyncio.to_thread(gateways.fault, "fail", status=500, skip=1)
        return await gateway.find([missing(one), missing(other)])

    [found] = run(channel(gateways, kind), work)
    assert found.token == one.token


def heard(gateways: GatewayProcess) -> list[Reply]:
    told: list[Reply] = []

    async def replies(some: list[Reply]) -> None:
        told.extend(some)

    run(channel(gateways, "smsc"), lambda gateway: gateway.listen(0), replies=replies)
    return told


def test_what_people_write_back_to_smsc_is_read_with_its_time(gateways: GatewayProcess) -> None:
    """The same ones come again with the same keys: the books tell which are new."""
    now = time.time()
    gateways.reply("79450000001", "СТОП", ago=6 * 86_400)
    gateways.reply("79450000002", "Спасибо, буду", ago=90)
    gateways.reply("79450000003", "too long ago", ago=9 * 86_400)
    told = heard(gateways)
    assert [(r.sender, r.text) for r in told] == [("+79450000001", "СТОП"), ("+79450000002", "Спасибо, буду")]
    assert [round((now - r.at_ms / 1000) / 10) for r in told] == [6 * 8_640, 9]
    assert [r.key for r in heard(gateways)] == [r.key for r in told]
    assert len({r.key for r in told}) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"error": "no messages", "error_code": 3},
        {"error": "too often", "error_code": 9},
        {},
        [],
        [7],
        [{}],
        [{"id": 5}],
    ],
)
def test_no_replies_at_smsc_stop_nothing(gateways: GatewayProcess, body: Any) -> None:
    for status in (200, 404, 403, 500):
        gateways.says(json.dumps(body), status)
        assert heard(gateways) == []


def test_a_reply_whose_time_makes_no_sense_came_just_now(gateways: GatewayProcess) -> None:
    before = time.time_ns() // 1_000_000
    for when in (None, "yesterday", "01.01.1990 10:00:00", "01.01.2090 10:00:00"):
        gateways.says(json.dumps([{"id": 5, "phone": "Bank", "message": None, "received": when}]))
        [told] = heard(gateways)
        assert (told.sender, told.text) == ("Bank", "")
        assert before <= told.at_ms <= time.time_ns() // 1_000_000


BUSY = {"smsc": Lost, "smsru": NotTaken, "smsaero": errors.Limited, "iqsms": errors.Limited, "exolve": errors.Limited}


@pytest.mark.parametrize("kind", HTTP)
def test_too_fast_is_told_by_each_in_its_way(gateways: GatewayProcess, kind: str) -> None:
    """SMSC.ru says the same of a repeat, so it is not called unsent; its own word on the id settles it."""
    gateways.options(rate=1, rate_s=3_600.0, ahead=float(10_000 * (1 + HTTP.index(kind))))
    first, second = message(), message()

    async def work(gateway: Any) -> Any:
        return await judged(gateway, first), await judged(gateway, second)

    told = run(channel(gateways, kind), work)
    assert isinstance(told[0], Accepted)
    assert type(told[1]) is BUSY[kind]
    assert not taken(gateways, second)


def test_smsc_never_has_more_at_once_than_it_bears(gateways: GatewayProcess) -> None:
    some = [message(to=number(500 + each)) for each in range(30)]
    gateways.fault("slow", seconds=0.05, times=None)

    async def work(gateway: Any) -> list[Any]:
        free = asyncio.Semaphore(gateway.window)

        async def one(each: Message) -> Any:
            async with free:
                return await judged(gateway, each)

        return await asyncio.gather(*map(one, some))

    told = run(channel(gateways, "smsc", window=100, timeout=30_000), work)
    assert all(isinstance(each, Accepted) for each in told)


@pytest.mark.parametrize("kind", HTTP)
def test_a_slow_answer_is_waited_for_and_no_longer_than_said(gateways: GatewayProcess, kind: str) -> None:
    gateways.fault("slow", seconds=0.3)
    assert isinstance(run(channel(gateways, kind), lambda gateway: gateway.submit(message())), Accepted)
    gateways.fault("hang")
    one = message()
    told = run(channel(gateways, kind, timeout=1_000), lambda gateway: judged(gateway, one))
    assert isinstance(told, errors.Unavailable)
    assert told.sent
    assert len(taken(gateways, one)) == 1


@pytest.mark.parametrize("kind", HTTP)
def test_every_request_asks_for_its_permit_first(gateways: GatewayProcess, kind: str) -> None:
    """A permit that is refused means that nothing has left."""
    asked: list[int] = []

    async def permit() -> None:
        asked.append(1)

    async def full() -> None:
        raise errors.Limited("full", after_ms=5)

    async def work(gateway: Any) -> Any:
        verdict = await gateway.submit(one)
        await gateway.status([Sent(verdict.provider_id, one.token, one.to)])
        await gateway.balance()
        return verdict

    one, other = message(), message()
    run(channel(gateways, kind), work, permit)
    assert len(asked) == (2 if kind == "exolve" else 3)
    assert isinstance(run(channel(gateways, kind), lambda gateway: judged(gateway, other), full), errors.Limited)
    assert not taken(gateways, other)


LIVES = [("smsc", "valid", 3_600_000, 24), ("smsru", "ttl", 60_000, 1_440)]


@pytest.mark.parametrize(("kind", "name", "unit", "most"), LIVES)
def test_how_long_a_message_is_good_for_is_told(
    monkeypatch: pytest.MonkeyPatch, kind: str, name: str, unit: int, most: int, gateways: GatewayProcess
) -> None:
    told: list[dict[str, str]] = []

    async def form(_path: str, fields: dict[str, str]) -> dict[str, Any]:
        told.append(fields)
        raise errors.Limited("seen")

    async def work(gateway: Any) -> None:
        monkeypatch.setattr(gateway, "form", form)
        monkeypatch.setattr(time, "time_ns", lambda: 0)  # a computer whose clock is wrong shortens no message's life
        for until in (NOW + 5 * unit + 5, NOW + 10**12, NOW + 10, NOW - 10):
            await judged(gateway, message(until_ms=until, at_ms=NOW))

    run(channel(gateways, kind), work)
    assert [fields[name] for fields in told] == ["5", str(most), "1", "1"]


TEXTS = st.sampled_from(["Ждём вас", "Ждём  вас ", "Other", ""])
NUMBERS = st.sampled_from(["79450000001", "79450000002", ""])
TIMES = st.sampled_from([None, NOW - EARLY_MS - 1, NOW - EARLY_MS, NOW, NOW + 10**7])
ROWS = st.lists(
    st.builds(lambda to, text, made: (to, text, made), NUMBERS, TEXTS, TIMES), max_size=4
).map(lambda rows: [Listed(str(100 + i), to, text, made) for i, (to, text, made) in enumerate(rows)])  # fmt: skip
LOST = st.lists(st.tuples(st.sampled_from([TO, "+79450000002"]), TEXTS), min_size=1, max_size=3)


@given(ROWS, LOST, st.data())
def test_no_lost_message_is_called_absent_where_a_row_may_be_it(
    rows: list[Listed], asked: list[tuple[str, str]], data: st.DataObject
) -> None:
    """Whatever rows of lost ones there really are, none of those is called absent and none is taken for another."""
    lost = [Missing(f"{i:032}", to, text, NOW) for i, (to, text) in enumerate(asked)]
    really = data.draw(st.lists(st.sampled_from(lost), unique_by=lambda each: each.token, max_size=3))
    mine = {f"real-{each.token}": each for each in really}
    there = [*rows, *(Listed(number, one.to[1:], one.text, NOW) for number, one in mine.items())]
    for each in lost:
        told = looked_up(each, lost, there)
        if isinstance(told, Absent):
            assert each not in really
        if isinstance(told, Receipt) and told.provider_id in mine:
            owner = mine[told.provider_id]
            assert (owner.to, " ".join(owner.text.split())) == (each.to, " ".join(each.text.split()))
            assert owner.token == each.token
