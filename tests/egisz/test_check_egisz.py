"""``identsync check`` of the room: what it says before anything is sent."""

from types import SimpleNamespace

from sqlalchemy import create_engine

from identsync.clinic.contract import contract
from identsync.clinic.contract_cases import RELATIONS
from identsync.clinic.source import ClinicSource
from identsync.demo.n3.process import N3Process
from identsync.demo.n3_terms.process import TermsProcess
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
        assert await check({"one": n3_desk.organisation(cloud.url, terms=service.url)}, context) == []
    [problem] = await check({"one": n3_desk.organisation(n3_desk.FREE)}, context)
    assert problem.where == "egisz.one"
    engine.dispose()


async def test_relations_of_cases_are_asked_for(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    problems = await check({}, SimpleNamespace(clinic=ClinicSource(engine)))
    assert [problem.where for problem in problems] == [table.name for table in RELATIONS]
    engine.dispose()
