"""The whole file: what ``init`` writes is right, what people write wrong is told at once."""

from pathlib import Path

import pytest

from identsync import settings
from identsync.errors import AskPerson, SettingsError
from identsync.settings.template import template
from identsync.values import secret

SMALL = '[client]\nbranch = 1\n[database]\nurl = "sqlite:///a/b.db"\n'


def mistakes(text: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        settings.parse(text)
    return {problem.where: problem.hint for problem in caught.value.problems}


def is_key(line: str) -> bool:
    name, sign, _value = line.partition(" = ")
    return bool(sign) and name.isidentifier()


def test_the_new_file_is_right_and_explains_every_key() -> None:
    text = template()
    made = settings.parse(text)
    assert made.client.branch == 1
    assert made.rooms == {}
    lines = text.splitlines()
    keys = [
        place
        for place, line in enumerate(lines)
        if " = " in line and line.removeprefix("# ").split(" ")[0].isidentifier()
    ]
    assert len(keys) > 25
    for place in keys:
        assert lines[place - 1].startswith("# "), lines[place]


def test_the_new_file_with_every_line_switched_on_is_right_too() -> None:
    switched = []
    for line in template().splitlines():
        bare = line.removeprefix("# ")
        switched.append(bare if is_key(bare) or bare.startswith("[") else line)
    made = settings.parse("\n".join(switched))
    assert set(made.rooms) == {"timetable", "leads", "calendar", "messaging", "geocoding", "telephony", "egisz"}


def test_every_mistake_of_the_file_at_once() -> None:
    found = mistakes(
        '[cliend]\n[client]\nbranch = "1"\nroel = "x"\n[database]\nurl = "oracle://x"\n'
        '[console]\nhost = "0.0.0.0"\n[leads]\nurl = "x"\n[timetable."сайт"]\n'
    )
    assert set(found) >= {
        "[cliend]", "[client] branch", "[client] roel", "[database] url", "[console] password", "[leads]",
        "[timetable.сайт]",
    }  # fmt: skip
    assert "client" in found["[cliend]"]
    assert "role" in found["[client] roel"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[client", "identsync.toml"),
        ('client = 1\n[database]\nurl = "sqlite:///b.db"\n', "[client]"),
        (SMALL + "leads = 3", "[database] leads"),
    ],
)
def test_broken_shapes(text: str, where: str) -> None:
    assert where in mistakes(text)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    for name, content in [
        ("absent.toml", None),
        ("bytes.toml", b"\xff\xfe\x00"),
        ("big.toml", b"#" * (1 << 20) + b"##"),
    ]:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(SettingsError) as caught:
            settings.load(tmp_path / name)
        assert caught.value.problems[0].hint
    with pytest.raises(SettingsError):
        settings.load(tmp_path)


def test_paths_are_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "identsync.toml").write_text("\ufeff" + SMALL, encoding="utf-8")  # Notepad's mark is allowed
    made = settings.load(tmp_path / "identsync.toml")
    assert made.database_url() == f"sqlite:///{(tmp_path / 'a' / 'b.db').as_posix()}"
    assert made.clinic_url() == made.database_url()


def test_a_password_goes_into_the_url_late_and_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    made = settings.parse(
        '[client]\nbranch = 1\n[database]\nurl = "postgresql+psycopg://u@h/d"\npassword = "env:IDENTSYNC_TEST_PW"\n'
    )
    with pytest.raises(AskPerson, match="IDENTSYNC_TEST_PW"):
        made.database_url()
    monkeypatch.setenv("IDENTSYNC_TEST_PW", "p@ss/word")
    assert made.database_url() == "postgresql+psycopg://u:p%40ss%2Fword@h/d"
    assert "p@ss" not in repr(made)


def test_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring

    monkeypatch.setattr(keyring, "get_password", lambda service, user: f"{service}+{user}" if user == "a" else None)
    assert secret("keyring:ident/a") == "ident+a"
    for reference in ("keyring:ident/b", "env:IDENTSYNC_ABSENT", "literal"):
        with pytest.raises(AskPerson) as caught:
            secret(reference)
        assert caught.value.hint
        assert "literal" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "line"), [('[client]\nrole = "doctor\nbranch = 1\n', "2"), ("[client]\n[clinic]\n[client]\n", "3")]
)
def test_a_file_that_is_no_toml_names_the_line_in_the_readers_language(written: str, line: str) -> None:
    with pytest.raises(SettingsError) as told:
        settings.parse(written)
    assert f"строку {line}" in str(told.value.problems[0].hint)
