"""Megafon's traps: no pages, logins in the place of extensions, links that want the key and must not carry it away."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from identsync import errors
from identsync.demo.cloudpbx.process import CloudProcess
from identsync.demo.cloudpbx.sound import tone
from identsync.flows.sending import Accepted
from identsync.integrations.telephony.call import Call, Direction, Reason, State
from identsync.integrations.telephony.wire.megafon import call_from

from .clouds2_lines import cloud_process, clouds, command, extensions, history, line, run, window

__all__ = ["cloud_process", "clouds"]  # fixtures


class Elsewhere(BaseHTTPRequestHandler):
    """A store of recordings at another address; it keeps the headers of whoever asks."""

    heard: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        self.heard.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(200)
        self.send_header("Content-Type", "audio/wav")
        self.end_headers()
        self.wfile.write(tone(1))

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    Elsewhere.heard.clear()
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_key_goes_to_the_pbx_and_nowhere_else(clouds: CloudProcess, elsewhere: str) -> None:
    audio = run(line(clouds, "megafon"), lambda exchange: exchange.recording(f"{elsewhere}/r.wav"))
    assert audio.content == tone(1)
    [asked] = Elsewhere.heard
    assert "x-api-key" not in asked
    assert not any("demo-pbx-key" in value for value in asked.values())


def test_a_link_that_is_none_is_not_followed(clouds: CloudProcess) -> None:
    for link in ("file:///etc/passwd", "", "записи нет"):
        with pytest.raises(errors.Unexpected):
            run(line(clouds, "megafon"), lambda exchange, link=link: exchange.recording(link))


def test_an_answer_that_may_have_been_cut_is_asked_again_in_halves(clouds: CloudProcess) -> None:
    """The journal knows no pages; this one gives a hundred calls at most, the newest first."""
    clouds.options(limits={"megafon": 100})
    for number in range(230):
        clouds.finished("megafon", ago=3_000 - number * 10, talk=3, phone=f"+7916{number:07}")
    calls = history(line(clouds, "megafon"), window(hours=1), limit=50)
    assert len(calls) == 230
    assert len({call.key for call in calls}) == 230


def test_the_address_may_be_the_cabinets_alone(clouds: CloudProcess) -> None:
    assert clouds.url("megafon").endswith("/megafon")
    run(line(clouds, "megafon"), lambda exchange: exchange.check())
    run(line(clouds, "megafon", url=f"{clouds.url('megafon')}/crmapi/v1"), lambda exchange: exchange.check())


def test_logins_are_told_as_extensions_with_names(clouds: CloudProcess) -> None:
    clouds.finished("megafon", ago=600, rang=["103"])
    [call] = history(line(clouds, "megafon"))
    assert [(each.extension, each.name) for each in call.talked] == [("103", "Зимин Егор")]


def test_a_login_does_for_a_click(clouds: CloudProcess) -> None:
    verdict = run(line(clouds, "megafon"), lambda exchange: exchange.dial(command("user102")))
    assert isinstance(verdict, Accepted)
    assert verdict.provider_id.startswith("mf-")
    assert clouds.dialled()[0]["extension"] == "102"


def test_what_became_of_a_missed_call_is_told(clouds: CloudProcess) -> None:
    for ago, called_back in ((900, True), (600, False), (300, None)):
        clouds.finished("megafon", ago=ago, talk=None, called_back=called_back, phone=f"+7916000{ago}")
    assert [call.calls_back for call in history(line(clouds, "megafon"))] == [True, False, None]


def test_a_recording_still_being_written_is_asked_for_in_a_minute(clouds: CloudProcess) -> None:
    clouds.finished("megafon", ago=60, recorded=True, ready_in=600)
    [call] = history(line(clouds, "megafon"))
    with pytest.raises(errors.Unavailable) as caught:
        run(line(clouds, "megafon"), lambda exchange: exchange.recording(call.recordings[0]))
    assert caught.value.after_ms == 60_000


def row(**how: Any) -> dict[str, Any]:
    usual = {"uid": "1", "type": "in", "status": "Success", "client": "79161112233", "start": "2026-01-02T03:04:05Z"}
    return usual | {"wait": 7, "duration": "60", "user": "vera"} | how


def told(*rows: dict[str, Any]) -> Call:
    call = call_from(list(rows))
    assert isinstance(call, Call)
    return call


def test_waiting_and_talking_are_told_apart() -> None:
    call = told(row())
    assert call.answered_ms == call.start_ms + 7_000
    assert call.ended_ms == call.start_ms + 67_000


def test_rows_of_one_uid_are_one_call() -> None:
    call = told(row(status="Missed", duration=0, user="vera"), row(user="olga"))
    assert (call.state, call.reason) == (State.ANSWERED, Reason.NONE)
    assert extensions(call.rang) == ["vera", "olga"]
    assert extensions(call.talked) == ["olga"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("Missed", Reason.NO_ANSWER),
        ("missed", Reason.NO_ANSWER),
        ("Cancel", Reason.CANCELLED),
        ("Busy", Reason.BUSY),
        ("NotAvailable", Reason.FAILED),
        ("not_found", Reason.FAILED),
        ("Новое", Reason.NONE),
    ],
)
def test_why_nobody_talked(status: str, reason: Reason) -> None:
    call = told(row(status=status, duration=0))
    assert (call.state, call.reason) == (State.MISSED, reason)


def test_an_unknown_type_and_a_broken_link_do_not_cost_the_row() -> None:
    call = told(row(type="странный", record="ftp://x/1.mp3", rating=[], wait=None))
    assert call.direction is Direction.IN
    assert call.recordings == ()
