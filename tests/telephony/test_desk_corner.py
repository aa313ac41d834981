"""The corner: what a desk sees of a call before it lifts the receiver, and what it does there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, insert, select

from identsync.clinic.source import ClinicSource
from identsync.errors import IdentsyncError
from identsync.integrations.telephony import links
from identsync.integrations.telephony.call import Direction, Employee, State
from identsync.store import Store
from identsync.store.tables import lead, lead_event, outbox, phone_call, phone_link

from . import desk_seed as seed
from .calls import MINUTE
from .desk import Desk, at_desk, calls_clinic

__all__ = ["calls_clinic"]
STRANGER = seed.STRANGER


@pytest.fixture
def desk(store: Store, calls_clinic: Path) -> Iterator[Desk]:
    with at_desk(store, calls_clinic) as desk:
        yield desk


def names(shown: dict[str, Any]) -> list[str]:
    return [card["name"] for card in shown["cards"]]


def test_who_calls_is_named_with_age_visits_and_debt(desk: Desk) -> None:
    patient, phone, _surname = desk.people[0]
    desk.ring(phone)
    (card,) = desk.corner()["cards"]
    (caller,) = card["callers"]
    assert (caller["id"], caller["name"]) == (patient, desk.clinic.patient_name(patient))
    asked = desk.clinic.callers(phone[-10:], desk.now_ms // MINUTE + 180)[0]
    assert caller["debt"] == (asked.debt or None)
    assert (caller["next"] is None, caller["last"] is None) == (asked.next_visit is None, asked.last_visit is None)
    assert 0 <= caller["age"] < 110
    assert card["shown"].title == "звонит"
    assert card["rings"] == [("101", "Анна")]


def test_a_familys_number_shows_all_of_it(desk: Desk) -> None:
    phone, ids = seed.family(desk.engine)
    desk.ring(phone)
    (card,) = desk.corner()["cards"]
    assert sorted(each["id"] for each in card["callers"]) == ids
    assert len(ids) > 1


def test_a_call_is_shown_until_it_is_over_and_a_little_longer(desk: Desk) -> None:
    call = desk.ring(desk.people[0][1])
    assert desk.corner()["cards"][0]["until"] is None
    desk.hang_up(call)
    (card,) = desk.corner()["cards"]
    assert (card["over"], card["shown"].title) == (True, "пропущен")
    assert desk.now_ms < card["until"] <= desk.now_ms + 10_001
    desk.now_ms += 10_002
    assert desk.corner()["cards"] == []


def test_a_call_that_a_pbx_has_forgotten_does_not_ring_for_ever(desk: Desk) -> None:
    desk.ring(STRANGER)
    desk.now_ms += 11 * MINUTE
    assert desk.corner()["cards"] == []


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_pbx_whose_clock_or_zone_is_wrong_still_shows_who_calls(desk: Desk, hours: int) -> None:
    desk.ring(STRANGER, ago=hours * 60 * MINUTE)
    assert len(desk.corner()["cards"]) == 1


def test_a_call_to_another_branch_rings_there_only(desk: Desk) -> None:
    desk.ring(STRANGER, line="uis")  # its line serves branch 2
    shown = []
    for desk.branch in (None, 1, 2):
        shown.append(len(desk.corner()["cards"]))
    assert shown == [1, 0, 1]


def test_a_stranger_has_no_patients_but_past_calls_and_what_he_waits_for(desk: Desk) -> None:
    desk.day()
    desk.ring(STRANGER)
    (card,) = desk.corner()["cards"]
    assert card["callers"] == []
    assert [each["shown"].title for each in card["past"]] == ["пропущен"]
    assert card["waits"].calls == 1


def test_a_silent_clinic_costs_only_the_names(desk: Desk, tmp_path: Path) -> None:
    desk.ring(desk.people[0][1])
    engine = create_engine(f"sqlite:///{tmp_path / 'nothing' / 'clinic.db'}")
    desk.clinic = ClinicSource(engine)
    (card,) = desk.corner()["cards"]
    assert (card["silent"], card["callers"]) == (True, [])
    engine.dispose()


def test_talks_of_others_take_one_line_and_my_own_a_card(desk: Desk) -> None:
    desk.do("seat", extension="101", line="pbx")
    mine, other = desk.ring(desk.people[0][1], "a"), desk.ring(desk.people[1][1], "b")
    desk.answer(mine)
    desk.answer(other, Employee("102", "Борис"))
    shown = desk.corner()
    assert [card["phone_key"] for card in shown["cards"]] == [desk.people[0][1][-10:]]
    assert [talk["employee"] for talk in shown["talks"]] == ["Борис"]


def test_a_call_from_my_phone_by_hand_is_mine_and_a_colleagues_is_not_shown(desk: Desk) -> None:
    desk.do("seat", extension="101", line="pbx")
    for key, extension in (("a", "101"), ("b", "102")):
        desk.ring(desk.people[0][1], key, direction=Direction.OUT, rang=(Employee(extension),))
    assert [(card["direction"], card["mine"]) for card in desk.corner()["cards"]] == [("out", True)]


def test_at_most_three_cards_and_the_rest_is_counted(desk: Desk) -> None:
    for n in range(5):
        desk.ring(desk.people[n][1], f"c{n}", ago=5_000 - n)
    shown = desk.corner()
    assert [card["phone_key"] for card in shown["cards"]] == [person[1][-10:] for person in desk.people[:3]]
    assert len(shown["more"]) == 2


def test_a_hidden_call_stays_hidden_on_this_desk_only_and_can_be_shown_again(desk: Desk) -> None:
    call = desk.ring(STRANGER)
    (name,) = names(desk.corner())
    desk.do("hide", name=name)
    desk.answer(call)
    assert names(desk.corner()) == []
    assert len(desk.corner()["hidden"]) == 1
    assert names(desk.corner("Борис")) == [name]
    desk.do("show")
    assert names(desk.corner()) == [name]


def test_two_pbxs_that_tell_of_one_call_make_one_card(desk: Desk) -> None:
    desk.ring(STRANGER, "a")
    desk.ring(STRANGER, "b", line="uis")
    assert len(desk.corner()["cards"]) == 1


# -- a number nobody has --------------------------------------------------------------------------------------------


def test_a_number_is_linked_to_a_patient_and_his_from_then_on(desk: Desk) -> None:
    desk.day()
    patient, _phone, surname = desk.people[9]
    desk.ring(STRANGER)
    call = desk.corner()["cards"][0]["id"]
    desk.do("find", call=call, q=surname)
    assert patient in {each.id for each in desk.corner()["glance"].found}
    desk.do("link", call=call, patient=patient)
    (card,) = desk.corner()["cards"]
    assert [(each["id"], each["linked"]) for each in card["callers"]] == [(patient, True)]
    assert {row.patient_id for row in desk.rows(phone_call) if row.phone_key == STRANGER[-10:]} == {patient}
    assert desk.entry(STRANGER).patient_id == patient
    desk.do("unlink", call=call)
    assert desk.corner()["cards"][0]["callers"] == []
    assert desk.entry(STRANGER).patient_id is None


def test_a_search_that_is_going_on_keeps_its_card_when_the_caller_hangs_up(desk: Desk) -> None:
    call = desk.ring(STRANGER)
    number = desk.corner()["cards"][0]["id"]
    desk.do("find", call=number, q="Ива")
    desk.hang_up(call)
    desk.now_ms += 60_000
    (card,) = desk.corner()["cards"]
    assert (card["id"], card["until"]) == (number, None)
    desk.do("hide", name=card["name"])
    assert desk.corner()["cards"] == []


def test_a_later_link_counts_and_one_number_has_one(desk: Desk) -> None:
    with desk.store.write() as connection:
        for patient in (1, 2):
            links.link(connection, "9450000777", patient, "Анна", desk.now_ms)
        assert connection.execute(select(phone_link.c.patient_id)).scalars().all() == [2]


def test_a_lead_is_made_of_a_call_once_and_is_with_who_made_it(desk: Desk) -> None:
    desk.ring(STRANGER, utm=(("utm_source", "yandex"),))
    call = desk.corner()["cards"][0]["id"]
    for _click in range(2):
        desk.do("lead", call=call)
    (made,) = desk.rows(lead)
    assert (made.site, made.state, made.phone_e164, made.utm) == ("calls", "work", STRANGER, '{"source":"yandex"}')
    assert made.state_by.startswith("Анна")
    assert len(desk.rows(lead_event)) == 1
    assert [each.id for each in desk.corner()["cards"][0]["leads"]] == [made.id]


@pytest.mark.parametrize("form", [{}, {"call": 999, "patient": 1}, {"call": "x", "patient": "y"}])
def test_actions_on_no_call_say_so(desk: Desk, form: dict[str, object]) -> None:
    for action in ("link", "lead", "unlink"):
        with pytest.raises(IdentsyncError):
            desk.do(action, **form)


# -- our own clicks ---------------------------------------------------------------------------------------------------


def order(desk: Desk, state: str, **more: Any) -> None:
    from sqlalchemy import update

    with desk.store.write() as connection:
        connection.execute(update(outbox).values(state=state, changed_ms=desk.now_ms, **more))


@pytest.mark.parametrize(
    ("state", "more", "said"),
    [
        ("planned", {}, "передаём АТС"),
        ("submitting", {}, "звонит ваш телефон: снимите трубку"),
        ("accepted", {}, "звоним пациенту"),
        ("failed", {"reason": "занято"}, "занято"),
        ("unknown", {}, "неизвестно, состоялся ли звонок: посмотрите на АТС"),
    ],
)
def test_where_a_click_is_stands_in_words(desk: Desk, state: str, more: dict[str, Any], said: str) -> None:
    desk.do("dial", to=desk.people[0][1], nonce="n1", extension="101", line="pbx")
    order(desk, state, **more)
    (card,) = desk.corner()["cards"]
    assert (card["said"], card["direction"], card["callers"][0]["id"]) == (said, "out", desk.people[0][0])
    assert desk.corner("Борис")["cards"] == []
    desk.now_ms += 6 * MINUTE
    assert desk.corner()["cards"] == []


def test_a_click_and_its_call_are_one_card(desk: Desk) -> None:
    phone, token = desk.people[0][1], "a" * 32
    desk.do("dial", to=phone, nonce="n1", extension="101", line="pbx")
    order(desk, "accepted", token=token)
    desk.ring(phone, direction=Direction.OUT, state=State.TALKING, token=token, answered_ms=desk.now_ms)
    (card,) = desk.corner()["cards"]
    assert (card["said"], card["state"]) == ("говорите", "talking")


def test_a_first_click_says_which_phone_is_mine_and_every_later_one_knows(desk: Desk) -> None:
    with pytest.raises(IdentsyncError, match="с какого телефона"):
        desk.do("dial", to=STRANGER, nonce="n0")
    desk.do("dial", to=STRANGER, nonce="n1", extension="104", line="pbx")
    desk.do("dial", to=STRANGER, nonce="n1")  # a double click is one call
    assert len(desk.rows(outbox)) == 1
    assert desk.corner()["seat"].extension == "104"
    assert desk.corner("Борис")["seat"] is None
    with pytest.raises(IdentsyncError, match="уже звонят"):
        desk.do("dial", to=desk.people[0][1], nonce="n2")


@pytest.mark.parametrize("extension", ["", "10a", "1; DROP", "١٢", "1" * 21])
def test_an_extension_is_digits(desk: Desk, extension: str) -> None:
    with pytest.raises(IdentsyncError, match="цифрами"):
        desk.do("seat", extension=extension, line="pbx")


def test_leads_of_other_numbers_are_not_shown(desk: Desk) -> None:
    with desk.store.write() as connection:
        values = {"site": "s", "key": "k", "external_id": "1", "made_ms": 1, "received_ms": 1, "phone": "x"}
        connection.execute(insert(lead).values(**values, phone_e164=None, utm="{}"))
    desk.ring("")
    (card,) = desk.corner()["cards"]
    assert (card["leads"], card["past"], card["callers"]) == ([], [], [])
