"""What a service is installed with and what is known of it later."""

from dataclasses import dataclass
from pathlib import Path

from identsync.language import _

NAME = "identsync"


@dataclass(frozen=True, slots=True)
class Entry:
    """``settings`` is absolute; no role = the settings' one; no account = LocalSystem, or what it has."""

    name: str
    settings: Path
    role: str | None = None
    account: str | None = None

    @property
    def display(self) -> str:
        """The name that people read in Windows' list."""
        return _("identsync: интеграции клиники") + ("" if self.name == NAME else f" ({self.name})")


@dataclass(frozen=True, slots=True)
class Found:
    """A service as Windows sees it: state in a word, process, exit code of the last end (0 = good)."""

    state: str
    process: int | None
    failed: int
    command: str
    account: str


def unit(program: str, settings: Path, role: str | None) -> str:
    """Return a unit file of systemd that does on Linux what the service does on Windows."""
    chosen = f" --role {role}" if role else ""
    return (
        "# adduser --system --group identsync\n"
        "# sudo -u identsync env XDG_DATA_HOME=/var/lib identsync secret set NAME\n"
        "[Unit]\nDescription=identsync\nAfter=network-online.target\nWants=network-online.target\n\n"
        f"[Service]\nExecStart={_word(program)} -m identsync run --settings {_word(str(settings))}{chosen}\n"
        "Restart=on-failure\nRestartPreventExitStatus=2\nRestartSec=60\nTimeoutStopSec=20\n"
        "User=identsync\nStateDirectory=identsync\nEnvironment=XDG_DATA_HOME=/var/lib\n\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )


def _word(text: str) -> str:
    """Quote a word of ExecStart: % and $ mean something there."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
