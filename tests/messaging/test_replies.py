"""Whose a reply is, where it says which message it answers, and that STOP reaches the address we had written to."""

import pytest
from sqlalchemy import select

from identsync.integrations.messaging import reasons
from identsync.integrations.messaging.message import Medium, Reply
from identsync.integrations.messaging.replies import take
from identsync.store.tables import message_reply, message_stop

from .small_clinic import ANNA, SmallClinic, at, small_clinic

clinic = small_clinic


@pytest.fixture
def written(clinic: SmallClinic) -> SmallClinic:
    """A mail has gone to Anna, and the next one is due."""
    text = clinic.template("Ждём вас", medium=Medium.EMAIL, subject="Приём")
    for before in (1440, 1200):
        clinic.rule(before, text)
    clinic.book(100, at(14, day=1))
    clinic.plan()
    clinic.now = at(14)
    clinic.send(Medium.EMAIL)
    clinic.now = at(18)
    return clinic


def answered(clinic: SmallClinic, text: str, sender: str = "work@elsewhere.example", token: str = "") -> list[str]:
    """Take a reply to Anna's mail; give the addresses that want nothing more."""
    token = token or next(row.token for row in clinic.rows() if row.token)
    clinic.write(take, "mail", Medium.EMAIL, [Reply("1", sender, text, 1, token)], 1)
    return sorted(clinic.read(lambda connection: connection.execute(select(message_stop.c.address)).scalars().all()))


def test_who_opts_out_from_another_address_gets_no_mail_at_his_own(written: SmallClinic) -> None:
    assert answered(written, "unsubscribe") == ["anna@example.com", "work@elsewhere.example"]
    assert [each.reason for each in written.decide(Medium.EMAIL)] == [reasons.STOPPED]


def test_an_answer_is_the_patient_s_whom_we_had_written_to(written: SmallClinic) -> None:
    assert answered(written, "Приду") == []
    (reply,) = written.read(lambda connection: connection.execute(select(message_reply)).all())
    assert (reply.patient_id, reply.sender) == (ANNA, "work@elsewhere.example")


def test_a_token_of_nobody_stops_nobody_else(written: SmallClinic) -> None:
    assert answered(written, "стоп", token="0" * 32) == ["work@elsewhere.example"]
    (reply,) = written.read(lambda connection: connection.execute(select(message_reply)).all())
    assert reply.patient_id is None
