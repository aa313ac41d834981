"""One AMI session from the PBX's side: as strict as Asterisk's, an action is exactly the lines that came."""

import asyncio
import hashlib
import secrets
import time
from typing import TYPE_CHECKING, cast

import msgspec

from identsync.demo.pbx.channel import Fields, listed, spelled
from identsync.demo.pbx.house import House, Order

if TYPE_CHECKING:
    from collections.abc import Callable

BANNER = b"Asterisk Call Manager/9.0.0\r\n"
USER, KEY = "identsync", "demo-ami-key"
LONGEST_LINE = 1_024
MOST_LINES = 128
NEEDS: dict[str, tuple[str, ...]] = {
    "Originate": ("originate",),
    "Hangup": ("system", "call"),
    "CoreShowChannels": ("system", "reporting"),
    "Getvar": ("call", "reporting"),
    "Ping": (),
    "ListCommands": (),
    "Logoff": (),
    "Login": (),
    "Challenge": (),
}
"""The classes of which an account needs one to write an action."""


class Account(msgspec.Struct, forbid_unknown_fields=True):
    """What manager.conf says of our account, and how the PBX misbehaves."""

    read: tuple[str, ...] = ("system", "call", "cdr", "reporting")
    write: tuple[str, ...] = ("originate", "call", "reporting")
    challenge: bool = True
    frozen: bool = False  # nothing is answered any more, and the connection stands
    lose: bool = False  # the connection breaks when an order has been taken
    short_list: bool = False  # the list of channels says that it is longer than it is
    banner: str = BANNER.decode()


class Exchange:
    """The AMI server: its sessions and how it treats them."""

    def __init__(self, house: House, user: str = USER, key: str = KEY) -> None:
        self.house, self.user, self.key = house, user, key
        self.account = Account()
        self.sessions: set[Session] = set()
        self.asked: list[dict[str, str]] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def open(self, port: int = 0) -> None:
        """Listen on 127.0.0.1."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Session(self), "127.0.0.1", port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and break every connection."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection."""
        for session in list(self.sessions):
            session.abort()

    async def restart(self, down_s: float) -> None:
        """Lose every call, be away for a while, come back on the same port."""
        self.house.board.tell("Shutdown", [("Shutdown", "Cleanly"), ("Restart", "True")], "system")
        self.house.restart()
        for session in list(self.sessions):
            session.close()
        if self._server is not None:
            self._server.close()
        await asyncio.sleep(down_s)
        await self.open(self.port)


