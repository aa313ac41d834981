"""What N3 has of a case that stays open.

Revision 0007, an expansion: programs of 0006 do not notice.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("egisz_item", sa.Column("is_open", sa.SmallInteger(), nullable=True), schema=_schema())
    op.add_column("egisz_item", sa.Column("steps", sa.UnicodeText(), nullable=True), schema=_schema())


def downgrade() -> None:
    raise NotImplementedError("the engine's tables are never taken back")


def _schema() -> str | None:
    return op.get_context().version_table_schema
