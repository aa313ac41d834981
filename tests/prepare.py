"""First step of ``poe check``: what the tests need from the system beside Python.

Where this is root on a Debian without Chromium, Chromium is installed by apt; everywhere else nothing is changed and
the browser tests skip themselves, by name. Environment: IDENTSYNC_CHROMIUM names a browser, IDENTSYNC_PREPARE=no
keeps the system as it is.
"""

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")


def chromium() -> str | None:
    """Return the path of a Chromium of this system."""
    given = os.environ.get("IDENTSYNC_CHROMIUM")
    return given or next((path for name in NAMES if (path := shutil.which(name))), None)


def main() -> None:
    """Install Chromium where that is possible, and say what was done."""
    if path := chromium():
        print(f"prepare: Chromium is there: {path}", flush=True)
    elif not may_install():
        print("prepare: no Chromium here (and no apt, or not root): the browser tests will be skipped", flush=True)
    else:
        print("prepare: installing Chromium by apt (IDENTSYNC_PREPARE=no skips this)", flush=True)
        install()
        print(f"prepare: {chromium() or 'no Chromium could be installed: browser tests will be skipped'}", flush=True)


def may_install() -> bool:
    """Tell whether this process may install packages on a system that has apt."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return root and shutil.which("apt-get") is not None and os.environ.get("IDENTSYNC_PREPARE") != "no"


def install() -> None:
    """Install Chromium; a failure is told by apt itself and skips the browser tests, nothing more."""
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium", "fonts-dejavu-core"],
    ):
        if subprocess.run(command, env=quiet, check=False).returncode:
            return


if __name__ == "__main__":
    main()
