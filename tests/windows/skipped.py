"""What is not run in Wine, and why: a pytest plugin. Wine's gaps stand here; what Windows has not, at its test."""

import _winapi  # type: ignore[import-not-found,unused-ignore]
import os
import subprocess
import sys
from pathlib import Path

import pytest

SKIPPED = {
    "test_service_windows.py::test_what_lay_in_a_folder_before_it_was_closed_is_closed_too": "it has no access lists",
    "tests/demo/test_demo.py::test_killing_the_holder": "its processes start too slowly for its intervals",
}
# Other people's servers run on Linux; how we speak to them is tried against the stub here.
SERVERS = {
    "radicale": "Radicale does not start: it takes away a link to a folder, which Wine makes otherwise than Windows",
    "xandikos": "Xandikos takes seconds for a change and cannot delete a calendar",
}


def pytest_sessionfinish(exitstatus: int) -> None:
    """Keep the outcome for suite.py: a program that Wine breaks off may look like one that ended well."""
    Path(os.environ["IDENTSYNC_OUTCOME"]).write_text(str(int(exitstatus)), "ascii")


def pytest_sessionstart() -> None:
    """Let Wine start its desktop now: the first window does, and the desktop keeps the pipes of who opened it.

    Python 3.12 copies files by a function that Wine 8 has only by name: calling it breaks the program off.
    """
    vars(_winapi).pop("CopyFile2", None)
    nowhere, opening = subprocess.DEVNULL, "import win32gui; win32gui.GetDesktopWindow()"
    subprocess.run([sys.executable, "-c", opening], stdin=nowhere, stdout=nowhere, stderr=nowhere, check=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is listed."""
    for item in items:
        reasons = [reason for name, reason in SKIPPED.items() if name in item.nodeid]
        servers = [*getattr(item, "fixturenames", ()), *getattr(getattr(item, "callspec", None), "params", {}).values()]
        reasons += [reason for name, reason in SERVERS.items() if name in servers]
        for reason in reasons:
            item.add_marker(pytest.mark.skip(reason=f"Wine: {reason}"))
