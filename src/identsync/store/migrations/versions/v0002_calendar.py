"""The calendar's tables, and the network's key.

Revision 0002, an expansion: programs of 0001 do not notice.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _network_key()
    _calendar_account()
    _calendar_link()


def downgrade() -> None:
    raise NotImplementedError("the engine's tables are never taken back")


def _schema() -> str | None:
    return op.get_context().version_table_schema


def _network_key() -> None:
    op.create_table(
        "network_key",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        schema=_schema(),
    )


def _calendar_account() -> None:
    op.create_table(
        "calendar_account",
        sa.Column("destination", sa.String(length=40), nullable=False),
        sa.Column("doctor_id", sa.BigInteger(), nullable=False),
        sa.Column("login", sa.Unicode(length=320), nullable=False),
        sa.Column("home", sa.Unicode(length=1000), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("destination", "doctor_id"),
        schema=_schema(),
    )


def _calendar_link() -> None:
    op.create_table(
        "calendar_link",
        sa.Column("destination", sa.String(length=40), nullable=False),
        sa.Column("doctor_id", sa.BigInteger(), nullable=False),
        sa.Column("scope", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Unicode(length=1000), nullable=False),
        sa.Column("own", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("problem", sa.Unicode(length=400), nullable=True),
        sa.Column("token", sa.Unicode(length=2000), nullable=True),
        sa.Column("looked_ms", sa.BigInteger(), nullable=True),
        sa.Column("synced_ms", sa.BigInteger(), nullable=True),
        sa.Column("repaired", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("strange", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("destination", "doctor_id"),
        schema=_schema(),
    )
