"""The files of secrets: damaged, foreign, of another version or user, written by many at once."""

import os
import sys
import threading
from pathlib import Path

import pytest

from identsync import places
from identsync.errors import AskPerson
from identsync.places import Scope
from identsync.values import secret
from identsync.vault import Vault

WINDOWS = sys.platform == "win32"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "секреты", Scope.USER)


def only_file(vault: Vault) -> Path:
    [file] = vault.folder.iterdir()
    return file


def trouble(vault: Vault, name: str = "key") -> str:
    with pytest.raises(AskPerson) as caught:
        vault.get(name)
    assert caught.value.hint
    assert "тайна" not in repr(caught.value) + caught.value.hint
    return str(caught.value)


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("value", ["x", "Ключ №1 ☎", " с краю ", "две\r\nстроки\n", "ж" * 32_768])
def test_a_value_comes_back_as_it_was(tmp_path: Path, scope: Scope, value: str) -> None:
    vault = Vault(tmp_path / "secrets", scope)
    vault.set("key", "earlier")
    vault.set("KEY", value)
    assert vault.get("Key") == value
    assert [(entry.name, entry.scope, entry.trouble) for entry in vault.entries()] == [("key", scope, "")]
    assert value not in repr(vault) + repr(list(vault.entries())) or len(value) == 1
    assert vault.remove("key")
    assert vault.get("key") is None


def test_names_that_windows_keeps_for_devices(vault: Vault) -> None:
    for name in ("con", "NUL", "com1"):
        vault.set(name, name)
    assert [vault.get(name) for name in ("con", "nul", "com1")] == ["con", "NUL", "com1"]


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda content: content[:-1], "повреждён"),
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "повреждён"),
        (lambda content: content + b"x", "повреждён"),
        (lambda content: content.replace(b" 1 ", b" 2 ", 1), "новой версией"),
        (lambda content: b"identsync-secret 1 keychain " + content.split(b" ", 3)[3], "другой системе"),
        (lambda _content: b"", "не файл секрета"),
        (lambda _content: b"\xff\xfe<html>\n" * 9, "не файл секрета"),
        (lambda _content: b"identsync-secret 1 \xff \xff\nx", "повреждён"),
        (lambda _content: b"identsync-secret 1 a b\n" + b"x" * 200_000, "повреждён"),
    ],
)  # fmt: skip
def test_a_damaged_or_foreign_file_is_told_and_can_be_written_anew(vault: Vault, damage: object, word: str) -> None:
    vault.set("key", "тайна")
    file = only_file(vault)
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    assert word in trouble(vault)
    assert [word in entry.trouble for entry in vault.entries()] == [True]
    vault.set("key", "тайна 2")
    assert vault.get("key") == "тайна 2"


def test_what_is_no_secret_lies_there_undisturbed(vault: Vault) -> None:
    vault.set("key", "тайна")
    for name in ("desktop.ini", "secret-.dat", "secret-ключ.dat", "secret-key.dat.bak"):
        (vault.folder / name).write_bytes(b"")
    assert [entry.name for entry in vault.entries()] == ["key"]


@pytest.mark.skipif(WINDOWS, reason="modes of files are POSIX")
def test_a_file_open_to_others_is_refused_until_it_is_closed(vault: Vault) -> None:
    vault.set("key", "тайна")
    only_file(vault).chmod(0o640)
    assert "открыт другим" in trouble(vault)
    vault.folder.chmod(0o755)
    vault.set("key", "тайна")
    assert vault.get("key") == "тайна"
    assert vault.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(WINDOWS or os.geteuid() != 0, reason="needs root to become another user")
def test_a_secret_of_another_user(vault: Vault) -> None:
    vault.set("key", "тайна")
    os.seteuid(65_534)
    try:
        assert "другим пользователем" in trouble(vault)
        machine = Vault(vault.folder, Scope.MACHINE)
        assert "секреты службы ему недоступны" in trouble(machine)
        with pytest.raises(AskPerson, match="только администратор"):
            machine.set("key", "чужая")
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not WINDOWS, reason="sealed by Windows alone")
def test_a_sealed_file_in_another_ones_place_does_not_open(vault: Vault) -> None:
    """As a file of another user or computer: Windows gives the bytes to nobody else."""
    vault.set("key", "тайна")
    only_file(vault).rename(vault.folder / "secret-other.dat")
    assert "другим пользователем" in trouble(vault, "other")


def test_many_writers_and_readers_at_once_see_whole_values(vault: Vault) -> None:
    vault.set("key", "0" * 5000)
    wrong: list[object] = []

    def write(digit: str) -> None:
        try:
            for _ in range(15):
                vault.set("key", digit * 5000)
                value = vault.get("key")
                if value is None or len(value) != 5000 or len(set(value)) != 1:
                    wrong.append(value)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=write, args=(digit,)) for digit in "1234"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert [file.name for file in vault.folder.iterdir()] == ["secret-key.dat"]


def test_what_a_killed_writer_left_is_swept_after_an_hour(vault: Vault) -> None:
    vault.set("key", "тайна")
    for name, age in (("new-old.tmp", 7200), ("new-young.tmp", 60)):
        file = vault.folder / name
        file.touch()
        moment = file.stat().st_mtime - age
        os.utime(file, (moment, moment))
    vault.set("key", "тайна")
    assert {file.name for file in vault.folder.iterdir()} == {"secret-key.dat", "new-young.tmp"}


def test_the_users_own_secret_is_before_the_computers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def at(scope: Scope) -> places.Places:
        return places.Places(scope, tmp_path, tmp_path / scope, tmp_path, tmp_path)

    monkeypatch.setattr(places, "user", lambda: at(Scope.USER))
    monkeypatch.setattr(places, "machine", lambda: at(Scope.MACHINE))
    Vault(tmp_path / "machine", Scope.MACHINE).set("key", "computer")
    assert secret("secret:key") == "computer"
    Vault(tmp_path / "user", Scope.USER).set("key", "own")
    assert secret("secret:key") == "own"
    with pytest.raises(AskPerson, match="secret:other: такой секрет не записан"):
        secret("secret:other")
