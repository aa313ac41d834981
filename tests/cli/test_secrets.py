"""Secrets kept by the command line: the system's own keeping, and nothing of a value in any word."""

import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from warm import Cli

from identsync import places
from identsync.cli import main
from identsync.vault import vault

VALUE = "Пароль ☎ d!f'\"\\ " * 300  # 10 KB in UTF-8, with every quote
WINDOWS = sys.platform == "win32"
Secret = Callable[..., tuple[int, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of a user, with blanks and Cyrillic in their names."""
    local = tmp_path / "Пользователь Анна" / "AppData Local"
    for name in ("LOCALAPPDATA", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(local))
    monkeypatch.setenv("PROGRAMDATA", str(tmp_path / "ProgramData"))
    monkeypatch.setenv("IDENTSYNC_LANG", "ru")
    return local / "identsync" / "secrets"


@pytest.fixture
def secret(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Secret:
    """Run ``identsync secret`` with bytes on its standard input; return exit code and all it said."""

    def run(*arguments: str, given: bytes = b"") -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), "ascii"))
        with pytest.raises(SystemExit) as ended:
            main(["secret", *arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return int(ended.value.code or 0), said.out + said.err

    return run


def names(secret: Secret) -> dict[str, str]:
    return {one["name"]: one["trouble"] for one in json.loads(secret("list", "--json")[1])["secrets"]}


def test_from_standard_input_to_the_settings_and_away(secret: Secret, cli: Cli, folder: Path) -> None:
    code, said = secret("set", "Site-Key", given=(VALUE + "\r\n").encode())
    assert code == 0
    assert names(secret) == {"site-key": ""}
    listed = secret("list")[1]
    assert "site-key" in listed
    assert "сегодня" in listed
    file = folder / "identsync.toml"
    text = (
        file.read_text("utf-8") + 'host = "0.0.0.0"\npassword = "secret:site-key"\n[clinic]\npassword = "secret:no"\n'
    )
    file.write_text(text, encoding="utf-8")
    checked = cli("check").stderr  # another process of this user
    assert "[clinic] password: secret:no: такой секрет не записан" in checked
    assert "identsync secret set no" in checked
    assert "[console] password" not in checked
    assert secret("remove", "site-key")[0] == 0
    assert secret("remove", "site-key")[0] == 1
    assert VALUE[:6] not in said + listed + checked


def test_how_the_system_keeps_it(secret: Secret, home: Path) -> None:
    secret("set", "key", given=VALUE.encode())
    [file] = home.iterdir()
    if WINDOWS:
        assert VALUE[:6].encode() not in file.read_bytes()  # sealed
        assert VALUE[:6].encode("utf-16-le") not in file.read_bytes()
    else:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("given", "word"),
    [(b"", "пустой"), (b"\r\n", "пустой"), ("пароль".encode("cp1251"), "UTF-8"), (b"x" * 65_537, "64 КБ"),
     (b"a\0b", "64 КБ")],
    ids=["nothing", "an empty line", "cp1251", "too long", "a zero"],
)  # fmt: skip
def test_what_is_no_secret_is_refused_and_the_earlier_one_stays(
    secret: Secret, home: Path, given: bytes, word: str
) -> None:
    secret("set", "key", given=b"earlier")
    [file] = home.iterdir()
    before = file.read_bytes()
    code, said = secret("set", "key", given=given)
    assert code == 1
    assert word in said
    assert file.read_bytes() == before


def test_nobody_is_asked_where_nobody_sits(home: Path) -> None:
    """NUL of Windows says that it is a terminal."""
    command = [sys.executable, "-m", "identsync", "secret", "set", "key"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert "пустой" in done.stderr


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig", "utf-16"])
def test_notepad_and_powershell_may_have_written_the_file(secret: Secret, mark: str) -> None:
    """Windows PowerShell's ``>`` makes UTF-16, Notepad may put a mark before UTF-8."""
    from identsync.values import secret as value_of

    assert secret("set", "key", given="ключ\r\n".encode(mark))[0] == 0
    assert value_of("secret:KEY") == "ключ"


def test_a_value_or_a_wild_name_on_the_command_line_is_refused(secret: Secret) -> None:
    assert secret("set", "key", "hunter2")[0] == 2
    for name in ("../key", "ключ", "a/b", "a" * 65, "key.", "c:key"):
        code, said = secret("set", name, given=b"x")
        assert code == 1
        assert "латинские" in said
    assert names(secret) == {}


@pytest.fixture
def machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> places.Places:
    """The computer's places are in the test's folder, and so is the service's settings file."""
    machine = places.Places(places.Scope.MACHINE, folder / places.FILE, *(folder / name for name in "abc"))
    monkeypatch.setattr(places, "machine", lambda: machine)
    return machine


@pytest.mark.usefixtures("machine")
def test_a_person_tries_the_settings_of_a_service(
    secret: Secret, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is kept for this person alone works here and would not work there."""
    with (folder / places.FILE).open("a", encoding="utf-8") as file:
        file.write('host = "0.0.0.0"\npassword = "secret:page"\n')

    def checked() -> tuple[object, str]:
        with pytest.raises(SystemExit) as ended:
            main(["check", "--settings", str(folder / places.FILE)])
        return ended.value.code, capsys.readouterr().err

    secret("set", "page", given=b"x")
    code, said = checked()
    assert code == 1
    assert "служба его не прочтёт" in said
    assert "identsync secret set page --machine" in said
    secret("set", "page", "--machine", given=b"x")
    assert checked()[0] == 0  # what was asked for is done
    secret("set", "page", "--machine", given=b"another")
    code, said = checked()
    assert code == 1  # the commands of this person would try a value that the service does not use
    assert "identsync secret remove page" in said
    secret("remove", "page")
    assert checked()[0] == 0


@pytest.mark.skipif(WINDOWS or os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.usefixtures("machine")
def test_what_a_person_may_not_look_at_is_not_said_to_be_missing(secret: Secret) -> None:
    secret("set", "page", "--machine", given=b"x")
    os.seteuid(65_534)
    try:
        assert "видит только администратор" in secret("list")[1]
    finally:
        os.seteuid(0)


@pytest.mark.skipif(WINDOWS, reason="a terminal of POSIX")
def test_a_prompt_does_not_show_what_is_typed(home: Path) -> None:
    code, shown = at_the_prompt("тайна\n")
    assert code == 0
    assert "тайна" not in shown
    assert next(home.iterdir()).read_bytes().endswith("\nтайна".encode())


@pytest.mark.skipif(WINDOWS, reason="a pseudo-terminal; Windows has its own test below")
def test_ctrl_c_at_the_prompt_keeps_nothing_and_says_so(home: Path) -> None:
    code, shown = at_the_prompt("тайн\x03")
    assert code == 130
    assert "ничего не записано" in shown
    assert not list(home.glob("*"))


def at_the_prompt(keys: str) -> tuple[int, str]:
    """Type keys where ``secret set`` asks; the exit code and what stood on the terminal."""
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "identsync", "secret", "set", "key"])
    shown = b""
    while "видно".encode() not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, keys.encode())
    try:
        while piece := os.read(terminal, 1000):
            shown += piece
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


@pytest.mark.skipif(not WINDOWS, reason="a console of Windows")
@pytest.mark.parametrize(("keys", "code", "kept"), [("Тайна №1\r", 0, "Тайна №1"), ("Тайна\x03", 130, None)])
def test_a_value_typed_in_a_console_is_kept_and_not_shown(home: Path, keys: str, code: int, kept: str | None) -> None:
    program = str(Path(__file__).with_name("typed.py"))
    done = subprocess.run([sys.executable, program, keys, "secret", "set", "site"], capture_output=True, check=True)
    told = json.loads(done.stdout)
    assert told["code"] == code, told
    assert told["screen"] == "Значение (при вводе не видно):"
    assert "Traceback" not in told["said"]
    assert vault(places.Scope.USER).get("site") == kept
