"""Starts the geocoders as a process and talks to their back door; blocking, for the demo and for tests."""

from typing import Any

from identsync.demo.counterparty import Counterparty


class GeocoderProcess(Counterparty):
    """Running geocoders: ``url("nominatim")`` is what a clinic's settings need, with ``desk.KEY`` and ``SECRET``."""

    def __init__(self, *options: str, admin_key: str = "demo-admin", seed: int = 1) -> None:
        super().__init__(
            "identsync.demo.geocoder",
            ("--seed", str(seed), *options),
            {"IDENTSYNC_GEOCODER_ADMIN_KEY": admin_key},
            door="/_geocoder/",
            key=("X-Geocoder-Key", admin_key),
        )

    def url(self, provider: str) -> str:
        """Base address of a provider for the settings: nominatim, photon, dadata, yandex."""
        return f"http://127.0.0.1:{self.port}/{provider}"

    def asked(self) -> list[dict[str, Any]]:
        """Return every question that was heard, in order: provider, text, at, connection, fields."""
        asked: list[dict[str, Any]] = self.ask("GET", "asked")
        return asked

    def forget(self) -> None:
        """Forget what was asked so far."""
        self.ask("DELETE", "asked")

    def fault(self, kind: str, **how: Any) -> None:
        """Tell the geocoders to misbehave, see :class:`identsync.demo.geocoder.desk.Fault`."""
        self.ask("POST", "faults", {"kind": kind, **how})

    def options(self, **change: Any) -> None:
        """Change options of the desk, such as balance and price (kopecks), quota, rate; see ``Options``."""
        self.ask("POST", "options", change)

    def new_day(self) -> None:
        """Begin a new day: the quotas are as at first."""
        self.ask("POST", "day")
