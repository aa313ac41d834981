"""Bytes of Asterisk's manager interface (AMI): actions out, messages in, whatever the other side sends.

A value with a line break is a second action to Asterisk, so nothing with a control character is ever written (facts:
telephony.md). What comes in is any bytes: a message beyond ``LONGEST`` is left out and counted, what no one here wants
is passed by without being read, texts that are not UTF-8 keep what can be read of them.
"""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum

BANNER = b"Asterisk Call Manager/"
LONGEST = 64 * 1024  # bytes of a message; the longest known are of a few thousand
LONGEST_BANNER = 256
LONGEST_VALUE = 1_024  # characters of a value that is read
LONGEST_LINE = 1_000  # bytes: Asterisk reads a line into 1,025 and drops what is longer
MOST_LINES = 100  # of an action; Asterisk takes 128

_END = b"\r\n\r\n"
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_RESPONSE = b"Response: "
_EVENT = b"Event: "


class Unsendable(ValueError):
    """A key or value that must not reach the line; its text names the key, never the value."""


class Malformed(ValueError):
    """The other side does not speak AMI at all."""


class Event(StrEnum):
    """The events that mean something here; all others are passed by."""

    NEWCHANNEL = "Newchannel"
    NEWSTATE = "Newstate"
    NEW_CALLER = "NewCallerid"
    RENAME = "Rename"
    DIAL_BEGIN = "DialBegin"
    DIAL_END = "DialEnd"
    BRIDGE_ENTER = "BridgeEnter"
    BRIDGE_LEAVE = "BridgeLeave"
    HANGUP_REQUEST = "HangupRequest"
    HANGUP = "Hangup"
    RECORDING = "MixMonitorStart"
    ORIGINATED = "OriginateResponse"
    CHANNEL = "CoreShowChannel"
    CHANNELS_COMPLETE = "CoreShowChannelsComplete"
    BOOTED = "FullyBooted"
    SHUTDOWN = "Shutdown"


WANTED = {event.encode(): event for event in Event}


def packet(action: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """Return the bytes of an action; Unsendable where a key or a value could be read as something else."""
    lines = [_line("Action", action), *(_line(key, value) for key, value in fields)]
    if len(lines) > MOST_LINES:
        raise Unsendable("too many fields")
    return b"\r\n".join(lines) + _END


def _line(key: str, value: str) -> bytes:
    if not _KEY.fullmatch(key):
        raise Unsendable("key")
    if _CONTROL.search(value):
        raise Unsendable(key)
    try:
        line = f"{key}: {value}".encode()
    except UnicodeEncodeError:  # half a surrogate pair
        raise Unsendable(key) from None
    if len(line) > LONGEST_LINE:
        raise Unsendable(key)
    return line


class Message:
    """One message that came: its event (None = the response to an action), its fields read when they are asked for."""

    __slots__ = ("_data", "event")

    def __init__(self, event: Event | None, data: bytes) -> None:
        self.event = event
        self._data = b"\r\n" + data + b"\r\n"

    def get(self, key: bytes) -> str:
        """Return the first value of a key without control characters, cut; '' where there is none or '<unknown>'."""
        data = self._data
        start = data.find(b"\r\n" + key + b":")
        if start < 0:
            return ""
        start += len(key) + 3
        value = data[start : data.index(b"\r", start)].strip()  # one byte is found several times faster than two
        if not value or value == b"<unknown>":
            return ""
        text = value.decode("utf-8", "replace")
        if not text.isprintable():
            text = "".join(sign for sign in text if sign.isprintable())
        return text[:LONGEST_VALUE]


class Messages:
    """Cuts the stream into messages, however it arrives; ``version`` is what the banner says."""

    def __init__(self) -> None:
        self.version = ""
        self.left_out = 0  # messages beyond LONGEST
        self._rest = b""
        self._skipping = False
        self._is_greeted = False

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are complete with these bytes; Malformed where the first line is no banner."""
        data = self._rest + data if self._rest else data
        self._rest = b""
        if not self._is_greeted:
            data = self._greeted(data)
        start = 0
        while (end := data.find(_END, start)) >= 0:
            if self._skipping or end - start > LONGEST:
                self._skipping, self.left_out = False, self.left_out + 1
            elif (message := _read(data, start, end)) is not None:
                yield message
            start = end + 4
        self._keep(data[start:])

    def _greeted(self, data: bytes) -> bytes:
        """Take the banner off, or keep it until it is whole."""
        line, found, rest = data.partition(b"\n")
        if not line.startswith(BANNER[: len(line)]) or len(line) > LONGEST_BANNER:
            raise Malformed
        if not found:
            self._rest = data
            return b""
        if not line.startswith(BANNER):
            raise Malformed
        self._is_greeted = True
        self.version = line.removeprefix(BANNER).strip().decode("ascii", "replace")
        return rest

    def _keep(self, rest: bytes) -> None:
        """Keep the beginning of the next message; of one that is too long only what may be part of its end."""
        if not self._is_greeted:
            return
        if self._skipping or len(rest) > LONGEST + 3:
            self._skipping = True
            rest = rest[-3:]
        self._rest = rest


def _read(data: bytes, start: int, end: int) -> Message | None:
    """Return the message of these bytes; None for what nobody wants or nobody understands."""
    while data.startswith(b"\r\n", start, end):
        start += 2
    if data.startswith(_EVENT, start):
        line = data.find(b"\r\n", start, end)
        event = WANTED.get(data[start + 7 : end if line < 0 else line])
        return Message(event, data[start:end]) if event is not None else None
    if data.startswith(_RESPONSE, start):
        return Message(None, data[start:end])
    return None
