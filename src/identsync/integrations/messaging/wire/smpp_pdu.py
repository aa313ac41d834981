"""SMPP 3.4 on the wire: PDUs out of fields and fields out of PDUs. Pure; strict about every length.

Section numbers are those of "Short Message Peer to Peer Protocol Specification v3.4", 12-Oct-1999.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

HEADER = struct.Struct(">IIII")
MOST = 70_000
"""Octets of the largest PDU: message_payload holds 64 KiB (5.3.2.32), and nothing else is large."""
RESPONSE = 0x80000000
LAST_SEQUENCE = 0x7FFFFFFF
_TAG = struct.Struct(">HH")


class Command(IntEnum):
    """Command ids (5.1.2.1); a response has RESPONSE added."""

    GENERIC_NACK = 0x80000000
    BIND_TRANSCEIVER = 0x09
    SUBMIT_SM = 0x04
    DELIVER_SM = 0x05
    UNBIND = 0x06
    ENQUIRE_LINK = 0x15
    OUTBIND = 0x0B
    ALERT_NOTIFICATION = 0x102


class Status(IntEnum):
    """Command statuses (5.1.3) that something here depends on."""

    OK = 0x00
    INVALID_LENGTH = 0x02
    INVALID_COMMAND = 0x03
    BIND_STATE = 0x04
    ALREADY_BOUND = 0x05
    SYSTEM_ERROR = 0x08
    SOURCE_ADDRESS = 0x0A
    ADDRESS = 0x0B
    BIND_FAILED = 0x0D
    PASSWORD = 0x0E
    SYSTEM_ID = 0x0F
    QUEUE_FULL = 0x14
    SUBMIT_FAILED = 0x45
    THROTTLED = 0x58
    TRY_LATER = 0x64  # ESME_RX_T_APPN, also what an ESME says that cannot write a deliver_sm down now
    REJECTED = 0x66


class Tag(IntEnum):
    """Optional parameters (5.3.2)."""

    RECEIPTED_MESSAGE_ID = 0x1E
    SAR_REFERENCE = 0x20C
    SAR_TOTAL = 0x20E
    SAR_NUMBER = 0x20F
    MESSAGE_PAYLOAD = 0x424
    MESSAGE_STATE = 0x427


class Malformed(ValueError):
    """Octets that are no PDU, or a body that is not what its command says."""


class Pdu(NamedTuple):
    """One PDU as it came, the body unread."""

    command: int
    status: int
    sequence: int
    body: bytes


def pack(command: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    """Return a whole PDU."""
    return HEADER.pack(16 + len(body), command, status, sequence) + body


class Frames:
    """Cuts a stream into PDUs; what is left of the last one waits for more."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, data: bytes) -> Iterator[Pdu]:
        """Yield the PDUs that are whole by now; Malformed where the stream is none of SMPP."""
        data, self._left = self._left + data, b""
        at, end = 0, len(data)
        while end - at >= 16:
            length, command, status, sequence = HEADER.unpack_from(data, at)
            if not 16 <= length <= MOST:
                raise Malformed(f"a PDU of {length} octets")
            if at + length > end:
                break
            body = data[at + 16 : at + length]
            at += length
            yield Pdu(command, status, sequence, body)
        self._left = data[at:]


def text(value: str, most: int) -> bytes:
    """Return a C-Octet string of at most ``most`` octets with its end; ValueError for what is none."""
    data = value.encode("ascii")
    if len(data) >= most or b"\0" in data:
        raise ValueError(f"longer than {most - 1} characters, or with a NUL")
    return data + b"\0"


def tlv(tag: int, value: bytes) -> bytes:
    """Return an optional parameter."""
    return _TAG.pack(tag, len(value)) + value


def bind(system_id: str, password: str, system_type: str) -> bytes:
    """Return the body of bind_transceiver (4.1.5); ValueError for what does not fit."""
    who = text(system_id, 16) + text(password, 9) + text(system_type, 13)
    return who + b"\x34\0\0\0"  # version 3.4, no address range


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """What submit_sm and deliver_sm have in common (4.4.1, 4.6.1); ``message`` may be empty beside a payload."""

    source: str
    to: str
    message: bytes
    source_ton: int = 0
    source_npi: int = 0
    to_ton: int = 1
    to_npi: int = 1
    esm_class: int = 0
    validity: str = ""
    registered: int = 0
    data_coding: int = 0
    tlvs: Mapping[int, bytes] = field(default_factory=dict)

    def pack(self) -> bytes:
        """Return the body; ValueError for what does not fit."""
        if len(self.message) > 254:
            raise ValueError("more than 254 octets of short_message")
        source = bytes((0, self.source_ton, self.source_npi)) + text(self.source, 21)
        to = bytes((self.to_ton, self.to_npi)) + text(self.to, 21)
        how = bytes((self.esm_class, 0, 0, 0)) + text(self.validity, 17)
        what = bytes((self.registered, 0, self.data_coding, 0, len(self.message))) + self.message
        return source + to + how + what + b"".join(tlv(tag, value) for tag, value in self.tlvs.items())

    @property
    def octets(self) -> bytes:
        """The user data: short_message, or message_payload where that is empty."""
        return self.message or self.tlvs.get(Tag.MESSAGE_PAYLOAD, b"")


class _Reader:
    """Reads fields one after another; Malformed where the body ends too early."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def octet(self) -> int:
        return self.octets(1)[0]

    def octets(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._body):
            raise Malformed("the body ends inside a field")
        found, self._at = self._body[self._at : end], end
        return found

    def text(self, most: int) -> str:
        end = self._body.find(b"\0", self._at, self._at + most)
        if end < 0:
            raise Malformed(f"a string without an end in {most} octets")
        found, self._at = self._body[self._at : end], end + 1
        return found.decode("latin-1")

    def tlvs(self) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        while self._at < len(self._body):
            tag, length = _TAG.unpack(self.octets(4))
            found.setdefault(tag, self.octets(length))
        return found


def read_short(body: bytes) -> Short:
    """Read the body of submit_sm or deliver_sm; addresses may be longer than the standard has them (65)."""
    reader = _Reader(body)
    reader.text(6)
    source_ton, source_npi, source = reader.octet(), reader.octet(), reader.text(66)
    to_ton, to_npi, to = reader.octet(), reader.octet(), reader.text(66)
    esm_class, _protocol, _priority = reader.octets(3)
    reader.text(17)
    validity, registered, _replace = reader.text(17), reader.octet(), reader.octet()
    data_coding, _number = reader.octets(2)
    message = reader.octets(reader.octet())
    return Short(
        source=source, to=to, message=message, source_ton=source_ton, source_npi=source_npi, to_ton=to_ton,
        to_npi=to_npi, esm_class=esm_class, validity=validity, registered=registered, data_coding=data_coding,
        tlvs=reader.tlvs(),
    )  # fmt: skip


def read_message_id(body: bytes) -> str:
    """Read the body of submit_sm_resp (4.4.2); '' where there is none at all. What follows the id is not looked at."""
    if not body:
        return ""
    found = _Reader(body).text(66)
    if not found.isascii() or not found.isprintable():
        raise Malformed("a message id that cannot be read")
    return found
