"""The worklist on the page: who waits, who works on it, how it ends, and who was first."""

from typing import Any

import pytest

from identsync.errors import AskPerson
from identsync.integrations.telephony import page_missed
from identsync.store.tables import outbox, phone_dial

from .calls import MINUTE
from .desk import Desk, calls_clinic, desk_of_a_day

desk = desk_of_a_day
__all__ = ["calls_clinic", "desk"]


def groups(shown: dict[str, Any]) -> dict[str, list[str]]:
    return {group.name: [row["phone_key"] for row in group.rows] for group in shown["groups"]}


def test_people_stand_under_what_was_done_for_them_the_longest_wait_first(desk: Desk) -> None:
    keys = [person[1][-10:] for person in desk.people]
    shown = desk.view()
    assert groups(shown) == {
        "waiting": [keys[0], keys[5], "9450000777", keys[2]],
        "tried": [keys[3]],
        "taken": [keys[4]],
        "done": [keys[6], keys[7], keys[8]],
    }
    assert shown["waiting"] == 6
    first = shown["groups"][0].rows[0]
    assert (first["calls"], first["waited_ms"]) == (3, 95 * MINUTE)
    assert shown["people"][desk.people[0][0]] == desk.clinic.patient_name(desk.people[0][0])


def test_of_very_many_the_last_ones_are_shown_and_all_are_counted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for years is never forgotten; he must not keep those of today from the page."""
    monkeypatch.setattr(page_missed, "SHOWN", 2)
    keys = [person[1][-10:] for person in desk.people]
    shown = desk.view()
    waiting = shown["groups"][0]
    assert ([row["phone_key"] for row in waiting.rows], waiting.total) == (["9450000777", keys[2]], 4)
    assert (shown["waiting"], shown["more"]) == (6, 8)
    assert (groups(desk.view(show=8))["waiting"][0], desk.view(show=8)["more"]) == (keys[0], None)


def test_what_i_work_on_stands_first(desk: Desk) -> None:
    mine = desk.entry(desk.people[2][1])
    desk.do("take", id=mine.id)
    assert groups(desk.view())["taken"][0] == mine.phone_key


def test_the_menu_counts_whom_nobody_has_taken_and_a_line_that_is_not_heard(desk: Desk) -> None:
    from .desk import PAGE

    assert PAGE.attention is not None
    before = PAGE.attention(desk.context())
    desk.do("take", id=desk.entry(desk.people[0][1]).id)
    assert (before, PAGE.attention(desk.context())) == (5 + 1, 4 + 1)


def test_time_waits_only_while_somebody_could_answer(desk: Desk) -> None:
    desk.settings = {"pbx": Shut()}
    row = desk.view()["groups"][0].rows[0]
    assert (row["waited_ms"], row["open_now"]) == (0, False)


class Shut:
    kind, title, branch, open_minutes = "mango", "", 0, (0, 0)


def test_what_is_taken_is_mine_and_a_colleague_who_comes_second_sees_who_was_first(desk: Desk) -> None:
    entry, version = desk.entry(desk.people[0][1]).id, desk.version()
    assert desk.do("take", id=entry)
    assert desk.version() != version
    with pytest.raises(AskPerson, match="Анна"):
        desk.do("take", "Борис", id=entry)
    with pytest.raises(AskPerson, match="Анна"):
        desk.do("close", "Борис", id=entry, outcome="booked")
    with pytest.raises(AskPerson, match="Анна"):
        desk.do("dial", "Борис", to=desk.people[0][1], missed=entry, nonce="n", extension="102", line="pbx")
    assert desk.rows(outbox) == []
    assert groups(desk.view())["taken"][0] == desk.people[0][1][-10:]
    assert desk.view("Борис")["groups"][-2].rows[0]["mine"] is False
    desk.do("leave", id=entry)
    assert desk.do("take", "Борис", id=entry)


def test_a_click_takes_the_entry_and_knows_the_patient(desk: Desk) -> None:
    patient, phone, _surname = desk.people[0]
    entry = desk.entry(phone)
    desk.do("dial", to=phone, missed=entry.id, patient=patient, nonce="n1", extension="101", line="pbx")
    (dialled,) = desk.rows(phone_dial)
    assert (dialled.missed_id, dialled.patient_id, dialled.extension) == (entry.id, patient, "101")
    assert desk.entry(phone).taken_by.startswith("Анна")


def test_an_outcome_closes_it_with_a_note_and_it_stands_in_its_history(desk: Desk) -> None:
    entry = desk.entry(desk.people[2][1]).id
    desk.do("note", id=entry, note="спрашивал про коронку")
    assert desk.do("close", id=entry, outcome="refused") == "Решено: отказ"
    shown = desk.view(missed=entry)
    assert [event.what for event in shown["one"]["history"]] == ["closed", "note", "missed"]
    assert (shown["one"]["note"], shown["one"]["outcome"]) == ("спрашивал про коронку", "refused")
    with pytest.raises(AskPerson, match="Анна"):
        desk.do("close", "Борис", id=entry, outcome="booked")


def test_who_calls_again_and_is_answered_leaves_the_list_by_itself(desk: Desk) -> None:
    phone = desk.people[2][1]
    desk.hang_up(desk.answer(desk.ring(phone)))
    assert phone[-10:] in groups(desk.view())["done"]
    with pytest.raises(AskPerson, match="уже поговорили"):
        desk.do("take", id=desk.entry(phone).id)


def test_a_branch_sees_its_own_and_the_networks_and_all_when_it_asks(desk: Desk) -> None:
    phone = desk.people[50][1]
    desk.hang_up(desk.ring(phone, "u9", line="uis"))
    desk.branch = 1
    assert phone[-10:] not in groups(desk.view())["waiting"]
    assert phone[-10:] in groups(desk.view(all=1))["waiting"]
    desk.branch = 2
    assert phone[-10:] in groups(desk.view())["waiting"]


@pytest.mark.parametrize(
    "form", [{}, {"id": "x"}, {"id": 10**20, "outcome": "booked"}, {"id": 1, "outcome": "nonsense"}]
)
def test_what_makes_no_sense_changes_nothing(desk: Desk, form: dict[str, object]) -> None:
    before = desk.version()
    with pytest.raises(AskPerson):
        desk.do("close", **form)
    assert desk.view(missed="9" * 30, tab="nonsense", all="?")["one"] is None
    assert desk.version() == before
