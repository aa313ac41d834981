"""limiter.pml, checked by spin: every interleaving of three clients on two slots, and mutants that it must find.

spin comes with ``apt install spin`` (tests/prepare.py does it where it may); without it these tests are skipped.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

MODEL = Path(__file__).with_name("limiter.pml")
if shutil.which("spin") is None or shutil.which("cc") is None:
    pytest.skip("spin (apt install spin) and a C compiler are not installed", allow_module_level=True)


def verified(folder: Path, *defines: str) -> str:
    """Return what the verifier of the model with these definitions says."""
    run(folder, "spin", *(f"-D{name}" for name in defines), "-a", str(MODEL))
    run(folder, "cc", "-O0", "-w", "-DSAFETY", "-o", "pan", "pan.c")
    return run(folder, "./pan", "-E", "-m10000")


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "defines", [("SLOTS=2", "END=3"), ("SLOTS=1", "END=6"), ("CLIENTS=2", "SLOTS=1", "END=6", "JUMP")], ids=" ".join
)
def test_no_interleaving_breaks_a_promise(tmp_path: Path, defines: tuple[str, ...]) -> None:
    said = verified(tmp_path, *defines)
    assert "errors: 0" in said
    assert "max search depth too small" not in said
    unreached = said.partition("unreached in proctype Client")[2].partition("unreached")[0]
    assert '"-end-"' in unreached  # clients never end,
    assert "(1 of " in unreached  # and every other step of theirs was taken


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        ("MUTANT_EFFECT", "assertion violated fresh[me]"),  # an effect without the fence loses an update
        ("MUTANT_FINISH", "assertion violated (success[s]"),  # a finish without it ends another's run
        ("MUTANT_TRUST", "now>=trusted[other]"),  # trust measured from the reply overlaps
        ("MUTANT_CLAIM", "assertion violated"),  # SELECT, then UPDATE
    ],
)
def test_the_model_bites(tmp_path: Path, mutant: str, promise: str) -> None:
    assert promise in verified(tmp_path, "SLOTS=1", "END=5", mutant)


def test_the_fence_holds_whatever_the_database_clock_does_and_nothing_else_would(tmp_path: Path) -> None:
    assert "assertion violated fresh[me]" in verified(tmp_path, "SLOTS=1", "END=5", "JUMP", "MUTANT_EFFECT")
