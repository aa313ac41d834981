"""Answers lost, broken and forged: what has arrived is never called refused, and the same key resolves it."""

import random

import pytest

from identsync import errors
from identsync.demo.n3 import soap
from identsync.demo.n3.process import N3Process
from identsync.integrations.egisz.case import Fate
from identsync.integrations.egisz.wire import n3 as wire
from identsync.integrations.egisz.wire.contract_forms import Unfit

from . import n3_desk
from .n3_desk import case, contract, document, line, organisation, patient, permitted

n3_process, cloud = n3_desk.n3_process, n3_desk.cloud

BROKEN = {
    "lose": {},
    "hang": {},
    "cut": {},
    "half": {},
    "bomb": {},
    "extra": {},
    "other": {},
    "html": {"status": 200},
    "fail": {"status": 500, "taken": True},
    "say": {"status": 202, "taken": True},
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_lost_answer_is_resolved_by_the_same_key(cloud: N3Process, kind: str) -> None:
    async with line(cloud, timeout=1_000) as n3:
        one = case(patient())
        await n3.add_patient(one.patient)
        cloud.fault(kind, operation="AddCase", **BROKEN[kind])
        lost = await n3.add_case(one)
        assert lost.fate is Fate.LOST
        assert lost.words
        assert (await n3.add_case(one)).fate is Fate.THERE
        assert (await n3.update_case(one)).fate is Fate.TAKEN
    assert [each["operations"] for each in cloud.cases()] == [["AddCase", "UpdateCase"]]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_web_page_instead_of_an_answer_leaves_it_open(cloud: N3Process, status: int) -> None:
    cloud.fault("html", status=status)
    async with line(cloud) as n3:
        reply = await n3.add_patient(patient())
    assert reply.fate is Fate.LOST
    assert str(status) in reply.words
    assert "502 Bad Gateway" in reply.answer


@pytest.mark.parametrize("status", [202, 500])
async def test_a_success_that_http_does_not_confirm_is_none(cloud: N3Process, status: int) -> None:
    cloud.fault("say", status=status, body=soap.success("AddPatient").decode())
    async with line(cloud) as n3:
        assert (await n3.add_patient(patient())).fate is Fate.LOST


@pytest.mark.parametrize(("status", "after", "after_ms"), [(429, 7, 7_000), (429, None, None), (503, 90, 90_000)])
async def test_a_server_that_asks_for_patience_gets_it(
    cloud: N3Process, status: int, after: int | None, after_ms: int | None
) -> None:
    cloud.fault("fail", status=status, after=after)
    async with line(cloud) as n3:
        reply = await n3.add_patient(patient())
    assert (reply.fate, reply.after_ms) == (Fate.LATER, after_ms)
    assert cloud.patients() == []


async def test_no_connection_is_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_N3", "token")
    async with wire.open(organisation(), contract(), permitted) as n3:
        reply = await n3.add_patient(patient())
    assert reply.fate is Fate.LATER
    assert "AddPatient" in reply.request


@pytest.mark.parametrize("status", [301, 302, 307, 404, 405, 407, 415])
async def test_a_wrong_address_is_told_and_is_nothing_of_the_cases(cloud: N3Process, status: int) -> None:
    cloud.fault("fail", status=status)
    async with line(cloud) as n3:
        with pytest.raises(errors.AskPerson, match=str(status)):
            await n3.add_patient(patient())


@pytest.mark.parametrize("status", [400, 413])
async def test_a_body_that_http_does_not_take_is_refused(cloud: N3Process, status: int) -> None:
    cloud.fault("fail", status=status)
    async with line(cloud) as n3:
        reply = await n3.add_patient(patient())
    assert (reply.fate, reply.complaints[0].code) == (Fate.REFUSED, f"HTTP {status}")


async def test_a_document_goes_by_the_patients_key_and_nothing_that_n3_says_of_him_is_kept(cloud: N3Process) -> None:
    one = patient()
    cloud.fault("say", operation="AddMedRecord", status=500, body="Лапина Дарья, тел. 89160000002: нет документа")
    async with line(cloud) as n3:
        reply = await n3.add_document(one, document())
    assert reply.answer == "*** ***, тел. ***: нет документа"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_closed_door_asks_a_person(cloud: N3Process, status: int) -> None:
    cloud.fault("say", status=status, body="Лапина: no access")
    async with line(cloud) as n3:
        with pytest.raises(errors.Refused) as caught:
            await n3.add_patient(patient())
    assert caught.value.raw == "***: no access"


@pytest.mark.parametrize("width", [1, 2])
async def test_a_warning_is_taken_and_told(cloud: N3Process, width: int) -> None:
    cloud.fault("warn", operation="AddCase", width=width)
    async with line(cloud) as n3:
        one = case(patient())
        await n3.add_patient(one.patient)
        reply = await n3.add_case(one)
    assert reply.fate is Fate.WARNED
    assert [(each.code, each.words) for each in reply.complaints] == [("2135", "Есть PDF, нет TXT")]
    assert len(cloud.cases()) == 1


async def test_an_unknown_code_is_told_as_it_is(cloud: N3Process) -> None:
    cloud.fault("refuse", code="Z-77/б")
    async with line(cloud) as n3:
        reply = await n3.add_patient(patient())
    assert (reply.fate, reply.complaints[0].code, reply.complaints[0].words) == (Fate.REFUSED, "Z-77/б", "как велено")


@pytest.mark.parametrize(("code", "fate"), [("23", Fate.THERE), ("31", Fate.REFUSED)])
async def test_a_code_says_that_it_arrived_only_where_it_belongs(cloud: N3Process, code: str, fate: Fate) -> None:
    cloud.fault("refuse", code=code)
    async with line(cloud) as n3:
        assert (await n3.add_patient(patient())).fate is fate


async def test_an_endless_refusal_is_a_refusal(cloud: N3Process) -> None:
    cloud.fault("tree", width=30_000, depth=1)  # ten megabytes: more than is ever read
    async with line(cloud, timeout=60_000) as n3:
        reply = await n3.add_patient(patient())
    assert reply.fate is Fate.REFUSED
    assert len(reply.complaints) == 200
    assert len(reply.answer) <= 65_536


async def test_each_request_asks_for_its_permit_and_none_is_sent_without(cloud: N3Process) -> None:
    asked = []

    async def denied() -> None:
        asked.append(1)
        raise errors.Limited("not now", after_ms=5)

    async with wire.open(organisation(cloud.url), contract(), denied) as n3:
        with pytest.raises(errors.Limited):
            await n3.add_patient(patient())
    assert asked == [1]
    assert cloud.requests() == []


async def test_what_does_not_fit_is_not_sent(cloud: N3Process) -> None:
    async with line(cloud) as n3:
        with pytest.raises(Unfit):
            await n3.add_document(patient(), document(kind=316))
    assert cloud.requests() == []


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_under_fire_every_case_is_there_once_and_as_it_is(cloud: N3Process, seed: int) -> None:
    """The protocol of a resend: the same key again until N3 has it; where it was there, its content after it."""
    rng = random.Random(seed)
    kinds = ["lose", "cut", "half", "bomb", "extra", "other", "warn", "html", "refuse"]
    for _fault in range(60):
        kind = rng.choice(kinds)
        cloud.fault(kind, skip=rng.randrange(60), taken=None if kind != "html" else rng.random() < 0.5)
    done = {Fate.TAKEN, Fate.WARNED}
    cases = [case(patient(), conclusion=f"итог {at}") for at in range(25)]
    async with line(cloud) as n3:
        for one in cases:
            while (reply := await n3.add_patient(one.patient)).fate not in {*done, Fate.THERE}:
                assert reply.fate in {Fate.LOST, Fate.REFUSED}
            while (reply := await n3.add_case(one)).fate not in {*done, Fate.THERE}:
                assert reply.fate in {Fate.LOST, Fate.REFUSED}
            while reply.fate is not Fate.TAKEN:
                reply = await n3.update_case(one)
    assert {each["id"]: each["content"]["Comment"] for each in cloud.cases()} == {
        each.id: each.conclusion for each in cases
    }
    assert all(each["operations"].count("AddCase") == 1 for each in cloud.cases())
    assert all(each["operations"].count("AddPatient") == 1 for each in cloud.patients())
