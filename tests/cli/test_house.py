"""The house itself: the top level, the sdist, the translations, what an import costs."""

import ast
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import polib
import pytest

from identsync import language
from identsync.integrations import ROOMS

HOUSE = Path(__file__).parents[2]
TOP = {"pyproject.toml", "setup.py", "README.md", "cext", "src", "tests", "benchmarks"}


def tracked() -> list[str]:
    if not (HOUSE / ".git").exists():
        pytest.skip("not a git checkout")
    done = subprocess.run(["git", "ls-files"], cwd=HOUSE, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_the_top_level_is_seven_entries_and_gits_own() -> None:
    names = {name.partition("/")[0] for name in tracked()}
    assert names - {".ci", ".gitignore", ".gitattributes"} == TOP
    assert not any(name.endswith("uv.lock") for name in tracked())


def test_every_room_has_the_same_files() -> None:
    for room in ROOMS:
        folder = HOUSE / "src/identsync/integrations" / room
        for name in ("__init__.py", "settings.py", "task.py"):
            assert (folder / name).is_file(), f"{room}/{name}"
        assert (folder / "wire.py").is_file() or (folder / "wire").is_dir()


def test_modules_stay_readable() -> None:
    """No module over 500 lines (DESIGN: the rooms)."""
    sources = [HOUSE / name for name in tracked() if name.endswith((".py", ".pyx", ".pxd", ".pyi"))]
    long = {
        str(file): lines
        for file in sources
        if file.exists() and (lines := len(file.read_text("utf-8").splitlines())) > 500
    }
    assert long == {}


def test_the_sdist_is_complete(tmp_path: Path) -> None:
    names = tracked()
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "-x", "--outdir", str(tmp_path), str(HOUSE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {name for name in names if name.startswith(("cext/", "src/", "tests/", "benchmarks/"))}
    missing = {name for name in wanted if (HOUSE / name).exists()} - held
    assert missing == set()
    assert not {name for name in held if name.endswith((".c", ".so", ".pyd"))}


def sentences() -> Iterator[str]:
    """Yield each sentence that is said through identsync.language, and each description of a settings key."""
    for file in (HOUSE / "src/identsync").rglob("*.py"):
        text = file.read_text("utf-8")
        if "identsync.language" not in text and "Meta(" not in text:
            continue  # to parse a module takes longer than to see that it says nothing
        tree = ast.parse(text)
        speaks = any(isinstance(n, ast.ImportFrom) and n.module == "identsync.language" for n in ast.walk(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if speaks and node.func.id == "_" and node.args and isinstance(node.args[0], ast.Constant):
                    yield node.args[0].value
                if node.func.id == "Meta":
                    yield from (ast.literal_eval(k.value) for k in node.keywords if k.arg == "description")


def test_every_sentence_has_its_english_with_the_same_places() -> None:
    import string

    catalogue = {e.msgid: e.msgstr for e in polib.pofile(str(HOUSE / "src/identsync/locale/en.po"))}
    assert sorted({text for text in sentences() if not catalogue.get(text)}) == []
    for russian, english in catalogue.items():
        places = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (russian, english)]
        assert places[0] == places[1], russian


def test_a_language_is_chosen_as_the_environment_asks() -> None:
    assert language.preferred({}) == "ru"
    assert language.preferred({"LANG": "C.UTF-8"}) == "ru"
    assert language.preferred({"LANG": "en_US.UTF-8"}) == "en"
    assert language.preferred({"LANG": "en_US.UTF-8", "IDENTSYNC_LANG": "ru"}) == "ru"


def test_a_client_imports_nothing_that_draws() -> None:
    heavy = ["rich", "typer", "pydantic", "click", "starlette", "uvicorn", "jinja2", "alembic", "phonenumbers", "httpx"]
    code = "import sys, identsync.cli.running as running\nrunning._spare_terminals()\n"
    code += "import identsync.engine.loop, identsync.console.server\n"
    code += f"print([name for name in {heavy} if sys.modules.get(name)])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
