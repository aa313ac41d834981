"""A small clinic in a file, its settings, and the command line as a process."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.store.connect import database_url, store_engine

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with identsync.toml and a clinic of one branch beside it."""
    engine = store_engine(database_url(f"sqlite:///{tmp_path / 'identsync.db'}"))
    generate(engine, GeneratorSettings(branches=1, doctors=2, days=3, seed=1))
    engine.dispose()
    text = '[client]\nbranch = 1\n[database]\nurl = "sqlite:///identsync.db"\n[console]\nport = 0\n'
    (tmp_path / "identsync.toml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run ``identsync`` with arguments in the folder."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "identsync", *arguments]
        env = os.environ | {"IDENTSYNC_LANG": "ru", "IDENTSYNC_SETTINGS": "identsync.toml"} | environment
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=300, env=env, check=False
        )

    return run
