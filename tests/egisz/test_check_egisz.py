"""``identsync check`` of the room: what it says before anything is sent."""

from types import SimpleNamespace

from sqlalchemy import create_engine

from identsync.clinic.contract import contract
from identsync.clinic.contract_cases import RELATIONS
from identsync.clinic.source import ClinicSource
from identsync.demo.n3.desk import LPU
from identsync.demo.n3.process import N3Process
from identsync.demo.n3_terms.editions import FRMO_NAME
from identsync.demo.n3_terms.process import TermsProcess
from identsync.integrations.egisz import reference
from identsync.integrations.egisz.check import check

from . import n3_desk

n3_process, cloud = n3_desk.n3_process, n3_desk.cloud


async def test_a_good_organisation_has_no_problem_and_a_wrong_address_has_one(
    cloud: N3Process, sqlite_url: str
) -> None:
    engine = create_engine(sqlite_url)
    contract.create_all(engine)
    with TermsProcess() as service:
        context = SimpleNamespace(clinic=ClinicSource(engine))
        good = n3_desk.organisation(cloud.url, terms=service.url, frmo_name=FRMO_NAME)
        service.publish(reference.ORGANISATION[0], {LPU.upper(): FRMO_NAME})
        assert await check({"one": good}, context) == []
    [problem] = await check({"one": n3_desk.organisation(n3_desk.FREE)}, context)
    assert problem.where == "egisz.one"
    engine.dispose()


async def test_an_organisation_that_n3_knows_otherwise_is_a_problem(cloud: N3Process) -> None:
    context = SimpleNamespace(clinic=None)
    with TermsProcess() as service:
        wrong = n3_desk.organisation(cloud.url, terms=service.url, frmo_name="ООО Ромашка")
        [unknown] = await check({"one": wrong}, context)
        assert unknown.where == "egisz.one.lpu"
        service.publish(reference.ORGANISATION[0], {LPU: FRMO_NAME})
        [other] = await check({"one": wrong}, context)
    assert other.where == "egisz.one.frmo_name"
    assert FRMO_NAME in other.what
    assert "ФРМО" in other.hint


async def test_relations_of_cases_are_asked_for(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    problems = await check({}, SimpleNamespace(clinic=ClinicSource(engine)))
    assert [problem.where for problem in problems] == [table.name for table in RELATIONS]
    engine.dispose()
