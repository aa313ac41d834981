"""Wine as the Windows machine: a prefix of our own under build/windows/, programs run in it, their words passed on."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from cpython import HOUSE, WORK

sys.path.insert(0, str(HOUSE / "tests"))
from prepare import prepare

# Programs in Rust ask this DLL of Windows 10 for random numbers; Debian 12's Wine 8 does not have it yet.
PRNG = """
#include <stddef.h>
__declspec(dllimport) unsigned char __stdcall SystemFunction036(void *, unsigned long);
__declspec(dllexport) int __stdcall ProcessPrng(unsigned char *to, size_t n) {
    return SystemFunction036(to, (unsigned long)n);
}
int __stdcall DllMain(void *a, unsigned long b, void *c) { return 1; }
"""
# libpq says so in Wine at the end of every process, without an end of line.
NOISE = b"unrecognized win32 error code: 127"
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TERM", "CI")


class Machine:
    """A Windows 10 of our own in Wine."""

    def __init__(self, wine: str, prefix: Path = WORK / "prefix") -> None:
        self._wine = wine
        self._prefix = prefix
        self._environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        self._environment |= {"WINEPREFIX": str(prefix), "WINEARCH": "win64", "WINEDEBUG": "-all"}
        if not (prefix / "ready").exists():
            self._install()

    def _install(self) -> None:
        self._prefix.mkdir(parents=True, exist_ok=True)
        for command in (
            ["wineboot", "-i"],
            ["reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f"],
            # Windows without a display: a client hears of log-off through one
            ["reg", "add", r"HKCU\Software\Wine\Drivers", "/v", "Graphics", "/d", "null", "/f"],
        ):
            if code := self.run(*command, timeout=600):
                sys.exit(f"Wine: {' '.join(command)}: exit code {code}")
        source = WORK / "prng.c"
        source.write_text(PRNG, encoding="utf-8")
        target = self._prefix / "drive_c/windows/system32/bcryptprimitives.dll"
        zig = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-windows-gnu", "-O2", "-s", "-shared"]
        subprocess.run([*zig, str(source), "-ladvapi32", "-o", str(target)], check=True)
        (self._prefix / "ready").touch()

    def run(self, *command: str, timeout: float, cwd: Path | None = None, **environment: str) -> int:
        """Run a Windows program, pass on what it prints, and return its exit code; after ``timeout`` it is ended."""
        # Wine's Python finds no valid handle in some files: its output is a pipe, always.
        process = subprocess.Popen(
            [self._wine, *command], cwd=cwd, env=self._environment | environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        timer = threading.Timer(timeout, self.stop)
        timer.start()
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line.replace(NOISE, b"").decode(errors="replace").replace("\r\n", "\n"))
            sys.stdout.flush()
        timer.cancel()
        return process.wait()

    def stop(self) -> None:
        """End every process of this prefix, and of no other."""
        server = Path(self._wine).with_name("wineserver64")
        command = [str(server) if server.exists() else "wineserver", "-k"]
        subprocess.run(command, env=self._environment, check=False)


def windows_path(path: Path) -> str:
    """Return what a Windows program in Wine calls a path of this machine."""
    return "Z:" + str(path.resolve()).replace("/", "\\")


def machine() -> Machine | None:
    """Return the machine, made by the first call; None where Wine cannot be had, and prepare has said so."""
    wine = prepare("wine")
    return Machine(wine) if wine else None
