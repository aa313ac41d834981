"""Starts this Google as a process and talks to its /_google/; blocking, for the demo and for tests."""

from typing import Any

from identsync.demo.counterparty import Counterparty


class GoogleProcess(Counterparty):
    """A running Google: ``url`` is the root of its API and of its OAuth; a context manager stops it.

    ``app`` is (client id, client secret) as a clinic's settings hold them.
    """

    def __init__(self, *options: str, key: str = "demo-secret", admin_key: str = "demo-admin", seed: int = 1) -> None:
        self.app = ("demo.apps.googleusercontent.com", key)
        super().__init__(
            "identsync.demo.google",
            ("--seed", str(seed), *options),
            {"IDENTSYNC_GOOGLE_SECRET": key, "IDENTSYNC_GOOGLE_ADMIN_KEY": admin_key},
            door="/_google/",
            key=("X-Google-Key", admin_key),
        )

    @property
    def url(self) -> str:
        """Root address, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def order(self, path: str, **order: Any) -> Any:
        """Give one order at the back door; see ``ask``."""
        return self.ask("POST", path, order)

    def grant(self, user: str = "doctor@example.com", **order: Any) -> str:
        """Return a refresh token as if the person had consented."""
        token: str = self.order("grant", user=user, **order)
        return token

    def events(self, calendar: str) -> dict[str, dict[str, Any]]:
        """Return every event of a calendar by id, tombstones included."""
        return {event["id"]: event for event in self.order("events", calendar=calendar)}

    def add(self, calendar: str, body: dict[str, Any], user: str = "doctor@example.com") -> str:
        """A person adds an event; returns its id."""
        identity: str = self.order("add", calendar=calendar, body=body, user=user)
        return identity

    def change(self, calendar: str, event: str, **body: Any) -> None:
        """A person changes fields of an event; None takes a field away."""
        self.order("change", calendar=calendar, event=event, body=body)

    def remove(self, calendar: str, event: str) -> None:
        """A person deletes an event."""
        self.order("remove", calendar=calendar, event=event)

    def fault(self, kind: str, what: str = "*", **how: Any) -> None:
        """Tell it to misbehave, see :class:`identsync.demo.google.faults.Fault`."""
        self.order("faults", kind=kind, what=what, **how)

    def options(self, **change: Any) -> None:
        """Change options while it runs."""
        self.order("options", **change)
