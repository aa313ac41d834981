"""A channel and a bridge as Asterisk 20.20 spells them in its events: fields and order are those of a real one."""

import time
from dataclasses import dataclass, field

Fields = list[tuple[str, str]]
STATES = {0: "Down", 4: "Ring", 5: "Ringing", 6: "Up"}
DOWN, RING, RINGING, UP = STATES
CAUSES = {
    0: "Unknown",
    16: "Normal Clearing",
    17: "User busy",
    19: "User alerting, no answer",
    20: "Subscriber absent",
    21: "Call Rejected",
    26: "Answered elsewhere",
    38: "Network out of order",
}


@dataclass(slots=True, eq=False)
class Channel:
    """One leg; '' in a number or name is spelled '<unknown>'."""

    name: str
    uniqueid: str
    linkedid: str
    state: int
    number: str = ""
    title: str = ""
    connected: str = ""
    connected_title: str = ""
    context: str = "outgoing"
    exten: str = "s"
    priority: int = 1
    application: str = "AppDial"
    data: str = "(Outgoing Line)"
    bridge: "Bridge | None" = None
    born: float = field(default_factory=time.time)
    answered: float | None = None
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def device(self) -> str:
        """'PJSIP/101' of PJSIP/101-00000001."""
        return self.name.rpartition("-")[0]

    def snapshot(self, prefix: str = "") -> Fields:
        """Return the fields that most events have of a channel."""
        told = [
            ("Channel", self.name),
            ("ChannelState", str(self.state)),
            ("ChannelStateDesc", STATES[self.state]),
            ("CallerIDNum", self.number or "<unknown>"),
            ("CallerIDName", self.title or "<unknown>"),
            ("ConnectedLineNum", self.connected or "<unknown>"),
            ("ConnectedLineName", self.connected_title or "<unknown>"),
            ("Language", "en"),
            ("AccountCode", ""),
            ("Context", self.context),
            ("Exten", self.exten),
            ("Priority", str(self.priority)),
            ("Uniqueid", self.uniqueid),
            ("Linkedid", self.linkedid),
        ]
        return [(prefix + key, value) for key, value in told]


@dataclass(slots=True, eq=False)
class Bridge:
    """Who hears each other; a holding bridge lets nobody hear anybody."""

    uniqueid: str
    technology: str = "simple_bridge"
    kind: str = "basic"
    channels: list[Channel] = field(default_factory=list)

    def snapshot(self) -> Fields:
        """Return the fields that events have of a bridge."""
        return [
            ("BridgeUniqueid", self.uniqueid),
            ("BridgeType", self.kind),
            ("BridgeTechnology", self.technology),
            ("BridgeCreator", "<unknown>"),
            ("BridgeName", "<unknown>"),
            ("BridgeNumChannels", str(len(self.channels))),
            ("BridgeVideoSourceMode", "none"),
        ]


def listed(channel: Channel) -> Fields:
    """Return the fields of CoreShowChannel."""
    seconds = int(time.time() - channel.born)
    return [
        *channel.snapshot(),
        ("Application", channel.application),
        ("ApplicationData", channel.data),
        ("Duration", f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"),
        ("BridgeId", channel.bridge.uniqueid if channel.bridge is not None else ""),
    ]


def spelled(first: tuple[str, str], fields: Fields) -> bytes:
    """Return a message; half surrogates are the bytes that a caller's name really had."""
    lines = [f"{key}: {value}\r\n" for key, value in (first, *fields)]
    return ("".join(lines) + "\r\n").encode("utf-8", "surrogateescape")
