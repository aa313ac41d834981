"""Starts the stand-in as a process and talks to its back door; blocking, for the demo and for tests."""

from typing import Any

from identsync.demo.counterparty import Counterparty


class N3Process(Counterparty):
    """A running N3: ``url`` is what a clinic's settings need, with ``desk.TOKEN`` and ``desk.LPU``."""

    def __init__(self, *options: str, admin_key: str = "demo-admin", seed: int = 1) -> None:
        super().__init__(
            "identsync.demo.n3",
            ("--seed", str(seed), *options),
            {"IDENTSYNC_N3_ADMIN_KEY": admin_key},
            door="/_n3/",
            key=("X-N3-Key", admin_key),
        )

    @property
    def url(self) -> str:
        """The address where EMKService.svc and PixService.svc are."""
        return f"http://127.0.0.1:{self.port}/emk"

    def patients(self) -> list[dict[str, Any]]:
        """Return every patient: id, content, operations."""
        return self._list("patients")

    def cases(self) -> list[dict[str, Any]]:
        """Return every case: id, patient, content, state (open, closed, cancelled), operations."""
        return self._list("cases")

    def documents(self) -> list[dict[str, Any]]:
        """Return every document: id, patient, content, state (its case), operations."""
        return self._list("documents")

    def requests(self) -> list[str]:
        """Return the last requests as they came."""
        told: list[str] = self.ask("GET", "requests")
        return told

    def fault(self, kind: str, **how: Any) -> None:
        """Tell it to misbehave, see :class:`identsync.demo.n3.desk.Fault`."""
        self.ask("POST", "faults", {"kind": kind, **how})

    def options(self, **how: Any) -> None:
        """Set edition, version, single, again."""
        self.ask("POST", "options", how)

    def codes(self, **books: list[int]) -> None:
        """Replace the codes of fields' books: IdCaseResult=[1, 2]."""
        self.ask("POST", "codes", books)

    def clear(self) -> None:
        """Be as new: nothing taken, no faults, the usual edition."""
        self.ask("DELETE", "all")

    def _list(self, what: str) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = self.ask("GET", what)
        return told
