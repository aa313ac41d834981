"""Starts a calendar server as a process and talks to its /_caldav/; blocking, for the demo and for tests."""

from collections.abc import Mapping
from typing import Any

import orjson

from identsync.demo.counterparty import Counterparty


class CalDavProcess(Counterparty):
    """A running calendar server: ``url`` is where discovery begins, ``users`` are its passwords by name.

    ``CalDavProcess("--trashbin", users={"a@x.example": "secret"}, seed=3)`` passes command-line options on; a context
    manager stops it.
    """

    def __init__(
        self, *options: str, users: Mapping[str, str] | None = None, admin_key: str = "demo-admin", seed: int = 1
    ) -> None:
        self.users = dict(users or {"doctor@clinic.example": "demo-password"})
        super().__init__(
            "identsync.demo.caldav",
            ("--seed", str(seed), *options),
            {"IDENTSYNC_CALDAV_USERS": orjson.dumps(self.users).decode(), "IDENTSYNC_CALDAV_ADMIN_KEY": admin_key},
            door="/_caldav/",
            key=("X-Admin-Key", admin_key),
        )

    @property
    def url(self) -> str:
        """Address of the server, with a slash at its end."""
        return f"http://127.0.0.1:{self.port}/"

    def calendar(self, slug: str, *, user: str | None = None, name: str = "", read_only: bool = False) -> str:
        """Make a calendar by the back door; returns its address."""
        user = user or next(iter(self.users))
        path: str = self.ask("POST", "calendar", {"user": user, "slug": slug, "name": name, "read_only": read_only})
        return self.url.rstrip("/") + path

    def calendars(self) -> list[dict[str, Any]]:
        """Return every calendar with what is in it."""
        calendars: list[dict[str, Any]] = self.ask("GET", "calendars")
        return calendars

    def items(self, slug: str) -> dict[str, dict[str, str]]:
        """Return what is in the calendars of this name: uid, etag, made_by, body by resource."""
        return {name: item for one in self.calendars() if one["slug"] == slug for name, item in one["items"].items()}

    def writes(self) -> list[dict[str, Any]]:
        """Return every write: see :class:`identsync.demo.caldav.books.Write`."""
        writes: list[dict[str, Any]] = self.ask("GET", "writes")
        return writes

    def requests(self) -> list[dict[str, Any]]:
        """Return the last requests: see :class:`identsync.demo.caldav.books.Request`."""
        requests: list[dict[str, Any]] = self.ask("GET", "requests")
        return requests

    def person(self, do: str, slug: str, resource: str = "", *, user: str | None = None, **how: str) -> None:
        """Let a person do something by hand: see :class:`identsync.demo.caldav.admin.Deed`."""
        user = user or next(iter(self.users))
        self.ask("POST", "person", {"do": do, "user": user, "calendar": slug, "resource": resource, **how})

    def fault(self, kind: str, **how: Any) -> None:
        """Tell the server to misbehave: see :class:`identsync.demo.caldav.faults.Fault`."""
        self.ask("POST", "faults", {"kind": kind, **how})

    def options(self, **change: Any) -> None:
        """Change options while the server runs: see :class:`identsync.demo.caldav.house.Options`."""
        self.ask("POST", "options", change)
