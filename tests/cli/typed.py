"""Windows only: run ``identsync ARGUMENTS`` in a console of its own and type KEYS there when it asks.

``python typed.py KEYS ARGUMENTS...`` prints JSON: the exit code, standard error, and what stood on the screen.
"""

import contextlib
import json
import msvcrt
import os
import subprocess
import sys
import time
from typing import Any

import win32con
import win32console
import win32file

ROWS = 10
ASKS_WITHIN_S = 60


def main(keys: str, arguments: list[str]) -> dict[str, object]:
    own_console()
    keyboard, screen = device("CONIN$"), device("CONOUT$")
    command = [sys.executable, "-m", "identsync", *arguments]
    with subprocess.Popen(command, stdin=keyboard, stdout=screen, stderr=subprocess.PIPE) as process:
        until = time.monotonic() + ASKS_WITHIN_S
        while not reads_keys(keyboard) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        handle(keyboard).WriteConsoleInput([key(letter, down) for letter in keys for down in (True, False)])
        _out, said = process.communicate()
    return {"code": process.returncode, "said": said.decode(), "screen": shown(screen)}


def own_console() -> None:
    with contextlib.suppress(win32console.error):  # there was none
        win32console.FreeConsole()
    win32console.AllocConsole()


def device(name: str) -> int:
    access = win32con.GENERIC_READ | win32con.GENERIC_WRITE
    opened = win32file.CreateFile(name, access, 3, None, win32con.OPEN_EXISTING, 0, None)
    return msvcrt.open_osfhandle(opened.Detach(), os.O_RDWR)


def reads_keys(keyboard: int) -> bool:
    """Tell whether the prompt waits for a key: then Ctrl-C is one of them."""
    return not handle(keyboard).GetConsoleMode() & win32console.ENABLE_PROCESSED_INPUT


def handle(file: int) -> Any:
    return win32console.PyConsoleScreenBufferType(msvcrt.get_osfhandle(file))


def shown(screen: int) -> str:
    """The upper rows of the screen, without the reset of colours that Wine's console shows and Windows' obeys."""
    width = handle(screen).GetConsoleScreenBufferInfo()["Size"].X
    rows = [handle(screen).ReadConsoleOutputCharacter(width, win32console.PyCOORDType(0, y)) for y in range(ROWS)]
    return "\n".join(row.rstrip() for row in rows).replace("\x1b[0m", "").strip()


def key(letter: str, down: bool) -> Any:
    record = win32console.PyINPUT_RECORDType(win32console.KEY_EVENT)
    record.KeyDown, record.RepeatCount, record.Char = down, 1, letter
    if letter == "\r":
        record.VirtualKeyCode = win32con.VK_RETURN
    return record


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], sys.argv[2:])))
