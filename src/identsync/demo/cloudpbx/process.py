"""Starts the cloud PBXs as a process and talks to their back door; blocking, for the demo and for tests."""

from typing import Any

from identsync.demo.counterparty import Counterparty


class CloudProcess(Counterparty):
    """Running cloud PBXs: ``url("mango")`` is what a line's settings need, with ``desk.USER`` and ``desk.KEY``."""

    def __init__(self, *options: str, admin_key: str = "demo-admin", seed: int = 1) -> None:
        super().__init__(
            "identsync.demo.cloudpbx",
            ("--seed", str(seed), *options),
            {"IDENTSYNC_CLOUDPBX_ADMIN_KEY": admin_key},
            door="/_cloudpbx/",
            key=("X-Cloudpbx-Key", admin_key),
        )

    def url(self, provider: str) -> str:
        """Base address of a provider for the settings, such as "mango" or "uis/call"."""
        return f"http://127.0.0.1:{self.port}/{provider}"

    def clear(self) -> None:
        """Forget every call, count, fault, limit and block."""
        self.ask("DELETE", "everything")

    def begin(self, provider: str, **how: Any) -> int:
        """Stage a call, see :class:`identsync.demo.cloudpbx.desk.Staging`; returns its number here."""
        number: int = self.ask("POST", "calls", {"provider": provider, **how})
        return number

    def answer(self, number: int, extension: str = "101") -> None:
        """Let an employee take a call."""
        self.ask("POST", "answer", {"number": number, "extension": extension})

    def end(self, number: int, **how: Any) -> None:
        """End a call; ``recorded``, ``ready_in`` (seconds), ``reason``."""
        self.ask("POST", "end", {"number": number, **how})

    def finished(self, provider: str, ago: float = 60.0, talk: float | None = 20.0, **how: Any) -> int:
        """Stage a call that is over: it began ``ago`` seconds ago, was answered 5 s later; ``talk`` None = missed."""
        spoken = {"answered_ago": ago - 5, "ended_ago": ago - 5 - talk} if talk is not None else {"ended_ago": ago - 10}
        return self.begin(provider, ago=ago, **spoken, **how)

    def calls(self) -> list[dict[str, Any]]:
        """Return every staged call, in order."""
        rows: list[dict[str, Any]] = self.ask("GET", "calls")
        return rows

    def dialled(self) -> list[dict[str, Any]]:
        """Return every click-to-call that was really taken, in order: provider, token, extension, to, repeated."""
        rows: list[dict[str, Any]] = self.ask("GET", "dialled")
        return rows

    def asked(self, what: str) -> int:
        """Count the requests to "GET /path", or of a JSON-RPC method."""
        return int(self.books()["counts"].get(what, 0))

    def refused(self, rule: str) -> int:
        """Count the requests that were against a rule of a provider."""
        return int(self.books()["refused"].get(rule, 0))

    def fault(self, kind: str, **how: Any) -> None:
        """Tell the PBXs to misbehave, see :class:`identsync.demo.cloudpbx.desk.Fault`."""
        self.ask("POST", "faults", {"kind": kind, **how})

    def says(self, body: str, status: int = 200, *, done: bool = False, path: str = "") -> None:
        """Answer the next request just this; ``done``: after its work was done."""
        self.fault("mumble" if done else "say", body=body, status=status, path=path)

    def options(self, **change: Any) -> None:
        """Change options of the desk: ahead (seconds), zone, limits, employees; see ``Desk``."""
        self.ask("POST", "options", change)
