"""A small clinic in a file, its settings, and the command line as a process."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from warm import Cli, Warm, fresh

from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.store.connect import store_engine


@pytest.fixture(scope="session")
def clinic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clinic of one branch in a file, to be copied."""
    path = tmp_path_factory.mktemp("cli") / "identsync.db"
    engine = store_engine(f"sqlite:///{path}")
    generate(engine, GeneratorSettings(branches=1, doctors=2, days=3, seed=1))
    engine.dispose()
    return path


@pytest.fixture
def folder(tmp_path: Path, clinic_file: Path) -> Path:
    """A folder with identsync.toml and a clinic of one branch beside it."""
    shutil.copy(clinic_file, tmp_path)
    text = '[client]\nbranch = 1\n[database]\nurl = "sqlite:///identsync.db"\n[console]\nport = 0\n'
    (tmp_path / "identsync.toml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """The process that commands are forked from."""
    with Warm() as warm:
        yield warm


@pytest.fixture
def cli(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Run ``identsync`` with arguments in the folder, as a process."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        env = os.environ | {"IDENTSYNC_LANG": "ru", "IDENTSYNC_SETTINGS": "identsync.toml"} | environment
        if os.name == "nt" or any(name.startswith("PYTHON") for name in environment):  # read before anything else is
            return fresh(arguments, tmp_path, env)
        warm: Warm = request.getfixturevalue("warm")
        return warm.identsync(arguments, tmp_path, env, tmp_path_factory.mktemp("streams") / "cli")

    return run
