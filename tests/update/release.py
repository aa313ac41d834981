"""The newer version: a copy of this program with one more migration, which makes a column and a table."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import identsync
from identsync.store import migrations

OWN = Path(identsync.__file__).parent
NEWER = "9999"  # of a release that does not exist yet
_MORE = f'''"""A column and a table more."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "{NEWER}", "{migrations.NEWEST}"


def upgrade() -> None:
    schema = op.get_context().version_table_schema
    op.add_column("task_slot", sa.Column("priority", sa.Integer(), nullable=True), schema=schema)
    op.create_table("novelty", sa.Column("fence", sa.BigInteger(), primary_key=True), schema=schema)
'''


def newer(folder: Path) -> Path:
    """Make the newer version in ``folder``; returns what goes onto the path."""
    shutil.copytree(OWN, folder / "identsync", ignore=shutil.ignore_patterns("__pycache__", "*.pyd"))
    grown = folder / "identsync" / "store" / "migrations"
    (grown / "versions" / "v9999_more.py").write_text(_MORE, encoding="utf-8")
    with (grown / "__init__.py").open("a", encoding="utf-8") as known:
        known.write(f'REVISIONS["{NEWER}"] = REVISIONS[NEWEST]\nNEEDED = NEWEST = "{NEWER}"\n')
    return folder


def older(folder: Path, commit: str) -> Path:
    """Take the older version from a commit of this repository, with the core as it is compiled here."""
    house = OWN.parents[1]
    packed = subprocess.run(["git", "archive", commit, "src/identsync"], cwd=house, check=True, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    for compiled in (OWN / "core").glob("*.so"):
        shutil.copy(compiled, folder / "src" / "identsync" / "core")
    return folder / "src"
