"""``poe bundle``: dist/identsync-windows/, a folder that runs on a Windows without Python and without internet.

It holds python.org's embeddable CPython, identsync's abi3 wheel and all it needs, installed, and start scripts.
``bundle.py --try`` starts the demo from it in Wine and waits until a lead stands on the page.
"""

import compileall
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request

from cpython import HOUSE, embeddable_cpython
from wine import Machine, machine

BUNDLE = HOUSE / "dist" / "identsync-windows"
START = '@echo off\r\nchcp 65001 >nul\r\n"%~dp0python\\python.exe" -m identsync {command}\r\n'
SCRIPTS = {
    "identsync.cmd": START.format(command="%*") + "exit /b %errorlevel%\r\n",
    "demo.cmd": START.format(command="demo %*") + "pause\r\n",
}
README = """identsync для Windows 10 и новее, 64 бита. Python и интернет для запуска не нужны.

demo.cmd             показать работу на выдуманной сети клиник: откройте напечатанный адрес в браузере
identsync.cmd init   записать identsync.toml в текущую папку, каждый ключ пояснён
identsync.cmd check  проверить базы, таблицы и сайты
identsync.cmd run    работать, пока не нажата Ctrl-C
identsync.cmd --help всё остальное

Папку можно скопировать куда угодно целиком. Для SQL Server нужен ещё Microsoft ODBC Driver 18.

identsync for Windows 10 and later, 64 bit: demo.cmd shows it at work, identsync.cmd is the program (--lang en --help).
"""
WINDOWS = (
    "advapi32 bcrypt bcryptprimitives cabinet comctl32 comdlg32 credui crypt32 dbghelp gdi32 iphlpapi kernel32 ktmw32 "
    "loadperf lz32 mpr msi msimg32 mswsock ncrypt netapi32 ntdll ntdsapi odbc32 ole32 oleacc oleaut32 pdh rasapi32 "
    "rpcrt4 secur32 sfc shell32 shlwapi urlmon user32 userenv uxtheme version winhttp wininet winmm ws2_32 wtsapi32"
)
# Of pywin32: an editor, COM, examples. They want Microsoft's C++ runtime, and nothing here wants them.
UNWANTED = ("bin", "pythonwin", "win32com", "win32comext", "adodbapi", "isapi", "win32/Demos", "win32/test")
LEAD_WITHIN_S = 60


def main() -> int:
    """Make the folder, or try it."""
    if "--try" in sys.argv:
        wine = machine()
        return attempt(wine) if wine else 0
    make()
    if missing := foreign_libraries():
        sys.exit(f"the bundle would need libraries that a bare Windows 10 has not: {', '.join(sorted(missing))}")
    size = sum(file.stat().st_size for file in BUNDLE.rglob("*") if file.is_file())
    print(f"{BUNDLE.relative_to(HOUSE)}: {size / 1e6:.0f} MB")
    return 0


def make() -> None:
    """Make the folder anew from the wheel in dist/."""
    shutil.rmtree(BUNDLE, ignore_errors=True)
    python = BUNDLE / "python"
    embeddable_cpython(python)
    # The embeddable kind reads its path from here alone; site makes Lib/site-packages one with .pth files.
    (python / "python311._pth").write_text("python311.zip\r\n.\r\nLib\\site-packages\r\nimport site\r\n", newline="")
    packages = python / "Lib" / "site-packages"
    wheel = next((HOUSE / "dist").glob("*-abi3-win_amd64.whl"))
    command = ["uv", "pip", "install", "-q", "--target", str(packages), "--only-binary", ":all:"]
    target = ["--python-platform", "x86_64-pc-windows-msvc", "--python-version", "3.11"]
    subprocess.run([*command, *target, f"identsync[postgresql] @ {wheel.as_uri()}"], check=True)
    for name in UNWANTED:
        shutil.rmtree(packages / name, ignore_errors=True)
    if sys.version_info[:2] == (3, 11):  # its bytecode is that of the bundle's Python: the first start is no slower
        compileall.compile_dir(packages, quiet=2, stripdir=str(packages), workers=0)
    for name, text in SCRIPTS.items():
        (BUNDLE / name).write_text(text, encoding="ascii", newline="")
    (BUNDLE / "README.txt").write_text(README.replace("\n", "\r\n"), encoding="utf-8-sig", newline="")


def foreign_libraries() -> set[str]:
    """Return the DLLs that something in the bundle imports and neither the bundle nor Windows itself holds."""
    import pefile

    files = [file for file in BUNDLE.rglob("*") if file.suffix.lower() in {".dll", ".pyd", ".exe"}]
    asked = set()
    for file in files:
        program = pefile.PE(str(file), fast_load=True)
        program.parse_data_directories([pefile.DIRECTORY_ENTRY["IMAGE_DIRECTORY_ENTRY_IMPORT"]])
        asked |= {entry.dll.decode().lower() for entry in getattr(program, "DIRECTORY_ENTRY_IMPORT", ())}
        program.close()
    held = {file.name.lower() for file in files} | {f"{name}.dll" for name in WINDOWS.split()} | {"winspool.drv"}
    return {name for name in asked - held if not name.startswith("api-ms-win-")}


def attempt(wine: Machine) -> int:
    """Start the demo by its script and look at the page as a person would; 0 where a lead came in time."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    command = ["cmd", "/c", "identsync.cmd", "demo", "--port", str(port), "--seconds", str(LEAD_WITHIN_S)]
    demo = threading.Thread(target=lambda: wine.run(*command, timeout=LEAD_WITHIN_S + 60, cwd=BUNDLE))
    demo.start()
    seconds = lead_on_page(f"http://127.0.0.1:{port}/leads", started)
    wine.stop()
    demo.join()
    print(json.dumps({"lead_on_page_seconds": seconds}))
    return 0 if seconds else 1


def lead_on_page(url: str, started: float) -> float | None:
    """Wait for the first lead in the page of leads; seconds since ``started``."""
    while time.monotonic() - started < LEAD_WITHIN_S:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if b'id="lead-' in answer.read():
                    return round(time.monotonic() - started, 1)
        except OSError:
            pass  # not listening yet
        time.sleep(0.2)
    return None


if __name__ == "__main__":
    sys.exit(main())
