"""What an SMSC pushes by deliver_sm: what became of a message, or what a person wrote back.

A receipt is told by esm_class, by the TLV receipted_message_id, or, as some SMSCs set neither, by a text that is one
from beginning to end. Its time is not read: nobody says of which zone "done date" is. A long reply comes part by part
and is handed over so, with its number behind the text: joined, the first parts would have to be acknowledged before
they are written down.
"""

import hashlib
import re
from typing import Literal

from identsync.core.texts import decode_gsm
from identsync.flows.sending import Fate, Receipt
from identsync.integrations.messaging.message import Reply
from identsync.integrations.messaging.wire import words
from identsync.integrations.messaging.wire.smpp_pdu import Short, Tag
from identsync.spans import HOUR_MS

KIND, RECEIPTS, OTHERS = 0x3C, (0x04, 0x20), (0x08, 0x10, 0x18)
UDH = 0x40
LONGEST = 500
Spelling = Literal["same", "decimal", "hex"]
_FIELD = re.compile(r"\b(id|stat|err): ?(\S*)", re.IGNORECASE)
_WHOLE = re.compile(r"id:\S+ sub:\S* dlvrd:\S* submit date:\S* done date:\S* stat:[A-Z]{5,8}\b", re.IGNORECASE)

_STATES: dict[str, tuple[Fate, str]] = {
    "DELIVRD": (Fate.DELIVERED, ""),
    "EXPIRED": (Fate.EXPIRED, ""),
    "DELETED": (Fate.FAILED, words.REJECTED),
    "UNDELIV": (Fate.FAILED, words.NOT_DELIVERED),
    "REJECTD": (Fate.FAILED, words.REJECTED),
}
"""By the text's word; ENROUTE, ACCEPTD, UNKNOWN and whatever else decide nothing: the message is on its way."""
_NUMBERS = {2: "DELIVRD", 3: "EXPIRED", 4: "DELETED", 5: "UNDELIV", 8: "REJECTD"}


def provider_id(said: str, spelling: Spelling) -> str:
    """Return the id of submit_sm_resp as the book has it: where receipts spell ids otherwise, the number in decimal."""
    return said if spelling == "same" else _decimal(said, 16 if spelling == "decimal" else 10)


def is_receipt(short: Short) -> bool:
    """Tell a receipt from a reply."""
    if short.esm_class & KIND in RECEIPTS or Tag.RECEIPTED_MESSAGE_ID in short.tlvs:
        return True
    return _WHOLE.match(short.octets[:LONGEST].decode("latin-1")) is not None


def is_reply(short: Short) -> bool:
    """Tell a reply from acknowledgements of telephones, which say nothing."""
    return short.esm_class & KIND not in OTHERS and not is_receipt(short)


def receipt(short: Short, spelling: Spelling = "same") -> Receipt:
    """Read a receipt: TLVs before the text; ``spelling`` is how its text spells ids, see Channel.receipt_ids."""
    said = short.octets[:LONGEST].decode("latin-1")
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(said):
        fields.setdefault(name.lower(), value)
    state = fields.get("stat", "").upper()
    if number := short.tlvs.get(Tag.MESSAGE_STATE, b""):
        state = _NUMBERS.get(number[0], state if state not in _STATES else "")
    fate, reason = _STATES.get(state, (Fate.ACCEPTED, ""))
    answer = " ".join(fields[name] for name in ("stat", "err") if name in fields) or state
    to = f"+{short.source.lstrip('+')}" if short.source.lstrip("+").isdecimal() else ""
    return Receipt(fate, _id(short, fields.get("id", ""), spelling), to=to, reason=reason, answer=answer)


def reply(short: Short, now_ms: int) -> Reply:
    """Read what a person wrote. Its key: the same octets from the same number in one hour are one reply, sent twice."""
    octets, part = short.octets, ""
    if short.esm_class & UDH and octets:
        header, octets = octets[1 : 1 + octets[0]], octets[1 + octets[0] :]
        part = _part(header)
    elif {Tag.SAR_TOTAL, Tag.SAR_NUMBER} <= short.tlvs.keys():
        part = f" ({_number(short, Tag.SAR_NUMBER)}/{_number(short, Tag.SAR_TOTAL)})"
    seen = f"{short.source}\0{short.to}\0{short.data_coding}\0{part}\0{now_ms // HOUR_MS}\0".encode() + octets
    sender = f"+{short.source}" if short.source.isdecimal() and short.source_ton == 1 else short.source
    key = hashlib.blake2b(seen, digest_size=16).hexdigest()
    return Reply(key, sender, decode(octets, short.data_coding) + part, now_ms)


def decode(octets: bytes, data_coding: int) -> str:
    """Read user data; 5.2.19 and 3GPP TS 23.038, 4. What cannot be read becomes U+FFFD."""
    if (data_coding < 0x40 and data_coding & 0x0C == 0x08) or data_coding & 0xF0 == 0xE0:
        return octets.decode("utf-16-be", "replace")
    if data_coding in {1, 3}:
        return octets.decode("latin-1")
    if data_coding == 6:
        return octets.decode("iso8859-5", "replace")
    return decode_gsm(octets)


def _id(short: Short, in_text: str, spelling: Spelling) -> str:
    tagged = short.tlvs.get(Tag.RECEIPTED_MESSAGE_ID, b"").partition(b"\0")[0].decode("latin-1")
    if tagged and tagged != in_text:
        return provider_id(tagged, spelling)  # the TLV has it as the response had it (5.3.2.12)
    found = tagged or in_text
    return found if spelling == "same" else _decimal(found, 10 if spelling == "decimal" else 16)


def _decimal(said: str, base: int) -> str:
    """Return a number in decimal without leading zeros; what is none stays as it is."""
    try:
        return str(int(said, base)) if len(said) <= 64 and said.isalnum() else said
    except ValueError:
        return said


def _part(header: bytes) -> str:
    """Return ' (2/3)' of a concatenation header (3GPP TS 23.040, 9.2.3.24.1 and .8), '' where there is none."""
    at = 0
    while at + 2 <= len(header):
        name, size = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + size]
        if name in {0, 8} and len(value) == size == (3 if name == 0 else 4):
            return f" ({value[-1]}/{value[-2]})"
        at += 2 + size
    return ""


def _number(short: Short, tag: int) -> int:
    return int.from_bytes(short.tlvs[tag][:1])
