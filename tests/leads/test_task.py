"""The whole way of a lead: the strict site in its process, HTTP, the flow, the desk; and all a site can do wrong."""

import asyncio
import dataclasses

import pytest
from msgspec.structs import replace
from sqlalchemy import delete, update

from identsync.demo.site.people import TRAPS
from identsync.demo.site.process import SiteProcess
from identsync.engine.integration import Status
from identsync.integrations.leads import INTEGRATION
from identsync.integrations.leads.wire import key_of
from identsync.store.tables import intake_cursor, lead

from .conftest import Desk


def test_every_lead_of_the_site_is_here_once(desk: Desk, site: SiteProcess) -> None:
    for trap in TRAPS:
        site.make(3, trap)
    site.make(600)
    first = desk.go()
    assert first.status is Status.OK
    assert first.counts["new"] == 600 + 3 * len(TRAPS)
    assert desk.go().counts["new"] == 0
    assert {row.key for row in desk.leads()} == {key_of(made["id"]) for made in site.leads()}
    assert sum(row.phone.startswith("+8") and row.phone_e164 is None for row in desk.leads()) >= 3


def test_a_table_that_got_another_name_brings_no_lead_a_second_time(desk: Desk, site: SiteProcess) -> None:
    """The desk would call everybody again; another site's lead with the same Id is another lead."""
    site.make(5)
    desk.settings = {"old": desk.settings["site"]}
    assert desk.go("leads/old").counts["new"] == 5
    strange = desk.leads()[0]
    with desk.store.write() as connection:
        connection.execute(update(lead).where(lead.c.id == strange.id).values(phone="+7 000"))
    site.make(1)
    desk.settings = {"site": desk.settings["old"]}
    assert desk.go().counts["new"] == 2
    assert {row.key for row in desk.leads() if row.site == "site"} > {strange.key}
    desk.settings = {**desk.settings, "old": desk.settings["site"]}
    assert [desk.go(f"leads/{name}").counts["new"] for name in ("site", "old")] == [0, 0]


def test_a_first_window_that_was_broken_off_is_asked_again(desk: Desk, site: SiteProcess) -> None:
    """Its pages are written, and there is no cursor yet that would name the site."""
    site.make(3)
    desk.go()
    with desk.store.write() as connection:
        connection.execute(delete(intake_cursor))
    assert desk.go().counts["new"] == 0


def test_a_lead_is_linked_to_its_patient(desk: Desk, site: SiteProcess) -> None:
    number, phone = desk.patient()
    row = {"Id": "known", "DateAndTime": "2026-11-20T10:00:00+03:00", "ClientPhone": phone}
    site.ask("POST", "rows", [row])
    desk.go()
    (one,) = desk.leads()
    assert (one.patient_id, one.patients) == (number, 1)
    names = desk.view(lead=str(one.id))["lead"]["patient_names"]
    assert names == [(number, desk.clinic.patient_name(number))]


def test_bad_rows_wait_for_a_person_and_cost_nobody(desk: Desk, site: SiteProcess) -> None:
    site.make(2)
    site.ask("POST", "rows", [{"Id": None, "ClientPhone": "x"}, "text", None])
    assert desk.go().status is Status.PARTIAL
    assert len(desk.leads()) == 2
    assert len(desk.rejects()) == 3
    bad = desk.view(state="bad")["bad"]
    assert any("нет обязательного поля DateAndTime" in map(str, row["flaws"]) for row in bad)
    desk.do("dismiss", id=bad[0]["id"])
    assert len(desk.view(state="bad")["bad"]) == 2


@pytest.mark.parametrize(
    ("kind", "how", "status"),
    [
        ("html", {}, Status.FAILED),
        ("half", {}, Status.FAILED),
        ("null", {}, Status.FAILED),
        ("object", {}, Status.FAILED),
        ("redirect", {"status": 301}, Status.FAILED),
        ("fail", {"status": 503}, Status.LATER),
        ("lose", {}, Status.LATER),
        ("drop", {}, Status.LATER),
        ("cut", {}, Status.LATER),
        ("slow", {"seconds": 30}, Status.LATER),
        ("endless", {}, Status.FAILED),
    ],
)
def test_a_site_that_misbehaves_loses_nothing(
    desk: Desk, site: SiteProcess, kind: str, how: dict[str, object], status: Status
) -> None:
    site.make(5)
    site.fault(kind, times=None, **how)
    usual = desk.settings
    if kind == "slow":  # the others have their answer, however slow this computer is
        desk.settings = {"site": replace(usual["site"], timeout=1_000)}
    assert desk.go().status is status
    desk.settings = usual
    assert desk.notes()[-1]
    assert "Traceback" not in desk.notes()[-1]
    assert site.key not in desk.notes()[-1]
    site.behave()
    assert desk.go().counts["new"] == 5
    assert len(desk.leads()) == 5


def test_a_redirect_307_is_followed(desk: Desk, site: SiteProcess) -> None:
    site.make(2)
    site.fault("redirect", status=307)
    assert desk.go().counts["new"] == 2


def test_a_wrong_key_asks_a_person(desk: Desk, site: SiteProcess) -> None:
    site.options(key="another")
    assert desk.go().status is Status.ASK


def test_check_says_what_is_wrong(desk: Desk, site: SiteProcess) -> None:
    assert INTEGRATION.check is not None
    assert asyncio.run(INTEGRATION.check(desk.settings, desk.context())) == []
    site.fault("html", times=None)
    (problem,) = asyncio.run(INTEGRATION.check(desk.settings, desk.context()))
    assert problem.where == "leads.site"


def test_check_names_a_branch_that_the_clinic_does_not_have(desk: Desk, site: SiteProcess) -> None:
    """No client would take such a task, ever: the site's leads would wait unseen."""
    assert INTEGRATION.check is not None
    wrong = {"site": replace(desk.settings["site"], branch=77)}
    (problem,) = asyncio.run(INTEGRATION.check(wrong, desk.context()))
    assert (problem.where, "77" in problem.what) == ("leads.site", True)
    without = dataclasses.replace(desk.context(), clinic=None)  # its database is not there, which is told already
    assert asyncio.run(INTEGRATION.check({"site": replace(desk.settings["site"], branch=1)}, without)) == []


def test_check_names_a_site_that_is_asked_under_two_names(desk: Desk, site: SiteProcess) -> None:
    assert INTEGRATION.check is not None
    usual = desk.settings["site"]
    (problem,) = asyncio.run(INTEGRATION.check({"one": usual, "two": usual}, desk.context()))
    assert (problem.where, "leads.one" in problem.what) == ("leads.two", True)
