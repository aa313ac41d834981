"""The tasks of the room: channels one after the other, what is asked and heard, what a person is told."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, select

from claimed import run_now
from identsync.clinic.contract import contract
from identsync.clinic.source import ClinicSource
from identsync.demo.gateway.desk import KEY, SENDER, USER
from identsync.demo.gateway.process import GatewayProcess
from identsync.engine.integration import Outcome, Status
from identsync.integrations.messaging import books, reasons, resting, settings
from identsync.integrations.messaging.message import Medium, Message, Reply
from identsync.integrations.messaging.replies import take
from identsync.integrations.messaging.settings import Channel
from identsync.integrations.messaging.single import GOOD_FOR, Letter, send
from identsync.integrations.messaging.task import tasks
from identsync.integrations.messaging.wire import asking
from identsync.store import Store
from identsync.store.tables import message, message_channel, message_reply, message_stop, outbox


class House:
    """A store, an empty clinic, channels."""

    def __init__(self, store: Store, url: str, channels: dict[str, Channel]) -> None:
        self.store = store
        self.engine = create_engine(url)
        contract.create_all(self.engine)
        self.clinic = ClinicSource(self.engine)
        self.tasks = {task.kind: task for task in tasks(channels, [])}

    def run(self, kind: str) -> Outcome:
        return asyncio.run(run_now(self.store, self.clinic, self.tasks[kind]))

    def letter(self, number: int = 1, text: str = "Ваш снимок готов") -> None:
        with self.store.write() as connection:
            to = f"+7945{number:07d}"
            one = Letter(token=f"{number} {text}", medium=Medium.SMS, text=text, address=to, urgent=True)
            send(connection, one, by="Иванова", now_ms=self.store.now_ms())

    def rows(self, table: Any = outbox) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(select(table)))


Houses = Callable[[dict[str, Channel]], House]


@pytest.fixture
def house_of(store: Store, store_url: str) -> Iterator[Callable[[dict[str, Channel]], House]]:
    """Make a house with these channels; its connections are closed at the end."""
    made: list[House] = []

    def make(channels: dict[str, Channel]) -> House:
        made.append(House(store, store_url, channels))
        return made[-1]

    yield make
    for house in made:
        house.engine.dispose()


@pytest.fixture
def gateway(gateway_process: GatewayProcess) -> GatewayProcess:
    """The gateways as if they had just begun."""
    gateway_process.reset()
    return gateway_process


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SMS", KEY)
    monkeypatch.setenv("TEST_WRONG", "no")


def channel(gateway: GatewayProcess, kind: str = "smsc", **how: Any) -> Channel:
    usual = {"url": gateway.url(kind), "user": USER, "password": "env:TEST_SMS", "sender": SENDER, "rate": 1000.0}
    return Channel(kind=kind, **(usual | how))  # type: ignore[arg-type]


def test_a_message_goes_out_is_asked_about_and_its_row_tells_all(house_of: Houses, gateway: GatewayProcess) -> None:
    house = house_of({"smsc": channel(gateway, price=5.0)})
    house.letter()
    assert house.run("messaging/sms.send").counts["accepted"] == 1
    [row], [told] = house.rows(), house.rows(message)
    assert (row.state, row.channel, row.address) == ("accepted", "smsc", "+79450000001")
    assert (told.text, told.parts, told.kopecks) == ("Ваш снимок готов", 1, 460)
    assert house.run("messaging/smsc").status is Status.OK
    assert house.rows()[0].state == "delivered"
    [known] = house.rows(message_channel)
    assert known.balance_kopecks == 500_000 - 460


def test_how_long_a_message_is_good_for_is_reckoned_by_the_clock_that_set_its_end(
    house_of: Houses, gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a computer's clock that is hours ahead each SMS would be given up within a minute."""
    left: list[int] = []

    def heard(one: Message, *_limits: int) -> str:
        left.append(one.until_ms - one.at_ms)
        return "1"

    monkeypatch.setattr(asking, "lifetime", heard)
    house = house_of({"smsc": channel(gateway)})
    house.letter()
    house.run("messaging/sms.send")
    assert 0 < left[0] <= max(GOOD_FOR.values())


@pytest.mark.parametrize("trouble", ["nobody there", "wrong key", "no money", "told to wait"])
def test_the_next_channel_follows_one_that_has_certainly_taken_nothing(
    house_of: Houses, gateway: GatewayProcess, trouble: str
) -> None:
    how: dict[str, Any] = {}
    if trouble == "nobody there":
        how = {"url": "http://127.0.0.1:9"}
    elif trouble == "wrong key":
        how = {"password": "env:TEST_WRONG"}
    elif trouble == "no money":
        gateway.fault("refuse", path="/smsc/sys/send.php", code=3)
    else:
        gateway.fault("fail", path="/smsc/sys/send.php", status=429)
    house = house_of({"first": channel(gateway, **how), "second": channel(gateway, "smsru")})
    house.letter()
    assert house.run("messaging/sms.send").counts["accepted"] == 1
    assert house.rows()[0].channel == "second"
    assert [each["gateway"] for each in gateway.messages()] == ["smsru"]
    problems = {row.channel: row.problem for row in house.rows(message_channel)}
    assert problems["first"]