class Session(asyncio.Protocol):
    """A connection of somebody who manages the PBX."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange, self.house = exchange, exchange.house
        self._rest = b""
        self._nonce = ""
        self._mask: set[str] = set()
        self._is_in = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self.exchange.sessions.add(self)
        self._transport.write(self.exchange.account.banner.encode())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Forget it."""
        self.exchange.sessions.discard(self)
        if self.hear in self.house.board.hear:
            self.house.board.hear.remove(self.hear)

    def data_received(self, data: bytes) -> None:
        """Take actions: lines until an empty one."""
        if self.exchange.account.frozen:
            return
        *actions, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for action in actions:
            self._act(_fields(action))

    def hear(self, kind: str, data: bytes) -> None:
        """Pass an event on to those who read its class."""
        if kind in self._mask and self._transport is not None and not self.exchange.account.frozen:
            self._transport.write(data)

    def abort(self) -> None:
        """Break the connection."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close the connection after what has been said."""
        if self._transport is not None:
            self._transport.close()

    # ---- actions

    def _act(self, fields: list[tuple[str, str]]) -> None:
        given = {key.lower(): value for key, value in fields}
        action = next((name for name in NEEDS if name.lower() == given.get("action", "").lower()), None)
        self.exchange.asked.append({key: "***" if key in ("secret", "key") else value for key, value in given.items()})
        self.house.board.counts[f"action {given.get('action', '')}"] += 1
        if "action" not in given:
            self._error(given, "Missing action in request")
        elif not self._is_in and action not in ("Login", "Challenge", "Logoff"):
            self._error(given, "Permission denied")
        elif action is None:
            words = f"Invalid/unknown command: {given['action']}. Use Action: ListCommands to show available commands."
            self._error(given, words)
        elif NEEDS[action] and not set(NEEDS[action]) & set(self.exchange.account.write):
            self._error(given, "Permission denied")
        else:
            does: Callable[[dict[str, str]], None] = getattr(self, f"_{action.lower()}")
            does(given)

    def _say(self, given: dict[str, str], response: str, *fields: tuple[str, str]) -> None:
        told = [("ActionID", given["actionid"])] if "actionid" in given else []
        if self._transport is not None:
            self._transport.write(spelled(("Response", response), [*told, *fields]))

    def _error(self, given: dict[str, str], words: str) -> None:
        self._say(given, "Error", ("Message", words))

    def _event(self, given: dict[str, str], event: str, fields: Fields) -> None:
        told = [("ActionID", given["actionid"])] if "actionid" in given else []
        if self._transport is not None:
            self._transport.write(spelled(("Event", event), [*told, *fields]))

    def _challenge(self, given: dict[str, str]) -> None:
        if given.get("authtype", "").upper() != "MD5" or not self.exchange.account.challenge:
            self._error(given, "Must specify AuthType")
            return
        self._nonce = str(secrets.randbelow(10**9))
        self._say(given, "Success", ("Challenge", self._nonce))

    def _login(self, given: dict[str, str]) -> None:
        key = self.exchange.key
        expected = hashlib.md5(f"{self._nonce}{key}".encode(), usedforsecurity=False).hexdigest()
        by_key = bool(self._nonce) and given.get("key") == expected
        if given.get("username") != self.exchange.user or not (by_key or given.get("secret") == key):
            self._error(given, "Authentication failed")
            self.close()
            return
        events = given.get("events", "on").lower()
        wanted = set(self.exchange.account.read) if events == "on" else set(events.split(","))
        self._mask = wanted & set(self.exchange.account.read)
        self._is_in = True
        self._say(given, "Success", ("Message", "Authentication accepted"))
        self.house.board.hear.append(self.hear)
        if "system" in self._mask:
            fields = [("Privilege", "system,all"), ("Uptime", "52"), ("LastReload", "52"), ("Status", "Fully Booted")]
            self._transport.write(spelled(("Event", "FullyBooted"), fields)) if self._transport else None

    def _logoff(self, given: dict[str, str]) -> None:
        self._say(given, "Goodbye", ("Message", "Thanks for all the fish."))
        self.close()

    def _ping(self, given: dict[str, str]) -> None:
        self._say(given, "Success", ("Ping", "Pong"), ("Timestamp", f"{time.time():.6f}"))

    def _listcommands(self, given: dict[str, str]) -> None:
        may = set(self.exchange.account.write)
        names = [name for name, needed in NEEDS.items() if not needed or may & set(needed)]
        self._say(given, "Success", *((name, f"{name}.  (Priv: {','.join(NEEDS[name])})") for name in sorted(names)))

    def _coreshowchannels(self, given: dict[str, str]) -> None:
        channels = list(self.house.board.channels.values())
        self._say(given, "Success", ("EventList", "start"), ("Message", "Channels will follow"))
        for channel in channels:
            self._event(given, "CoreShowChannel", listed(channel))
        count = len(channels) + self.exchange.account.short_list
        self._event(given, "CoreShowChannelsComplete", [("EventList", "Complete"), ("ListItems", str(count))])

    def _getvar(self, given: dict[str, str]) -> None:
        channel = self.house.board.find(given.get("channel", ""))
        if channel is None:
            self._error(given, "No such channel")
            return
        name = given.get("variable", "")
        self._say(given, "Success", ("Variable", name), ("Value", channel.variables.get(name, "")))

    def _hangup(self, given: dict[str, str]) -> None:
        channel = self.house.board.find(given.get("channel", ""))
        if channel is None:
            self._error(given, "No such channel")
            return
        self._say(given, "Success", ("Message", "Channel Hungup"))
        call = next((each for each in self.house.calls.values() if channel in (each.source, each.target)), None)
        if call is not None:
            call.hang_up("employee")

    def _originate(self, given: dict[str, str]) -> None:
        for key, words in (("channel", "Channel not specified"), ("exten", "Originate failed")):
            if not given.get(key):
                self._error(given, words)
                return
        if "/" not in given["channel"]:
            self._error(given, "Invalid channel")
            return
        title, _less, number = given.get("callerid", "").rpartition("<")
        order = Order(
            channel=given["channel"],
            context=given.get("context", ""),
            exten=given["exten"],
            number=number.rstrip(">"),
            title=title.strip().strip('"'),
            timeout_s=int(given.get("timeout", "30000")) / 1000,
            channel_id=given.get("channelid", ""),
            action_id=given.get("actionid", ""),
        )
        if not self.exchange.account.lose:
            self._say(given, "Success", ("Message", "Originate successfully queued"))
        self.house.order(order)
        if self.exchange.account.lose:
            self.exchange.account.lose = False
            self.abort()


def _fields(action: bytes) -> list[tuple[str, str]]:
    """Return the lines of an action, those that are too long left out."""
    lines = [line for line in action.split(b"\r\n") if line and len(line) <= LONGEST_LINE][:MOST_LINES]
    pairs = (line.decode("utf-8", "surrogateescape").partition(":") for line in lines)
    return [(key.strip(), value.strip()) for key, _colon, value in pairs]
