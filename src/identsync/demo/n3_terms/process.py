"""Starts the terminology service as a process and talks to its back door; blocking, for the demo and for tests."""

from collections.abc import Mapping
from typing import Any

from identsync.demo.counterparty import Counterparty
from identsync.demo.n3_terms.server import BASE, DOOR, DOOR_KEY


class TermsProcess(Counterparty):
    """A running service: ``url`` is what the settings need as ``terms``, ``desk.TOKEN`` what opens it when locked."""

    def __init__(self, *, admin_key: str = "demo-admin", seed: int = 1) -> None:
        passed = {"IDENTSYNC_TERMS_ADMIN_KEY": admin_key}
        super().__init__("identsync.demo.n3_terms", ("--seed", str(seed)), passed, door=DOOR, key=(DOOR_KEY, admin_key))

    @property
    def url(self) -> str:
        """Address for the settings."""
        return f"http://127.0.0.1:{self.port}{BASE}"

    def clear(self) -> None:
        """Begin anew."""
        self.ask("POST", "clear")

    def fault(self, kind: str, **how: Any) -> None:
        """Tell the service to misbehave, see :class:`identsync.demo.n3_terms.desk.Fault`."""
        self.ask("POST", "faults", {"kind": kind, **how})

    def options(self, **change: Any) -> None:
        """Change options of the desk: locked, page, bare, passports, stuck."""
        self.ask("POST", "options", change)

    def publish(self, oid: str, codes: Mapping[str, str]) -> None:
        """Publish a new version of a book: names by code."""
        self.publish_rows(oid, [{"code": code, "display": name} for code, name in codes.items()])

    def publish_rows(self, oid: str, rows: list[Any]) -> None:
        """Publish a new version of a book: rows just as they are."""
        self.ask("POST", "editions", {"oid": oid, "rows": rows})

    def withdraw(self, oid: str) -> None:
        """Have a book no more."""
        self.ask("POST", "withdrawn", {"oid": oid})
