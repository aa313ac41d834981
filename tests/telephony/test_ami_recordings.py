"""Recordings of an Asterisk: found by the day and the file's name, and never outside the folder."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from identsync import errors
from identsync.demo.pbx.peer import KEY
from identsync.demo.pbx.process import PbxProcess
from identsync.integrations.telephony.call import State
from identsync.integrations.telephony.wire import ami_recording, asterisk

from .ami_street import SECRET, Listening, done, line, permit

START_MS = int(datetime.fromisoformat("2026-11-28T12:00:00").timestamp() * 1000)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/spool/asterisk/monitor/2026/10/05/in-7495-7916-1.wav", "20261005/in-7495-7916-1.wav"),
        ("ident-c2c-1.wav", "20261128/ident-c2c-1.wav"),
        ("C:\\monitor\\2026\\10\\05\\a b.mp3", "20261005/a b.mp3"),
        ("/var/monitor/../../etc/passwd", ""),
        ("/var/monitor/.wav", ""),
        ("/var/monitor/..", ""),
        ("/var/monitor/x:y.wav", ""),
        ("/var/monitor/", ""),
        ("", ""),
    ],
)
def test_what_asterisk_says_of_its_file_becomes_a_reference(path: str, expected: str) -> None:
    assert ami_recording.reference(path, START_MS) == expected


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    day = tmp_path / "monitor" / "2026" / "10" / "05"
    day.mkdir(parents=True)
    (day / "a b.wav").write_bytes(b"RIFF")
    (day / "packed.mp3").write_bytes(b"ID3")
    (tmp_path / "secret.wav").write_bytes(b"secret")
    return tmp_path


@pytest.fixture(params=["folder", "http"])
def template(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    rest = "{yyyy}/{mm}/{dd}/{file}"
    if request.param == "folder":
        yield f"{folder}/monitor/{rest}"
        return
    handler = partial(Silent, directory=str(folder / "monitor"))
    with served(handler) as address:
        yield f"{address}/{rest}"


@contextmanager
def served(handler: Callable[..., SimpleHTTPRequestHandler]) -> Iterator[str]:
    """Serve on 127.0.0.1 for a while; yield the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Silent(SimpleHTTPRequestHandler):
    """A web server over the folder."""

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


async def test_a_recording_is_read_and_so_is_what_was_compressed_later(template: str) -> None:
    audio = await ami_recording.fetch(template, "20261005/a b.wav")
    assert (audio.media_type, audio.content) == ("audio/wav", b"RIFF")
    audio = await ami_recording.fetch(template, "20261005/packed.wav")
    assert (audio.media_type, audio.content) == ("audio/mpeg", b"ID3")


async def test_what_is_not_there_is_gone_and_todays_is_not_ready_yet(template: str) -> None:
    with pytest.raises(errors.Unexpected):
        await ami_recording.fetch(template, "20261005/none.wav")
    with pytest.raises(errors.Unavailable) as caught:
        await ami_recording.fetch(template, f"{datetime.now().astimezone():%Y%m%d}/none.wav")
    assert caught.value.after_ms == 60_000


@pytest.mark.parametrize("template", ["http"], indirect=True)
async def test_a_page_that_asks_to_log_in_is_no_recording(template: str, folder: Path) -> None:
    """FreePBX answers so where nobody has logged in; it would be kept, and played, as noise."""
    page = b"\n<!DOCTYPE html><html><body>Login</body></html>"
    (folder / "monitor" / "2026" / "10" / "05" / "page.wav").write_bytes(page)
    with pytest.raises(errors.Unexpected):
        await ami_recording.fetch(template, "20261005/page.wav")


@pytest.mark.parametrize(
    "asked",
    [
        "20261005/../../../secret.wav",
        "../secret.wav",
        "secret.wav",
        "20261005/..\\x.wav",
        "20261005/a b.txt",
        "20261005/\0.wav",
    ],
)
async def test_no_path_leaves_the_folder(template: str, asked: str) -> None:
    with pytest.raises(errors.Unexpected):
        await ami_recording.fetch(template, asked)


@pytest.mark.skipif(sys.platform == "win32", reason="a link needs an administrator on Windows")
async def test_no_link_leads_out_of_the_folder(folder: Path) -> None:
    (folder / "monitor" / "2026" / "10" / "05" / "link.wav").symlink_to(folder / "secret.wav")
    with pytest.raises(errors.Unexpected):
        await ami_recording.fetch(f"{folder}/monitor/{{yyyy}}/{{mm}}/{{dd}}/{{file}}", "20261005/link.wav")


async def test_a_folder_that_cannot_be_reached_is_tried_later(tmp_path: Path) -> None:
    with pytest.raises(errors.Unavailable):
        await ami_recording.fetch(f"{tmp_path}/away/share/{{file}}", "20261005/a.wav")


async def test_a_line_without_a_place_for_recordings_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.Unexpected, match="recordings"):
        await asterisk.open(line(1), permit).recording("20261005/a.wav")


async def test_the_recording_of_a_call_is_found_and_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, KEY)
    with PbxProcess("--recordings", str(tmp_path)) as pbx:
        settings = line(pbx.ami, recordings=f"{tmp_path}/{{yyyy}}/{{mm}}/{{dd}}/{{file}}")
        async with Listening(settings) as listening:
            key = await done(pbx.call, "79161234567", ["101"])
            await done(pbx.answer, key, "101")
            call = await listening.ear.call(key, lambda call: call.recordings)
            await done(pbx.hang_up, key)
            call = await listening.ear.call(key, lambda call: call.state is State.ANSWERED)
            audio = await listening.exchange.recording(call.recordings[0])
    assert audio.media_type == "audio/wav"
    assert audio.content.startswith(b"RIFF")


async def test_the_recording_of_a_call_that_was_there_before_us_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, KEY)
    with PbxProcess() as pbx:
        key = await done(pbx.call, "79161234567", ["101"])
        await done(pbx.answer, key, "101")
        async with Listening(line(pbx.ami)) as listening:
            call = await listening.ear.call(key, lambda call: call.recordings)
    assert call.recordings[0].endswith(f"{key}.wav")


class Hostile(Silent):
    """A web server that answers for recordings with something else."""

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if name.startswith("moved"):
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "audio/wav")
        self.end_headers()
        with suppress(OSError):  # whoever listens has had enough
            while True:
                self.wfile.write(b"RIFF" * 16_384)


@pytest.fixture
def hostile() -> Iterator[str]:
    with served(Hostile) as address:
        yield f"{address}/{{file}}"


async def test_a_recording_without_an_end_is_given_up(hostile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ami_recording, "LARGEST", 1_000_000)
    with pytest.raises(errors.Unexpected):
        await ami_recording.fetch(hostile, "20261005/endless.wav")


async def test_a_recording_that_leads_to_a_file_of_this_computer_is_none(hostile: str) -> None:
    with pytest.raises(errors.IdentsyncError) as caught:
        await ami_recording.fetch(hostile, "20261005/moved.wav")
    assert "root:" not in caught.value.raw
