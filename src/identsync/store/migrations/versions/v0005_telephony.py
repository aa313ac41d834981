"""Telephony's tables, and the pulse that tells of news.

Revision 0005, an expansion: programs of 0004 do not notice.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _phone_call()
    _phone_missed()
    _phone_event()
    _phone_dial()
    _phone_seat()
    _phone_link()
    _phone_line()
    _phone_recording()
    _pulse()


def downgrade() -> None:
    raise NotImplementedError("the engine's tables are never taken back")


def _schema() -> str | None:
    return op.get_context().version_table_schema


def _phone_call() -> None:
    op.create_table(
        "phone_call",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("line", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("branch_id", sa.Integer(), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("phone", sa.Unicode(length=60), nullable=False),
        sa.Column("e164", sa.String(length=20), nullable=True),
        sa.Column("phone_key", sa.String(length=10), nullable=True),
        sa.Column("ours", sa.Unicode(length=60), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("answered_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("rang", sa.Unicode(length=400), nullable=False),
        sa.Column("extension", sa.String(length=40), nullable=True),
        sa.Column("employee", sa.Unicode(length=100), nullable=True),
        sa.Column("talked", sa.Unicode(length=400), nullable=False),
        sa.Column("recordings", sa.Unicode(length=4000), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("called_back", sa.SmallInteger(), nullable=True),
        sa.Column("utm", sa.Unicode(length=1000), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=True),
        sa.Column("patients", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("same_as", sa.BigInteger(), nullable=True),
        sa.Column("mark", sa.String(length=64), nullable=True),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("line", "key"),
        schema=_schema(),
    )
    op.create_index("phone_call_by_change", "phone_call", ["changed_ms"], schema=_schema())
    op.create_index("phone_call_by_mark", "phone_call", ["mark"], schema=_schema())
    op.create_index("phone_call_by_number", "phone_call", ["phone_key", "start_ms"], schema=_schema())
    op.create_index("phone_call_by_patient", "phone_call", ["patient_id"], schema=_schema())
    op.create_index("phone_call_by_state", "phone_call", ["state", "start_ms"], schema=_schema())
    op.create_index("phone_call_by_time", "phone_call", ["start_ms"], schema=_schema())
    op.create_index("phone_call_by_token", "phone_call", ["token"], schema=_schema())


def _phone_missed() -> None:
    op.create_table(
        "phone_missed",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("open_key", sa.String(length=64), nullable=False),
        sa.Column("phone_key", sa.String(length=10), nullable=False),
        sa.Column("phone", sa.Unicode(length=60), nullable=False),
        sa.Column("e164", sa.String(length=20), nullable=True),
        sa.Column("branch_id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=True),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_call", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("taken_by", sa.Unicode(length=100), nullable=True),
        sa.Column("taken_ms", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("note", sa.Unicode(length=400), nullable=True),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.Unicode(length=100), nullable=True),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("open_key"),
        schema=_schema(),
    )
    op.create_index("phone_missed_by_number", "phone_missed", ["phone_key"], schema=_schema())
    op.create_index("phone_missed_by_state", "phone_missed", ["state", "first_ms"], schema=_schema())


def _phone_event() -> None:
    op.create_table(
        "phone_event",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("missed_id", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("by", sa.Unicode(length=100), nullable=False),
        sa.Column("note", sa.Unicode(length=400), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        schema=_schema(),
    )
    op.create_index("phone_event_by_missed", "phone_event", ["missed_id"], schema=_schema())


def _phone_dial() -> None:
    op.create_table(
        "phone_dial",
        sa.Column("outbox_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("line", sa.String(length=40), nullable=False),
        sa.Column("extension", sa.String(length=40), nullable=False),
        sa.Column("e164", sa.String(length=20), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=True),
        sa.Column("missed_id", sa.BigInteger(), nullable=True),
        sa.Column("made_by", sa.Unicode(length=100), nullable=False),
        sa.PrimaryKeyConstraint("outbox_id"),
        schema=_schema(),
    )


def _phone_seat() -> None:
    op.create_table(
        "phone_seat",
        sa.Column("computer", sa.Unicode(length=64), nullable=False),
        sa.Column("user", sa.Unicode(length=100), nullable=False),
        sa.Column("line", sa.String(length=40), nullable=False),
        sa.Column("extension", sa.String(length=40), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("computer", "user"),
        schema=_schema(),
    )


def _phone_link() -> None:
    op.create_table(
        "phone_link",
        sa.Column("phone_key", sa.String(length=10), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Unicode(length=100), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("phone_key"),
        schema=_schema(),
    )


def _phone_line() -> None:
    op.create_table(
        "phone_line",
        sa.Column("line", sa.String(length=40), nullable=False),
        sa.Column("listening_ms", sa.BigInteger(), nullable=True),
        sa.Column("heard_ms", sa.BigInteger(), nullable=True),
        sa.Column("history_ms", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Unicode(length=400), nullable=True),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("line"),
        schema=_schema(),
    )


def _phone_recording() -> None:
    op.create_table(
        "phone_recording",
        sa.Column("call_id", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("file", sa.String(length=80), nullable=False),
        sa.Column("media_type", sa.String(length=60), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("stored_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "place"),
        schema=_schema(),
    )
    op.create_index("phone_recording_by_time", "phone_recording", ["stored_ms"], schema=_schema())


def _pulse() -> None:
    op.create_table(
        "pulse",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        postgresql_with={"fillfactor": 50},
        sqlite_with_rowid=False,
        schema=_schema(),
    )
