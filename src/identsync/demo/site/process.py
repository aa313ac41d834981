"""Starts a site as a process and talks to its /_site/; blocking, for the demo and for tests."""

from typing import Any

from identsync.demo.counterparty import Counterparty


class SiteProcess(Counterparty):
    """A running site: ``url`` and ``key`` are what a clinic's settings need.

    ``SiteProcess("--lead-rate", "6", seed=3)`` passes command-line options on; a context manager stops it.
    """

    def __init__(self, *options: str, key: str = "demo-key", admin_key: str = "demo-admin", seed: int = 1) -> None:
        self.key = key
        super().__init__(
            "identsync.demo.site",
            ("--seed", str(seed), *options),
            {"IDENTSYNC_SITE_KEY": key, "IDENTSYNC_SITE_ADMIN_KEY": admin_key},
            door="/_site/",
            key=("X-Site-Key", admin_key),
        )

    @property
    def url(self) -> str:
        """Base address for the settings, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}/ident"

    def leads(self) -> list[dict[str, Any]]:
        """Return every lead the site made: id, made_ms, created_ms, served, first_served_ms."""
        made: list[dict[str, Any]] = self.ask("GET", "leads")
        return made

    def make(self, count: int = 1, trap: str | None = None, at: str | None = None) -> list[str]:
        """Make leads; returns their Ids. ``at`` is ISO 8601 with an offset."""
        ids: list[str] = self.ask("POST", "leads", {"count": count, "trap": trap, "at": at})
        return ids

    def fault(self, kind: str, **how: Any) -> None:
        """Tell the site to misbehave, see :class:`identsync.demo.site.faults.Fault`."""
        self.ask("POST", "faults", {"kind": kind, **how})

    def options(self, **change: Any) -> None:
        """Change options while the site runs."""
        self.ask("POST", "options", change)
