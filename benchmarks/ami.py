"""Asterisk's events: read and made into calls, in memory and over a socket, and what a million of them leaves behind.

The stream is a real ring group of two phones, over and over with ids of its own, as an account with the classes
``call,system`` gets it. Beside it a plain reader that splits every message into a dict and knows nothing of calls, and
the floor: the bytes received and their messages counted.
"""

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.harness import OURS, Result, Work, measure
from identsync.engine.loops import new_loop
from identsync.errors import Unavailable
from identsync.integrations.telephony.call import Call
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import asterisk
from identsync.integrations.telephony.wire.ami import Messages
from identsync.integrations.telephony.wire.ami_calls import Calls

TRANSCRIPT = Path(__file__).parents[1] / "tests/telephony/ami_transcripts/pjsip.txt"
BANNER = b"Asterisk Call Manager/9.0.0\r\n"
KEY = "IDENTSYNC_BENCH_AMI"
PIECE = 64 * 1024
END = b"\r\n\r\n"


def run(*, quick: bool) -> Iterator[Result]:
    """Measure in memory, over a socket, and the memory of ten times as many."""
    count, runs = (50_000, 2) if quick else (200_000, 5)
    yield from measure("ami", f"{count:,} events in memory", _in_memory(count), items=count, runs=runs, slow=60)
    os.environ[KEY] = "secret"
    with _pbx(count) as port:
        contenders = _over_a_socket(port, count)
        yield from measure("ami", f"{count:,} events over a socket", contenders, items=count, runs=runs, slow=60)
    many = 100_000 if quick else 1_000_000
    for events in (many // 10, many):
        case = f"what {events:,} events leave in memory"
        yield from measure("ami", case, {OURS: _ours(events)}, items=events, runs=1, slow=600)


def block() -> bytes:
    """Return the events of one call: those of the class cdr are not asked for."""
    text = TRANSCRIPT.read_text().split("##### A:")[1].split("#####")[0].partition("\n")[2]
    events = [event.strip("\n") for event in text.split("\n\n") if event.strip()]
    wanted = [event for event in events if not event.startswith("Event: Cdr")]
    return b"".join(event.replace("\n", "\r\n").encode() + END for event in wanted)


def stream(count: int) -> Iterator[bytes]:
    """Yield ``count`` events, every call with ids and bridges of its own."""
    one = block()
    events = one.count(END)
    parts = re.split(rb"(1795411103\.|21d51068)", one)
    for number in range(-(-count // events)):
        own = {b"1795411103.": b"%d." % (1_800_000_000 + number), b"21d51068": b"%08x" % number}
        yield b"".join(own.get(part, part) for part in parts)


def _pieces(count: int) -> Iterator[bytes]:
    """Yield the stream as a socket does: in pieces that end anywhere."""
    waiting = bytearray()
    for data in stream(count):
        waiting += data
        while len(waiting) >= PIECE:
            yield bytes(waiting[:PIECE])
            del waiting[:PIECE]
    yield bytes(waiting)


# ---- in memory


def _in_memory(count: int) -> dict[str, Work]:
    pieces = list(_pieces(count))
    return {
        "floor: messages counted": lambda: sum(piece.count(END) for piece in pieces),
        "split into dicts": lambda: sum(1 for _message in _plain(pieces)),
        OURS: lambda: _made(pieces),
    }


def _ours(count: int) -> Work:
    return lambda: _made(_pieces(count))


def _made(pieces: Iterator[bytes] | list[bytes]) -> int:
    """Make calls of events; return how many were told, and leave nothing behind."""
    reader, calls, told = Messages(), Calls(5), 0
    list(reader.feed(BANNER))
    for piece in pieces:
        for message in reader.feed(piece):
            calls.take(message, 0)
        told += len(calls.drain())
    assert len(calls) == 0, "legs were left"
    return told


def _plain(pieces: list[bytes]) -> Iterator[dict[str, str]]:
    rest = b""
    for piece in pieces:
        *blocks, rest = (rest + piece).split(END)
        for text in blocks:
            yield dict(line.split(": ", 1) for line in text.decode("utf-8", "replace").split("\r\n") if ": " in line)


# ---- over a socket


def _over_a_socket(port: int, count: int) -> dict[str, Work]:
    return {
        "floor: bytes received": lambda: _received(port),
        "asyncio, split into dicts": lambda: _dicts(port, count),
        OURS: lambda: _listened(port, count),
    }


@contextmanager
def _pbx(count: int) -> Iterator[int]:
    """Start a process that logs anybody in and then says all it has to say as fast as it is read."""
    command = [sys.executable, "-m", "benchmarks.ami", str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _received(port: int) -> int:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(_action("Login") + _action("CoreShowChannels"))
        found = 0
        while data := connection.recv(256 * 1024):
            found += data.count(END)
        return found


def _action(name: str) -> bytes:
    return f"Action: {name}\r\nActionID: 1".encode() + END


def _dicts(port: int, count: int) -> int:
    async def read() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_action("Login") + _action("CoreShowChannels"))
        rest, found = b"", 0
        while data := await reader.read(256 * 1024):
            *blocks, rest = (rest + data).split(END)
            for text in blocks:
                dict(line.split(": ", 1) for line in text.decode("utf-8", "replace").split("\r\n") if ": " in line)
                found += 1
        writer.close()
        return found

    with asyncio.Runner(loop_factory=new_loop) as runner:
        found = runner.run(read())
    assert found >= count
    return found


def _listened(port: int, count: int) -> int:
    """Listen as the room does, until the last call is told."""
    wanted = -(-count // block().count(END))
    ended: set[str] = set()

    async def permit() -> None:
        return None

    async def told(calls: Sequence[Call], _whole: bool) -> None:
        ended.update(call.key for call in calls if call.ended_ms is not None)

    async def listen() -> None:
        settings = Line(kind="asterisk", host="127.0.0.1", port=port, user="bench", password=f"env:{KEY}")
        exchange = asterisk.open(settings, permit)
        async with exchange:
            with suppress(Unavailable):  # the stream ends
                await exchange.listen(told)
        assert len(ended) == wanted, "calls were lost"

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(listen())
    return len(ended)


def serve(count: int) -> None:
    """Be a PBX: answer every action, and after the list of channels say everything, then close; one client a time."""
    pieces = list(_pieces(count))
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _address = server.accept()
            with connection, suppress(OSError):
                _say(connection, pieces)


def _say(connection: socket.socket, pieces: list[bytes]) -> None:
    connection.sendall(BANNER)
    rest, is_listed = b"", False
    while not is_listed:
        *actions, rest = (rest + connection.recv(65_536)).split(END)
        for action in actions:
            connection.sendall(_answer(action))
            is_listed = is_listed or b"CoreShowChannels" in action
    for piece in pieces:
        connection.sendall(piece)
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65_536):
        pass


def _answer(action: bytes) -> bytes:
    fields = dict(line.split(": ", 1) for line in action.decode().split("\r\n"))
    answer = f"Response: Success\r\nActionID: {fields['ActionID']}\r\nChallenge: 1\r\n\r\n"
    if fields["Action"] == "Login":
        answer += "Event: FullyBooted\r\n\r\n"
    if fields["Action"] == "CoreShowChannels":
        answer += "Event: CoreShowChannelsComplete\r\nListItems: 0\r\n\r\n"
    return answer.encode()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
