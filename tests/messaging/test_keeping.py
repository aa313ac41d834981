"""What is forgotten of messages: texts first, then the lines; never what may still be needed, or be planned again."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, func, insert, select, update

from claimed import run_now
from identsync.clinic.contract import contract
from identsync.clinic.source import ClinicSource
from identsync.engine.integration import Outcome, Status
from identsync.flows import outbox_keeping
from identsync.flows.outbox_book import Draft, decide, note, plan
from identsync.integrations.messaging import INTEGRATION, bulk
from identsync.integrations.messaging.page_log import one
from identsync.integrations.messaging.settings import Channel
from identsync.store import Store
from identsync.store.tables import (
    message,
    message_campaign,
    message_consent,
    message_file,
    message_reply,
    outbox,
    outbox_event,
)

DAY = 86_400_000
SMS = Channel(kind="smsru", password="env:TEST_SMS")


class House:
    """A store with messages of long ago."""

    def __init__(self, store: Store, url: str) -> None:
        self.store, self.engine = store, create_engine(url)
        contract.create_all(self.engine)
        self.channels = {"sms": SMS}
        self.now = store.now_ms()

    def forget(self) -> Outcome:
        tasks = {task.kind: task for task in INTEGRATION.tasks(self.channels, [])}
        return asyncio.run(run_now(self.store, ClinicSource(self.engine), tasks["messaging/old.forget"]))

    def message(self, key: str, days: int, state: str = "delivered", *, lot: int | None = None, **more: Any) -> int:
        """Write a message that was planned so many days ago and has ended since."""
        at = self.now - days * DAY
        draft = Draft(key=key, due_ms=at, until_ms=at, lot=lot, address="+79450000001")
        with self.store.write() as connection:
            number = plan(connection, "messaging/sms", 0, [draft], at)[key]
            sent = {"state": state, "submitted_ms": at, "channel": "sms", "answer": "OK +79450000001"}
            connection.execute(update(outbox).where(outbox.c.id == number).values(sent | more))
            own = {"outbox_id": number, "medium": "sms", "kind": "service", "purpose": "single", "made_by": "Анна"}
            connection.execute(insert(message).values(own | {"text": "Ваш снимок готов", "patient_id": 7}))
            file = {"outbox_id": number, "name": "план.pdf", "media_type": "application/pdf", "content": b"%PDF"}
            connection.execute(insert(message_file).values(file))
            note(connection, number, state, "Анна", at)
        return number

    def campaign(self, days: int, state: str = "done") -> int:
        at = self.now - days * DAY
        values = {"name": "Осмотр", "template_id": 1, "filter": "{}", "state": state, "made_by": "Анна", "made_ms": at}
        with self.store.write() as connection:
            made: Any = connection.execute(insert(message_campaign).values(values | {"changed_ms": at}))
        return int(made.inserted_primary_key[0])

    def keys(self) -> set[str]:
        return set(self.read(lambda connection: connection.execute(select(outbox.c.key)).scalars().all()))

    def count(self, table: Any) -> int:
        return int(self.read(lambda connection: connection.execute(select(func.count()).select_from(table)).scalar()))

    def read(self, fn: Callable[[Any], Any]) -> Any:
        with self.store.read() as connection:
            return fn(connection)

    def shown(self, number: int) -> dict[str, Any]:
        return self.read(lambda connection: one(connection, number))


@pytest.fixture
def house(store: Store, store_url: str) -> Iterator[House]:
    made = House(store, store_url)
    yield made
    made.engine.dispose()


def test_a_year_later_a_line_tells_no_text_no_number_and_no_file(house: House) -> None:
    old, young = house.message("old", 400), house.message("young", 300)
    assert house.forget().counts == {"emptied": 1, "forgotten": 0}
    said = house.shown(old)
    assert [said[name] for name in ("text", "address", "answer", "files")] == [None, None, None, []]
    assert said["erased"]
    assert (said["state"], said["patient_id"], said["channel"], len(said["history"])) == ("delivered", 7, "sms", 1)
    said = house.shown(young)
    assert (said["text"], said["address"], said["erased"]) == ("Ваш снимок готов", "+79450000001", False)
    assert [file["name"] for file in said["files"]] == ["план.pdf"]


def test_three_years_later_nothing_is_left_of_it(house: House) -> None:
    house.message("old", 1_200)
    house.message("young", 1_000)
    assert house.forget().counts == {"emptied": 2, "forgotten": 1}
    assert house.keys() == {"young"}
    assert [house.count(table) for table in (message, outbox_event, message_file)] == [1, 1, 0]


@pytest.mark.parametrize("state", ["planned", "held", "submitting", "unknown"])
def test_what_waits_for_a_person_or_for_its_time_stays_whole(house: House, state: str) -> None:
    number = house.message("waits", 1_200, state)
    assert house.forget().counts == {"emptied": 0, "forgotten": 0}
    said = house.shown(number)
    assert (said["text"], said["address"], len(said["files"])) == ("Ваш снимок готов", "+79450000001", 1)


def test_a_message_that_a_person_has_decided_on_lately_is_young_again(house: House) -> None:
    number = house.message("late", 1_200, "unknown")
    with house.store.write() as connection:
        seen = house.now - 1_200 * DAY
        decide(connection, number, seen, "leave", "Анна", house.now)
    assert house.forget().counts == {"emptied": 0, "forgotten": 0}


def test_a_key_that_may_come_again_is_never_forgotten(house: House) -> None:
    house.message("reminder", 1_200, "skipped", until_ms=house.now + DAY)
    house.forget()
    again = Draft(key="reminder", due_ms=house.now, until_ms=house.now + DAY)
    with house.store.write() as connection:
        assert plan(connection, "messaging/sms", 0, [again], house.now) == {}


def test_more_than_a_portion_goes_and_each_row_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_keeping, "PORTION", 3)
    for n in range(8):
        house.message(f"same moment {n}", 400)
    for n in range(7):
        house.message(f"old {n}", 1_200 + n % 2)
        house.message(f"waits {n}", 1_200, "unknown")
    assert house.forget().counts == {"emptied": 15, "forgotten": 7}
    assert house.keys() == {f"same moment {n}" for n in range(8)} | {f"waits {n}" for n in range(7)}
    assert house.forget().counts["forgotten"] == 0


def test_what_one_run_does_not_get_to_is_soon_gone_on_with(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_keeping, "PORTION", 2)
    monkeypatch.setattr("identsync.engine.keeping.BUDGET_MS", 0)
    for n in range(5):
        house.message(f"old {n}", 1_200 + n)
    first = house.forget()
    assert (first.status, first.counts, first.retry_ms) == (Status.PARTIAL, {"emptied": 2, "forgotten": 2}, 60_000)
    for _more in range(3):
        last = house.forget()
    assert (last.status, house.keys()) == (Status.OK, set())


def test_a_campaign_is_counted_whole_until_it_goes_with_all_its_lines(house: House) -> None:
    old, waiting, newest = house.campaign(1_150), house.campaign(1_150), house.campaign(1_150)
    for lot in (old, waiting, newest):
        house.message(f"{lot} a", 1_200, lot=lot)
        house.message(f"{lot} b", 1_200, "unknown" if lot == waiting else "failed", lot=lot)
    house.forget()
    assert [each.id for each in house.read(bulk.campaigns)] == [newest, waiting]
    counted = house.read(lambda connection: [*bulk.progress(connection, (old, waiting, newest)).values()])
    assert counted == [{}, {"delivered": 1, "unknown": 1}, {"delivered": 1, "failed": 1}]


def test_a_campaign_that_runs_or_has_ended_lately_keeps_its_lines(house: House) -> None:
    lots = [house.campaign(1_200, "running"), house.campaign(1_200, "paused"), house.campaign(900), house.campaign(1)]
    for lot in lots:
        house.message(f"{lot}", 1_200, lot=lot)
    house.forget()
    assert len(house.keys()) == len(house.read(bulk.campaigns)) == 4


def test_a_number_of_a_campaign_is_never_given_away_again(house: House) -> None:
    gone = house.campaign(1_200)
    house.campaign(1_200)
    house.forget()
    assert house.campaign(1) > gone + 1


def test_replies_go_when_somebody_has_dealt_with_them_consents_never(house: House) -> None:
    reply = {"channel": "sms", "sender": "+79450000001", "text": "Приду", "received_ms": 1}
    word = {"patient_id": 7, "medium": "sms", "kind": "ad", "given": 1, "source": "анкета", "by": "Анна", "at_ms": 1}
    with house.store.write() as connection:
        for key, state, days in (("a", "done", 400), ("b", "open", 400), ("c", "done", 300)):
            one_reply = reply | {"key": key, "state": state, "at_ms": house.now - days * DAY}
            connection.execute(insert(message_reply).values(one_reply))
        connection.execute(insert(message_consent).values(word))
    assert house.forget().counts["forgotten"] == 1
    assert set(house.read(lambda c: c.execute(select(message_reply.c.key)).scalars().all())) == {"b", "c"}
    assert house.count(message_consent) == 1


def test_of_several_channels_the_longest_days_count(house: House) -> None:
    house.channels["mail"] = Channel(kind="email", host="h", sender="a@example.ru", texts=0, remember=2_000)
    house.message("old", 1_200)
    assert house.forget().counts == {"emptied": 0, "forgotten": 0}
    forever = {"sms": Channel(kind="smsru", password="env:X", texts=0, remember=0)}
    assert "messaging/old.forget" not in [task.kind for task in INTEGRATION.tasks(forever, [])]


@pytest.mark.parametrize(
    ("days", "wrong"),
    [
        ({"texts": 30}, ["texts"]),
        ({"texts": 31, "remember": 91}, ["remember"]),
        ({"texts": 400, "remember": 399}, ["remember"]),
        ({"texts": 0, "remember": 92}, []),
        ({"texts": 400, "remember": 0}, []),
    ],
)
def test_days_that_would_let_a_message_go_twice_are_refused(days: dict[str, int], wrong: list[str]) -> None:
    channel = Channel(kind="smsru", password="env:X", **days)
    assert [key for key, _what, _hint in channel.mistakes()] == wrong


def test_a_message_that_was_never_sent_is_not_called_erased(house: House) -> None:
    number = house.message("planned", 1, "planned", submitted_ms=None)
    with house.store.write() as connection:
        connection.execute(update(message).values(text=None, purpose="reminder"))
    assert not house.shown(number)["erased"]
