"""Starts the PBX as a process and talks to its back door; blocking, for the demo and for tests."""

import base64
from typing import Any

from identsync.demo.counterparty import Counterparty


class PbxProcess(Counterparty):
    """A running PBX: ``ami`` is the port that a clinic's settings need, with ``peer.USER`` and ``peer.KEY``."""

    def __init__(self, *options: str, admin_key: str = "demo-admin", seed: int = 1) -> None:
        super().__init__(
            "identsync.demo.pbx",
            ("--seed", str(seed), *options),
            {"IDENTSYNC_PBX_ADMIN_KEY": admin_key},
            door="/_pbx/",
            key=("X-Pbx-Key", admin_key),
        )
        self.ami: int = self.books()["ami"]

    def call(self, phone: str, to: list[str], line: str = "74951234567", name: bytes = b"", **how: Any) -> str:
        """Let somebody ('' = hidden) call phones ``to``; returns the call's key. Options: queue, ring_s."""
        called = {"phone": phone, "line": line, "to": to, "name": base64.b64encode(name).decode()}
        key: str = self.ask("POST", "calls", {**called, **how})["key"]
        return key

    def outgoing(self, extension: str, number: str, ring_s: float = 0.0) -> str:
        """Let an employee dial by hand; returns the call's key."""
        key: str = self.ask("POST", "outgoing", {"extension": extension, "number": number, "ring_s": ring_s})["key"]
        return key

    def answer(self, key: str, extension: str = "") -> None:
        """Let a phone be picked up; '' = whoever is called outside."""
        self.ask("POST", "answer", {"key": key, "extension": extension})

    def hang_up(self, key: str, by: str = "caller") -> None:
        """End a call: by caller, employee, timeout, busy, failed."""
        self.ask("POST", "hangup", {"key": key, "by": by})

    def transfer(self, key: str, to: str) -> None:
        """Let the employee hand the caller on without a word."""
        self.ask("POST", "transfer", {"key": key, "to": to})

    def consult(self, key: str, to: str) -> str:
        """Let the employee ask a colleague on a second line; returns the key of that call."""
        asked: str = self.ask("POST", "consult", {"key": key, "to": to})["key"]
        return asked

    def complete(self, key: str, asked: str) -> None:
        """Connect the caller with the colleague who was asked."""
        self.ask("POST", "complete", {"key": key, "asked": asked})

    def park(self, key: str) -> None:
        """Park the caller."""
        self.ask("POST", "park", {"key": key})

    def take(self, key: str, extension: str) -> None:
        """Let a phone take the parked caller."""
        self.ask("POST", "take", {"key": key, "extension": extension})

    def phones(self, **phones: dict[str, Any]) -> None:
        """Say how phones inside behave: ``phones(**{"101": {"mood": "answers"}})``; see ``house.Phone``."""
        self.ask("POST", "phones", phones)

    def people(self, **people: dict[str, Any]) -> None:
        """Say how numbers outside behave; ``anyone`` = all others."""
        self.ask("POST", "people", people)

    def alive(self, **life: Any) -> None:
        """Let people call by themselves: numbers, every_s, ...; see ``alive.Life``."""
        self.ask("POST", "alive", life)

    def account(self, **account: Any) -> None:
        """Change the account's rights and how the PBX misbehaves; see ``peer.Account``, and mute."""
        self.ask("POST", "account", account)

    def burst(self, calls: int, to: list[str]) -> None:
        """Let so many calls come, be answered and end without a pause."""
        self.ask("POST", "burst", {"calls": calls, "to": to})

    def raw(self, data: bytes) -> None:
        """Send bytes to every session."""
        self.ask("POST", "raw", {"data": base64.b64encode(data).decode()})

    def cut(self) -> None:
        """Break every connection; calls go on."""
        self.ask("POST", "cut")

    def restart(self, down_s: float = 0.0) -> None:
        """Lose every call without a word, be away for a while, come back on the same port."""
        self.ask("POST", "restart", {"down_s": down_s})

    def orders(self) -> list[dict[str, Any]]:
        """Return every call that was ordered by Originate."""
        orders: list[dict[str, Any]] = self.ask("GET", "orders")
        return orders

    def cdrs(self) -> list[dict[str, str]]:
        """Return every call record, as the PBX has written them."""
        cdrs: list[dict[str, str]] = self.ask("GET", "cdrs")
        return cdrs
