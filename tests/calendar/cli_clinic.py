"""A folder with settings and a clinic, in which commands are run as people run them."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from servers import PASSWORD  # type: ignore[import-not-found]

from identsync.cli import main
from identsync.demo.caldav.process import CalDavProcess
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.store import open_store
from identsync.store.connect import store_engine

SEAL = "общий ключ всей сети клиник"
ENVIRONMENT = {"IDENTSYNC_LANG": "ru", "IDENTSYNC_SETTINGS": "identsync.toml", "SEAL": SEAL, "CLINIC": PASSWORD}
TODAY = time.time_ns() // 86_400_000_000_000


@dataclass
class Clinic:
    """A folder with settings and a clinic of one branch with two doctors beside them."""

    folder: Path
    patch: pytest.MonkeyPatch
    shown: pytest.CaptureFixture[str]

    def settings(self, table: str) -> None:
        text = '[client]\nbranch = 1\nlog = "error"\n[database]\nurl = "sqlite:///identsync.db"\n[console]\nport = 0\n'
        (self.folder / "identsync.toml").write_text(f"{text}[calendar.own]\n{table}\n", encoding="utf-8")

    def __call__(self, *arguments: str, given: str = "", **environment: str) -> tuple[int, str]:
        """Run a command with a text on its standard input; return exit code and all it said."""
        with self.patch.context() as patch:
            patch.chdir(self.folder)
            for name, value in (ENVIRONMENT | environment).items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode()), "utf-8"))
            with pytest.raises(SystemExit) as ended:
                main(list(arguments))
        out, said = self.shown.readouterr()
        assert PASSWORD not in out + said
        return int(ended.value.code or 0), out + said

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Run a command as a process."""
        pipes: Any = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            [sys.executable, "-m", "identsync", *arguments],
            cwd=self.folder, encoding="utf-8", env=os.environ | ENVIRONMENT | environment, **pipes,
        )  # fmt: skip

    def listed(self) -> dict[int, dict[str, Any]]:
        code, out = self("calendar", "list", "--json")
        assert code == 0
        [destination] = json.loads(out[out.index("{\n") :])["destinations"]
        return {doctor["doctor"]: doctor for doctor in destination["doctors"]}

    def read(self, fn: Callable[[Any], Any]) -> Any:
        store = open_store(f"sqlite:///{self.folder / 'identsync.db'}")
        try:
            with store.read() as connection:
                return fn(connection)
        finally:
            store.close()


@pytest.fixture
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Clinic:
    engine = store_engine(f"sqlite:///{tmp_path / 'identsync.db'}")
    generate(engine, GeneratorSettings(branches=1, doctors=2, days=4, seed=1, first_day=TODAY - 1, fill=0.4))
    engine.dispose()
    return Clinic(tmp_path, monkeypatch, capsys)


@pytest.fixture
def own(clinic: Clinic, stub: CalDavProcess) -> Clinic:
    """Doctors connect accounts of their own."""
    clinic.settings(f'kind = "caldav"\nurl = "{stub.url.rstrip("/")}"\nseal = "env:SEAL"\nrate = 500.0')
    return clinic
