"""The newer version: a copy of this program with one more migration, which makes a column and a table."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import identsync

OWN = Path(identsync.__file__).parent
NEWER = "0002"
_V0002 = '''"""A column and a table more."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    schema = op.get_context().version_table_schema
    op.add_column("task_slot", sa.Column("priority", sa.Integer(), nullable=True), schema=schema)
    op.create_table("novelty", sa.Column("fence", sa.BigInteger(), primary_key=True), schema=schema)
'''


def newer(folder: Path) -> Path:
    """Make the newer version in ``folder``; returns what goes onto the path."""
    shutil.copytree(OWN, folder / "identsync", ignore=shutil.ignore_patterns("__pycache__", "*.pyd"))
    migrations = folder / "identsync" / "store" / "migrations"
    (migrations / "versions" / "v0002_more.py").write_text(_V0002, encoding="utf-8")
    known = migrations / "__init__.py"
    text = known.read_text(encoding="utf-8").replace('{"0001": "0001"}', '{"0001": "0001", "0002": "0001"}')
    known.write_text(text.replace('NEEDED = "0001"', 'NEEDED = "0002"'), encoding="utf-8")
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
