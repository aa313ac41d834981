"""The register of what goes to N3.Health.

Revision 0006, an expansion: programs of 0005 do not notice.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _egisz_item()
    _egisz_exchange()
    _egisz_contract()
    _egisz_book()


def downgrade() -> None:
    raise NotImplementedError("the engine's tables are never taken back")


def _schema() -> str | None:
    return op.get_context().version_table_schema


def _egisz_item() -> None:
    op.create_table(
        "egisz_item",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("organisation", sa.String(length=40), nullable=False),
        sa.Column("what", sa.String(length=8), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("own_id", sa.String(length=64), nullable=False),
        sa.Column("branch_id", sa.Integer(), nullable=False),
        sa.Column("doctor_id", sa.BigInteger(), nullable=True),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("wanted", sa.BigInteger(), nullable=True),
        sa.Column("sent", sa.BigInteger(), nullable=True),
        sa.Column("tried", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retry_ms", sa.BigInteger(), nullable=True),
        sa.Column("missing", sa.UnicodeText(), nullable=False),
        sa.Column("complaints", sa.UnicodeText(), nullable=False),
        sa.Column("number", sa.Unicode(length=60), nullable=True),
        sa.Column("taken_ms", sa.BigInteger(), nullable=True),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("organisation", "what", "key"),
        schema=_schema(),
    )
    op.create_index("egisz_item_by_change", "egisz_item", ["changed_ms"], schema=_schema())
    op.create_index("egisz_item_by_doctor", "egisz_item", ["doctor_id", "state"], schema=_schema())
    op.create_index("egisz_item_by_patient", "egisz_item", ["patient_id"], schema=_schema())
    op.create_index("egisz_item_by_state", "egisz_item", ["organisation", "what", "state", "at_ms"], schema=_schema())


def _egisz_exchange() -> None:
    op.create_table(
        "egisz_exchange",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("organisation", sa.String(length=40), nullable=False),
        sa.Column("item_id", sa.BigInteger(), nullable=True),
        sa.Column("operation", sa.String(length=20), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("fate", sa.String(length=8), nullable=False),
        sa.Column("words", sa.Unicode(length=400), nullable=False),
        sa.Column("request", sa.UnicodeText(), nullable=False),
        sa.Column("answer", sa.UnicodeText(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema=_schema(),
    )
    op.create_index("egisz_exchange_by_item", "egisz_exchange", ["item_id"], schema=_schema())
    op.create_index("egisz_exchange_by_time", "egisz_exchange", ["at_ms"], schema=_schema())


def _egisz_contract() -> None:
    op.create_table(
        "egisz_contract",
        sa.Column("organisation", sa.String(length=40), nullable=False),
        sa.Column("service", sa.String(length=8), nullable=False),
        sa.Column("wsdl", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Unicode(length=100), nullable=False),
        sa.Column("fetched_ms", sa.BigInteger(), nullable=False),
        sa.Column("drift", sa.Unicode(length=400), nullable=True),
        sa.PrimaryKeyConstraint("organisation", "service"),
        schema=_schema(),
    )


def _egisz_book() -> None:
    op.create_table(
        "egisz_book",
        sa.Column("organisation", sa.String(length=40), nullable=False),
        sa.Column("oid", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Unicode(length=60), nullable=False),
        sa.Column("fetched_ms", sa.BigInteger(), nullable=False),
        sa.Column("codes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "oid"),
        schema=_schema(),
    )
