"""What Asterisk says, as bytes: real transcripts, events written by hand, and what our side makes of them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from identsync.integrations.telephony.call import Call
from identsync.integrations.telephony.wire.ami import Messages
from identsync.integrations.telephony.wire.ami_calls import Calls

BANNER = b"Asterisk Call Manager/9.0.0\r\n"
TRANSCRIPTS = Path(__file__).with_name("ami_transcripts")


def transcript(name: str, part: str = "") -> bytes:
    """Return what a real Asterisk 20 has said; ``part`` = the section whose title begins so."""
    lines, wanted = [], not part
    for line in (TRANSCRIPTS / f"{name}.txt").read_text().splitlines()[1:]:
        if line.startswith("#####"):
            wanted = not part or line.removeprefix("##### ").startswith(part)
        elif wanted and not line.startswith(">>>"):
            lines.append(line)
    blocks = "\n".join(lines).split("\n\n")
    return b"".join(block.strip("\n").replace("\n", "\r\n").encode() + b"\r\n\r\n" for block in blocks if block.strip())


def blocks(stream: bytes) -> Iterator[list[tuple[str, str]]]:
    """Yield the fields of each message."""
    for block in stream.split(b"\r\n\r\n"):
        if block:
            pairs = (line.decode().partition(":") for line in block.split(b"\r\n"))
            yield [(key, value.strip()) for key, _colon, value in pairs]


def event(name: str, **fields: str) -> bytes:
    """Write an event; ``Cause_txt`` is spelled Cause-txt."""
    lines = [f"Event: {name}", *(f"{key.replace('_', '-')}: {value}" for key, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


class Wire:
    """Our side without a socket: bytes in, calls out; ``calls`` is the last that was told of each."""

    def __init__(self, inside: int = 5, *, reuses_ids: bool = False) -> None:
        self.machine = Calls(inside)
        self.reuses_ids = reuses_ids
        self.calls: dict[str, Call] = {}
        self.told: list[Call] = []
        self.now_ms = 1_000
        self._messages = Messages()
        self.feed(BANNER)

    def feed(self, *data: bytes, each: bool = True) -> "Wire":
        """Take bytes; ``each``: tell after every message, else after all."""
        for message in self._messages.feed(b"".join(data)):
            self.now_ms += 1
            self.machine.take(message, self.now_ms)
            if each:
                self.tell(self.machine.drain())
        self.tell(self.machine.drain())
        return self

    def tell(self, calls: Iterable[Call]) -> None:
        """Write down what was told; a call that was over must stay so."""
        for call in calls:
            before = self.calls.get(call.key)
            assert before is None or before.ended_ms is None or call.ended_ms or self.reuses_ids, (
                f"{call.key} came back"
            )
            self.calls[call.key] = call
            self.told.append(call)

    def one(self) -> Call:
        """Return the only call there was."""
        (call,) = self.calls.values()
        return call


class Script:
    """Events written by hand: channels by their short names ('trunk', 'a')."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.ids: dict[str, str] = {}
        self.links: dict[str, str] = {}

    def _of(self, who: str, prefix: str = "") -> dict[str, str]:
        return {
            f"{prefix}Channel": self.names[who],
            f"{prefix}Uniqueid": self.ids[who],
            f"{prefix}Linkedid": self.links[who],
        }

    def new(self, who: str, name: str, link: str = "", number: str = "", exten: str = "s", **fields: str) -> bytes:
        """A channel begins; ``link`` is the short name of the channel whose Linkedid it has."""
        self.names[who], self.ids[who] = name, f"17.{len(self.ids)}"
        self.links[who] = self.links[link] if link else self.ids[who]
        known = {"CallerIDNum": number or "<unknown>", "CallerIDName": "<unknown>", "Exten": exten}
        return event("Newchannel", **{"ChannelState": "4", **self._of(who), **known, **fields})

    def dial(self, source: str, target: str, text: str, number: str = "") -> bytes:
        """A leg is called."""
        fields = {**self._of(source), **self._of(target, "Dest"), "DestCallerIDNum": number, "DialString": text}
        return event("DialBegin", **fields)

    def ended(self, source: str, target: str, status: str) -> bytes:
        """A dial ends."""
        return event("DialEnd", **self._of(source), **self._of(target, "Dest"), DialStatus=status)

    def up(self, who: str) -> bytes:
        """A channel is answered."""
        return event("Newstate", ChannelState="6", **self._of(who))

    def enter(self, bridge: str, *who: str, **fields: str) -> bytes:
        """Channels enter a bridge."""
        told = {"BridgeUniqueid": bridge, "ChannelState": "6"} | fields
        return b"".join(event("BridgeEnter", **told, **self._of(each)) for each in who)

    def leave(self, bridge: str, *who: str) -> bytes:
        """Channels leave a bridge."""
        return b"".join(event("BridgeLeave", BridgeUniqueid=bridge, **self._of(each)) for each in who)

    def linked(self, who: str, to: str) -> None:
        """From now on a channel goes by the Linkedid of another."""
        self.links[who] = self.links[to]

    def rename(self, who: str, name: str) -> bytes:
        """A channel gets another name."""
        told = event("Rename", **self._of(who), Newname=name)
        self.names[who] = name
        return told

    def hang_up(self, *who: str, cause: str = "16") -> bytes:
        """Channels end."""
        return b"".join(event("Hangup", **self._of(each), Cause=cause, Cause_txt="x") for each in who)
