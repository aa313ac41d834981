"""SMPP against a second independent server: npm's "smpp", run by node as a process of its own."""

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from identsync import errors
from identsync.flows.sending import Accepted, Fate, Receipt
from identsync.integrations.messaging.message import Message, Reply
from identsync.integrations.messaging.settings import Channel
from identsync.integrations.messaging.wire import smpp

PACKAGE = "smpp@0.5.1"
CACHE = Path(tempfile.gettempdir()) / f"identsync-npm-{PACKAGE.replace('@', '-')}"
LONG = "Уважаемая Анна Ильинична! 😀 " * 8


@pytest.fixture(scope="module")
def modules() -> Path:
    """Return the folder of node's modules, with the server in it."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("no node and npm here: the server of npm's smpp cannot be run")
    if not (CACHE / "node_modules" / "smpp").exists():
        with tempfile.TemporaryDirectory() as folder:
            command = [npm, "install", "--prefix", folder, "--no-audit", "--no-fund", "--silent", PACKAGE]
            try:
                subprocess.run(command, capture_output=True, timeout=60, check=True)
            except (OSError, subprocess.SubprocessError):
                pytest.skip(f"npm cannot fetch {PACKAGE} here")
            shutil.copytree(folder, CACHE, dirs_exist_ok=True)
    return CACHE / "node_modules"


class Peer:
    """The server and what it says."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.port = int(self._line())

    async def said(self, count: int) -> list[dict[str, Any]]:
        """Return the next messages it took, and what was acknowledged to it."""
        return [json.loads(await asyncio.to_thread(self._line)) for _each in range(count)]

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@pytest.fixture
def peer(modules: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    monkeypatch.setenv("TEST_SMPP", "secret")
    script = Path(__file__).with_name("smpp_peer.js")
    with subprocess.Popen(
        ["node", str(script)],
        env=os.environ | {"NODE_PATH": str(modules)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        yield Peer(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)


class Books:
    """What is handed over to be written down."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.replies: list[Reply] = []

    async def keep(self, receipts: Any) -> None:
        self.receipts += receipts

    async def reply(self, replies: Any) -> None:
        self.replies += replies


async def permit() -> None:
    return None


def gateway(port: int, books: Books, **fields: Any) -> Any:
    given = {"host": "127.0.0.1", "port": port, "user": "clinic", "password": "env:TEST_SMPP", "timeout": 20_000}
    return smpp.open(Channel(kind="smpp", **(given | fields)), permit, books.keep, books.reply)


def message(text: str, sender: str = "Clinic") -> Message:
    return Message(token="0" * 32, to="+79450000001", text=text, until_ms=4_000_000_000_000, sender=sender)


@pytest.mark.parametrize("sender", ["Clinic", "Early"])
async def test_a_message_its_receipt_and_the_acknowledgement(peer: Peer, sender: str) -> None:
    """'Early' gets its receipt before the response."""
    books = Books()
    async with gateway(peer.port, books) as opened:
        assert await opened.submit(message("Ждём вас {завтра} €", sender)) == Accepted("n-1", 1)
        taken, told = await peer.said(2)
    assert (taken["message"], taken["coding"], taken["to"]) == ("Ждём вас {завтра} €", 8, "79450000001")
    assert told == {"acknowledged": "n-1", "status": 0}
    assert [(each.fate, each.provider_id) for each in books.receipts] == [(Fate.DELIVERED, "n-1")]


@pytest.mark.parametrize("text", ["echo", "Your code is {1} [2] ~€^|\\"])
async def test_the_gsm_alphabet_is_read_by_others(peer: Peer, text: str) -> None:
    books = Books()
    async with gateway(peer.port, books) as opened:
        assert isinstance(await opened.submit(message(text)), Accepted)
        taken, *acknowledged = await peer.said(3 if text == "echo" else 2)
    assert {each["status"] for each in acknowledged} == {0}
    assert (taken["message"], taken["coding"]) == (text, 0)
    assert [reply.text for reply in books.replies] == (["Спасибо €"] if text == "echo" else [])


@pytest.mark.parametrize("concat", ["udh", "sar", "payload"])
async def test_a_long_message_is_put_together_again(peer: Peer, concat: str) -> None:
    books = Books()
    async with gateway(peer.port, books, concat=concat) as opened:
        verdict = await opened.submit(message(LONG))
        *taken, told = await peer.said(2 if concat == "payload" else verdict.parts + 1)
    if concat == "payload":
        assert taken[0]["payload"] == LONG
    else:
        assert "".join(each["message"] for each in taken) == LONG  # the parts went out in their order
    assert [each["id"] for each in taken if each["registered"]] == [verdict.provider_id]
    assert told == {"acknowledged": verdict.provider_id, "status": 0}
    assert [(each.fate, each.provider_id) for each in books.receipts] == [(Fate.DELIVERED, verdict.provider_id)]


async def test_a_wrong_password_is_for_a_person(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SMPP", "other")
    with pytest.raises(errors.Refused):
        async with gateway(peer.port, Books()):
            pass