@pytest.mark.parametrize("trouble", ["wrong key", "no money", "told to wait"])
def test_a_channel_that_was_refused_is_left_alone_for_a_while(
    house_of: Houses, gateway: GatewayProcess, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four wrong passwords a minute, because the other channel sends meanwhile, would have our address closed."""
    wrong, asked = {"password": "env:TEST_WRONG"} if trouble == "wrong key" else {}, "/smsc/sys/send.php"
    if trouble == "no money":
        gateway.fault("refuse", path=asked, code=3, times=None)
    elif trouble == "told to wait":
        gateway.fault("refuse", path=asked, code=4, times=None)
    house = house_of({"first": channel(gateway, **wrong), "second": channel(gateway, "smsru")})
    for number in range(1, 5):
        house.letter(number)
        assert house.run("messaging/sms.send").counts["accepted"] == 1
    assert gateway.books()["counts"][asked] == 1
    resting.forget()
    house.letter(5)
    house.run("messaging/sms.send")
    assert gateway.books()["counts"][asked] == 2


def test_a_channel_that_never_answers_makes_few_messages_unknown_and_the_next_one_follows(
    house_of: Houses, gateway: GatewayProcess
) -> None:
    gateway.fault("lose", path="/smsc/sys/send.php", times=None)
    house = house_of({"first": channel(gateway, window=1), "second": channel(gateway, "smsru")})
    for number in range(1, 9):
        house.letter(number)
        house.run("messaging/sms.send")
    assert [row.state for row in house.rows()] == ["unknown"] * 3 + ["accepted"] * 5
    assert len(gateway.messages()) == 8


def test_one_lost_answer_now_and_then_stops_no_channel(house_of: Houses, gateway: GatewayProcess) -> None:
    house = house_of({"smsc": channel(gateway, window=1)})
    for number in range(1, 9):
        gateway.fault("lose" if number % 2 else "slow", path="/smsc/sys/send.php", seconds=0.0)
        house.letter(number)
        house.run("messaging/sms.send")
    assert [row.state for row in house.rows()] == ["unknown", "accepted"] * 4


def test_what_a_gateway_says_to_a_question_keeps_no_message_waiting(house_of: Houses, gateway: GatewayProcess) -> None:
    gateway.fault("fail", path="/smsc/sys/balance.php", status=403, times=None)
    house = house_of({"smsc": channel(gateway)})
    assert house.run("messaging/smsc").retry_ms == resting.REFUSED_MS
    house.letter()
    assert house.run("messaging/sms.send").counts["accepted"] == 1


def test_a_gateway_whose_password_this_computer_lacks_is_asked_by_another(
    house_of: Houses, gateway: GatewayProcess
) -> None:
    outcome = house_of({"smsc": channel(gateway, password="env:TEST_NOWHERE")}).run("messaging/smsc")
    assert (outcome.status, outcome.elsewhere) == (Status.ASK, True)


def test_a_lost_answer_is_not_followed_by_another_channel(house_of: Houses, gateway: GatewayProcess) -> None:
    gateway.fault("lose", path="/smsc/sys/send.php")
    house = house_of({"first": channel(gateway), "second": channel(gateway, "smsru")})
    house.letter()
    house.run("messaging/sms.send")
    house.run("messaging/sms.send")
    assert len(gateway.messages()) == 1
    assert house.rows()[0].state == "unknown"
    house.run("messaging/first")
    assert house.rows()[0].state == "delivered"


def test_a_channel_that_cannot_be_opened_is_followed(house_of: Houses, gateway: GatewayProcess) -> None:
    missing = channel(gateway, password="env:TEST_NOWHERE")
    house = house_of({"first": missing, "second": channel(gateway, "iqsms")})
    house.letter()
    house.run("messaging/sms.send")
    assert house.rows()[0].channel == "second"


def test_without_any_channel_everything_waits_and_a_person_is_told(house_of: Houses, gateway: GatewayProcess) -> None:
    house = house_of({"only": channel(gateway, password="env:TEST_WRONG")})
    house.letter()
    outcome = house.run("messaging/sms.send")
    assert outcome.status is Status.ASK
    assert [row.state for row in house.rows()] == ["planned"]
    assert not gateway.messages()


def test_what_the_gateway_does_not_know_is_told_to_the_person_who_decides(
    house_of: Houses, gateway: GatewayProcess
) -> None:
    gateway.fault("html", path="send.php")
    house = house_of({"smsc": channel(gateway)})
    house.letter()
    house.run("messaging/sms.send")
    gateway.ask("POST", "options", {"delivery_s": 0.0})
    with house.store.write() as connection:  # it was never taken: another token
        connection.execute(outbox.update().values(token="f" * 32))
    house.run("messaging/smsc")
    assert house.rows()[0].reason != reasons.ABSENT  # it may be on its way into the gateway's books
    with house.store.write() as connection:
        connection.execute(outbox.update().values(submitted_ms=outbox.c.submitted_ms - books.SURE_MS))
    house.run("messaging/smsc")
    [row] = house.rows()
    assert (row.state, row.reason) == ("unknown", "шлюз такого сообщения не знает")
    house.run("messaging/sms.send")
    assert len(gateway.messages()) == 1


def test_little_money_is_told(house_of: Houses, gateway: GatewayProcess) -> None:
    gateway.options(balance=12_300)
    house = house_of({"smsc": channel(gateway, low_balance=200)})
    outcome = house.run("messaging/smsc")
    assert outcome.status is Status.ASK
    assert "123 ₽" in outcome.note


def test_many_failures_are_told(house_of: Houses, gateway: GatewayProcess) -> None:
    gateway.options(undelivered=1.0)
    house = house_of({"smsc": channel(gateway)})
    for number in range(1, 25):
        house.letter(number)
    house.run("messaging/sms.send")
    outcome = house.run("messaging/smsc")
    assert outcome.status is Status.ASK
    assert "100 %" in outcome.note


def test_a_reply_is_kept_once_and_stop_means_stop(store: Store) -> None:
    now = time.time_ns() // 1_000_000
    replies = [Reply("1", "79450000001", "СТОП!", now), Reply("2", "79450000002", "Спасибо, буду", now)]
    with store.write() as connection:
        for _ in range(2):
            take(connection, "smpp", Medium.SMS, replies, now)
        assert [row.text for row in connection.execute(select(message_reply))] == ["СТОП!", "Спасибо, буду"]
        assert [row.address for row in connection.execute(select(message_stop))] == ["+79450000001"]


def test_who_said_stop_gets_nothing_more(house_of: Houses, gateway: GatewayProcess) -> None:
    house = house_of({"smsc": channel(gateway)})
    house.letter()
    with house.store.write() as connection:
        take(connection, "smpp", Medium.SMS, [Reply("1", "79450000001", "стоп", 1)], 1)
    house.run("messaging/sms.send")
    assert house.rows()[0].state == "skipped"
    assert not gateway.messages()


def test_masked_words_hold_no_phone_and_no_address() -> None:
    said = books.masked("no route to +7 (916) 123-45-67 for a.ivanova@example.com, code 12")
    assert said == "no route to … for … code 12"


@pytest.mark.parametrize("answer", ["no money left to tell of", "not now"])
def test_what_is_told_is_kept_though_another_question_fails(
    house_of: Houses, gateway: GatewayProcess, answer: str
) -> None:
    house = house_of({"smsc": channel(gateway)})
    house.letter()
    house.run("messaging/sms.send")
    gateway.reply("79450000005", "СТОП")
    status = 403 if answer == "no money left to tell of" else 503
    gateway.fault("fail", path="/smsc/sys/balance.php", status=status, times=None)
    assert house.run("messaging/smsc").status is not Status.OK
    assert house.rows()[0].state == "delivered"
    assert [row.address for row in house.rows(message_stop)] == ["+79450000005"]


def test_messages_that_never_end_keep_no_other_one_s_news_waiting(house_of: Houses, gateway: GatewayProcess) -> None:
    house = house_of({"smsc": channel(gateway)})
    with house.store.write() as connection:
        now = house.store.now_ms()
        for number in range(1, 6):
            one = {"stream": "messaging/sms", "scope": 0, "key": str(number), "state": "accepted", "rank": 1}
            one |= {"channel": "smsc", "provider_id": str(number), "token": str(number), "address": "+79450000001"}
            times = {"due_ms": now, "until_ms": now, "made_ms": now, "submitted_ms": now, "changed_ms": now}
            connection.execute(outbox.insert().values(one | times))
    of, since, asked = books.Of("messaging/sms", "smsc"), 0, list[list[str]]()
    for _turn in range(5):
        with house.store.read() as connection:
            sent, since = books.under_way(connection, of, since, 2, now)
        asked.append([each.token for each in sent])
    assert asked == [["1", "2"], ["3", "4"], ["5", "1"], ["2", "3"], ["4", "5"]]


def test_each_run_asks_about_others(house_of: Houses, gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.ASKED, "smsc", 2)
    house = house_of({"smsc": channel(gateway)})
    for number in range(1, 6):
        house.letter(number)
    house.run("messaging/sms.send")
    gateway.options(delivery_s=1e9)
    for _run in range(2):
        assert house.run("messaging/smsc").counts["asked"] == 2
    gateway.options(delivery_s=0.0)
    house.run("messaging/smsc")
    assert sorted(row.state for row in house.rows()) == ["accepted"] * 3 + ["delivered"] * 2
    assert {row.id: row.state for row in house.rows()}[5] == "delivered"
