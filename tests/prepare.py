"""What the project needs from the system beside Python: ``python tests/prepare.py [THING...]``, see THINGS.

Where this is root on a Debian without the thing, it is installed by apt; everywhere else nothing is changed, that is
said, and what needs the thing skips itself, by name. Environment: IDENTSYNC_CHROMIUM names a browser,
IDENTSYNC_PREPARE=no keeps the system as it is.
"""

import ctypes.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
DAEMONS = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
WINE = ("/usr/lib/wine/wine64", "/usr/bin/wine64", "/usr/bin/wine")


def chromium() -> str | None:
    """Return the path of a Chromium of this system: the browser tests drive it."""
    given = os.environ.get("IDENTSYNC_CHROMIUM")
    return given or next((path for name in BROWSERS if (path := shutil.which(name))), None)


def headers() -> str | None:
    """Return the folder of Python.h, if C can be compiled against it: the core is built with it."""
    folder = Path(sysconfig.get_path("include"))
    # A bare Debian's gcc comes without the C library's headers, its python3 without its own.
    libc = sys.platform != "linux" or sys.base_prefix != "/usr" or Path("/usr/include/stdlib.h").exists()
    return str(folder) if libc and (folder / "Python.h").exists() else None


def spin() -> str | None:
    """Return the path of the model checker: the limiter's Promela model is checked by it."""
    return shutil.which("spin")


def faketime() -> str | None:
    """Return the path of libfaketime's program: under fire, some clients have a wrong wall clock."""
    return shutil.which("faketime")


def odbc() -> str | None:
    """Return the name of the system's ODBC driver manager: pyodbc is no module without it, here but not on Windows."""
    return ctypes.util.find_library("odbc32" if sys.platform == "win32" else "odbc")


def wine() -> str | None:
    """Return the path of a 64-bit Wine: the Windows tests run in it."""
    return next((path for path in WINE if Path(path).exists()), None)


def dovecot() -> str | None:
    """Return the path of an IMAP server: bounces are read from its mailbox."""
    imap = Path("/usr/lib/dovecot/imap")  # without it dovecot is there and of no use: Debian removes it for Cyrus
    return shutil.which("dovecot", path=DAEMONS) if imap.exists() else None


def opensmtpd() -> str | None:
    """Return the path of OpenSMTPD: a real bounce is its."""
    path = shutil.which("smtpd", path=DAEMONS)
    return path if path and shutil.which("smtpctl", path=DAEMONS) else None


def compiler() -> str | None:
    """Return the folder of Microsoft's offline compiler of T-SQL: what SQL Server is told is judged by it."""
    from sqlserver import fetching

    return fetching.compiler()


def fetch_compiler() -> None:
    """Fetch what of the compiler is no package of the system."""
    from sqlserver import fetching

    fetching.fetch()


def cyrus() -> str | None:
    """Return the path of Cyrus with its CalDAV: calendars are kept on it as on Fastmail."""
    return shutil.which("cyrmaster", path=DAEMONS) if Path("/usr/lib/cyrus/bin/httpd").exists() else None


def php() -> str | None:
    """Return the path of a PHP that DAViCal runs on."""
    return shutil.which("php") if Path("/usr/share/davical/htdocs").exists() else None


THINGS: dict[str, tuple[Callable[[], str | None], tuple[str, ...]]] = {
    "chromium": (chromium, ("chromium-headless-shell", "fonts-dejavu-core")),  # costs two thirds of what chromium does
    "chromium-with-windows": (chromium, ("chromium", "fonts-dejavu-core")),
    "headers": (headers, ("python3-dev", "libc6-dev")),
    "spin": (spin, ("spin",)),
    "faketime": (faketime, ("faketime",)),
    "dovecot": (dovecot, ("dovecot-imapd",)),
    "opensmtpd": (opensmtpd, ("opensmtpd",)),
    "cyrus": (cyrus, ("cyrus-caldav", "cyrus-imapd", "sasl2-bin")),
    "davical": (php, ("davical", "php-cli")),
    "odbc": (odbc, ("unixodbc",)),
    "wine": (wine, ("wine", "wine64")),
    "compiler": (compiler, ("^libicu[0-9]+$",)),  # each Debian has one version of ICU, and apt knows which
}
FETCHED: dict[str, Callable[[], None]] = {"compiler": fetch_compiler}
"""What comes from elsewhere than the system, but for the packages above."""

OTHERWISE = {"chromium": "chromium-with-windows"}
"""What is installed where the first could not be: not every Debian has the package."""


def prepare(thing: str) -> str | None:
    """Install one of THINGS where that is possible, say what was done, and return its path."""
    there, packages = THINGS[thing]
    if thing in FETCHED and not there() and os.environ.get("IDENTSYNC_PREPARE") != "no":
        FETCHED[thing]()
    if path := there():
        say(f"{thing} is there: {path}")
    elif not may_install():
        say(f"no {thing} here (and no apt, or not root): what needs it will be skipped, or fail and say so")
    else:
        say(f"installing {thing} by apt (IDENTSYNC_PREPARE=no skips this)")
        install(packages)
        say(f"{thing}: {there() or 'could not be installed'}")
    if thing in OTHERWISE and not there() and may_install():
        return prepare(OTHERWISE[thing])
    return there()


def may_install() -> bool:
    """Tell whether this process may install packages on a system that has apt."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return root and shutil.which("apt-get") is not None and os.environ.get("IDENTSYNC_PREPARE") != "no"


def install(packages: tuple[str, ...]) -> None:
    """Install packages of the system; a failure is told by apt itself, nothing more."""
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *packages]):
        if subprocess.run(["apt-get", *command], env=quiet, check=False, stdout=sys.stderr).returncode:
            return


def say(sentence: str) -> None:
    """Print one line where it does not mix with a program's own output."""
    print(f"prepare: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    for name in sys.argv[1:] or ["chromium"]:
        prepare(name)
