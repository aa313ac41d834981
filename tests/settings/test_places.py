"""Where settings are looked for, and files that are long, locked, or written by Windows' editors."""

import errno
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from identsync import files, places, settings
from identsync.errors import SettingsError
from identsync.settings.template import template
from identsync.store import open_store
from identsync.vault import furnish

SMALL = '[client]\nbranch = 1\n[database]\nurl = "sqlite:///база.db"\n[console]\nuser = "Регистратура"\n'
WINDOWS = sys.platform == "win32"


def test_what_windows_people_expect() -> None:
    given = {"PROGRAMDATA": "D:/Data", "LOCALAPPDATA": "C:/Users/Анна/AppData/Local"}
    machine, user = places.machine(given, "win32"), places.user(given, "win32")
    assert machine.settings == Path("D:/Data/identsync/identsync.toml")
    assert machine.logs == Path("D:/Data/identsync/logs")
    assert user.secrets == Path("C:/Users/Анна/AppData/Local/identsync/secrets")
    assert places.machine({}, "win32").data == Path("C:/ProgramData/identsync/data")


def test_what_linux_people_expect(tmp_path: Path) -> None:
    assert places.machine({}, "linux").settings == Path("/etc/identsync/identsync.toml")
    assert places.user({}, "linux").settings == Path.home() / ".config/identsync/identsync.toml"
    named = places.user({"XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": "relative"}, "linux")
    assert named.settings == tmp_path / "identsync/identsync.toml"
    assert named.secrets == Path.home() / ".local/share/identsync/secrets"


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The three places where a settings file may lie, all of them in a folder of the test."""
    for name in ("PROGRAMDATA", "LOCALAPPDATA", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv(places.VARIABLE, raising=False)
    machine = places.Places(places.Scope.MACHINE, *(tmp_path / "machine" / name for name in "abcd"))
    monkeypatch.setattr(places, "machine", lambda *_given: machine)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return list(places.searched())


def test_the_nearest_settings_win_and_named_ones_before_all(found: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert places.settings_file() == Path("identsync.toml")
    with pytest.raises(SettingsError) as caught:
        settings.load(places.settings_file())
    assert str(found[1]) in caught.value.problems[0].hint
    for file in reversed(found):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(SMALL, encoding="utf-8")
        assert places.settings_file() == file
    monkeypatch.setenv(places.VARIABLE, "named.toml")
    assert places.settings_file() == Path("named.toml")
    assert places.settings_file("given.toml") == Path("given.toml")


def test_a_session_gets_folders_and_settings_that_fit(found: list[Path]) -> None:
    here = furnish(places.Scope.USER)
    assert here.logs.is_dir()
    here.settings.write_text(template(f"sqlite:///{(here.data / 'identsync.db').as_posix()}"), encoding="utf-8")
    assert (
        settings.load(places.settings_file()).database_url() == f"sqlite:///{(here.data / 'identsync.db').as_posix()}"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_whatever_editor_wrote_the_settings(tmp_path: Path, encoding: str, end: str) -> None:
    file = tmp_path / "identsync.toml"
    file.write_bytes(SMALL.replace("\n", end).encode(encoding))
    assert settings.load(file).console.user == "Регистратура"


def test_a_code_page_is_not_guessed(tmp_path: Path) -> None:
    file = tmp_path / "identsync.toml"
    file.write_bytes(SMALL.encode("cp1251"))
    with pytest.raises(SettingsError, match="UTF-8"):
        settings.load(file)


def test_deep_folders_with_cyrillic_names_and_signs(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["Клиника №1 100% #1 @ «Улыбка» & Ко"] * 2)
    files.reachable(deep).mkdir(parents=True)
    files.write(deep / "identsync.toml", SMALL.encode())
    made = settings.load(deep / "identsync.toml")
    store = open_store(made.database_url())
    store.migrate()
    store.close()
    assert (deep / "база.db").exists()


def test_paths_over_260_characters(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["Очень длинное название папки" * 2] * 6)
    assert len(str(deep)) > 300
    files.reachable(deep).mkdir(parents=True)
    files.write(deep / "identsync.toml", SMALL.encode())
    made = settings.load(deep / "identsync.toml")
    if WINDOWS:
        with pytest.raises(SettingsError, match="240"):
            made.database_url()
    else:
        assert made.database_url().endswith("база.db")
    assert files.remove(deep / "identsync.toml")
    assert not files.remove(deep / "identsync.toml")


def test_long_paths_as_windows_wants_them_spelled() -> None:
    deep = "C:\\" + "a" * 300
    assert files.extended(deep) == "\\\\?\\" + deep
    assert files.extended("\\\\server\\share\\" + "a" * 300).startswith("\\\\?\\UNC\\server\\share\\a")
    assert files.extended("C:\\a") == "C:\\a"
    assert files.extended("\\\\?\\" + deep) == "\\\\?\\" + deep


def held(times: int, code: int) -> Callable[[], str]:
    """Something that Windows refuses so many times."""
    left = [times]

    def act() -> str:
        if left[0]:
            left[0] -= 1
            error = PermissionError(errno.EACCES, "used by another process")
            error.winerror = code  # type: ignore[attr-defined]
            raise error
        return "done"

    return act


def test_a_file_that_an_antivirus_holds_for_a_moment_is_waited_for() -> None:
    waits: list[float] = []
    assert files.patiently(held(5, 32), wait=waits.append) == "done"
    assert waits == sorted(waits)
    assert files.patiently(held(3, 5), wait=waits.append) == "done"
    with pytest.raises(PermissionError):
        files.patiently(held(100, 5), wait=waits.append)


def test_a_file_that_stays_locked_is_told_after_five_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    with pytest.raises(files.FileBusy) as caught:
        files.patiently(held(1000, 32), wait=waits.append)
    assert 5 <= sum(waits) < 6
    monkeypatch.setattr(files, "read", lambda *_given: (_ for _ in ()).throw(caught.value))
    with pytest.raises(SettingsError) as told:
        settings.load(tmp_path / "identsync.toml")
    assert "занят другой программой" in told.value.problems[0].what
    assert "антивирус" in told.value.problems[0].hint


@pytest.mark.skipif(not WINDOWS, reason="only Windows locks what is open")
def test_a_file_that_another_program_really_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes

    file = tmp_path / "secret.dat"
    file.write_bytes(b"before")
    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    kernel.CreateFileW.restype = ctypes.c_void_p
    kernel.CloseHandle.argtypes = (ctypes.c_void_p,)
    handle = kernel.CreateFileW(str(file), 0x80000000, 0, None, 3, 0, None)  # read, shared with nobody, existing
    waits: list[float] = []

    def let_go(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            kernel.CloseHandle(handle)

    monkeypatch.setattr(files.patiently, "__defaults__", (files.PATIENCE_S, let_go))
    assert files.read(file, 10) == b"before"
    assert len(waits) == 3
    files.write(file, b"after")
    assert file.read_bytes() == b"after"
