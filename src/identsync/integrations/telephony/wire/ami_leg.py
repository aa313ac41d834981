"""Legs: the channels of Asterisk, and what their names, numbers and dial strings say of who is at their end."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from identsync.integrations.telephony.call import Employee

if TYPE_CHECKING:
    from identsync.integrations.telephony.wire.ami_trail import Trail

UP = "6"  # ChannelState
_NAME = re.compile(r"(?:AsyncGoto/)?([A-Za-z0-9_]+)/(.+?)(?:-[0-9a-fA-F]{1,16})?(?:;[12])?(?:<[A-Z]+>)?")
_LINES = ("DAHDI", "Zap", "mISDN", "Khomp", "Dongle", "Quectel")  # named by the line, not by who is behind it
_HIDDEN = ("anonymous", "unknown", "restricted", "unavailable", "private", "withheld")


@dataclass(slots=True, eq=False)
class Leg:
    """One channel: ``name`` as Asterisk spells it, ``number`` the caller's on it, ``exten`` what is dialled on it."""

    id: str
    link: str  # the Linkedid it was last seen with
    trail: "Trail"
    at_ms: int
    name: str = ""
    number: str = ""
    title: str = ""  # the name beside its number when it began: what the PBX calls this phone
    exten: str = ""
    state: str = ""
    bridge: str = ""
    employee: Employee | None = None
    is_dialled: bool = False  # the PBX called it; otherwise it called the PBX

    @property
    def is_local(self) -> bool:
        """Whether it is one half of a Local pair: a hop inside the PBX."""
        return self.name.startswith("Local/")

    @property
    def end(self) -> str:
        """What stands at this end: the two halves of a Local pair are one."""
        return self.name.rpartition(";")[0] if self.is_local else self.id


class Dialled(NamedTuple):
    """Whom a dial string calls: a number outside, or a phone inside ('' both = not to be told)."""

    number: str
    extension: str


def peer_of(name: str) -> tuple[str, str]:
    """Return ('PJSIP', '101') of PJSIP/101-00000001 and ('Local', '101') of Local/101@phones-00000003;1."""
    found = _NAME.fullmatch(name)
    return (found[1], found[2].partition("@")[0]) if found else ("", "")


def shown(number: str) -> str:
    """Return a caller's number as it came; '' where the network says that it is hidden."""
    return "" if number.lower() in _HIDDEN else number


def is_number(text: str, inside: int) -> bool:
    """Tell whether this is a number outside: more digits than a phone inside has."""
    digits = text.removeprefix("+")
    return len(digits) > inside and digits.isdecimal()


def is_extension(text: str, inside: int) -> bool:
    """Tell whether this is the number of a phone inside."""
    return 0 < len(text) <= inside and text.isdecimal()


def phone_of(name: str, number: str, inside: int) -> str:
    """Return the extension of the phone behind a channel, by its name, else by its number; '' = none of ours."""
    technology, peer = peer_of(name)
    if technology not in _LINES and is_extension(peer, inside):
        return peer
    is_hop = technology == "Local" or is_number(peer, inside)
    return number if not is_hop and is_extension(number, inside) else ""


def dialled(text: str, inside: int) -> Dialled:
    """Read a dial string: '101', '101@phones', '101/sip:101@10.0.0.5', '79161234567@trunk', 'trunk/79161234567'."""
    parts = [part.partition("@")[0] for part in text.split("/")]
    number = next((part for part in parts if is_number(part, inside)), "")
    extension = next((part for part in parts if is_extension(part, inside)), "")
    if not number and not extension and "@" not in text:
        extension = parts[0]  # a phone that has a name: PJSIP/anna
    return Dialled(number, "" if number else extension)
