"""Where patients live: the tables of the map.

Revision 0004, an expansion: programs of 0003 do not notice.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    _geo_place()
    _geo_fix()


def downgrade() -> None:
    raise NotImplementedError("the engine's tables are never taken back")


def _schema() -> str | None:
    return op.get_context().version_table_schema


def _geo_place() -> None:
    op.create_table(
        "geo_place",
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retry_ms", sa.BigInteger(), nullable=True),
        sa.Column("address", sa.Unicode(length=400), nullable=False),
        sa.Column("patients", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("answer", sa.Unicode(length=400), nullable=True),
        sa.Column("provider", sa.String(length=40), nullable=True),
        sa.Column("precision", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("latitude", sa.Integer(), nullable=True),
        sa.Column("longitude", sa.Integer(), nullable=True),
        sa.Column("cell", sa.BigInteger(), nullable=True),
        sa.Column("misses", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("asked_of", sa.BigInteger(), nullable=True),
        sa.Column("asked_ms", sa.BigInteger(), nullable=True),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        schema=_schema(),
    )
    op.create_index("geo_place_by_point", "geo_place", ["latitude", "longitude"], schema=_schema())
    op.create_index("geo_place_by_state", "geo_place", ["state", "precision"], schema=_schema())


def _geo_fix() -> None:
    op.create_table(
        "geo_fix",
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("address", sa.Unicode(length=400), nullable=True),
        sa.Column("latitude", sa.Integer(), nullable=True),
        sa.Column("longitude", sa.Integer(), nullable=True),
        sa.Column("by", sa.Unicode(length=100), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        schema=_schema(),
    )
