"""Starts the gateways as a process and talks to their back door; blocking, for the demo and for tests."""

from typing import Any

from identsync.demo.counterparty import Counterparty


class GatewayProcess(Counterparty):
    """Running gateways: ``url("smsc")`` is what a clinic's settings need, with ``desk.USER`` and ``desk.KEY``."""

    def __init__(self, *options: str, admin_key: str = "demo-admin", seed: int = 1) -> None:
        super().__init__(
            "identsync.demo.gateway",
            ("--seed", str(seed), *options),
            {"IDENTSYNC_GATEWAY_ADMIN_KEY": admin_key},
            door="/_gateway/",
            key=("X-Gateway-Key", admin_key),
        )

    def url(self, gateway: str) -> str:
        """Base address of a gateway for the settings: smsc, smsru, smsaero, iqsms, exolve."""
        return f"http://127.0.0.1:{self.port}/{gateway}"

    def messages(self) -> list[dict[str, Any]]:
        """Return every message that was really taken, in order: gateway, id, own, phone, text, at, kopecks, state."""
        taken: list[dict[str, Any]] = self.ask("GET", "messages")
        return taken

    def fault(self, kind: str, **how: Any) -> None:
        """Tell the gateways to misbehave, see :class:`identsync.demo.gateway.desk.Fault`."""
        self.ask("POST", "faults", {"kind": kind, **how})

    def says(self, body: str, status: int = 200, *, taken: bool = False) -> None:
        """Tell the next request's gateway to answer just this; ``taken``: after it has taken the message."""
        self.fault("mumble" if taken else "say", body=body, status=status)

    def reply(self, phone: str, text: str, ago: float = 0.0) -> None:
        """Let a person (eleven digits) write back to the number rented at SMSC.ru, ``ago`` seconds before now."""
        self.ask("POST", "replies", {"phone": phone, "text": text, "ago": ago})

    def options(self, **change: Any) -> None:
        """Change options of the desk, such as balance and price (kopecks), delivery_s, undelivered; see ``Desk``."""
        self.ask("POST", "options", change)
