"""The first tables: limiter, journal, mirror, intake, leads.

Revision 0001; nothing before it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _task_slot()
    _rate_slot()
    _presence()
    _client()
    _schema_mark()
    _run_log()
    _mirror_stream()
    _mirror_item()
    _intake_cursor()
    _intake_reject()
    _lead()
    _lead_event()


def _schema() -> str | None:
    return op.get_context().version_table_schema


def downgrade() -> None:
    raise NotImplementedError("the engine's tables are never taken back")


def _task_slot() -> None:
    op.create_table(
        "task_slot",
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.BigInteger(), nullable=False),
        sa.Column("eligible_ms", sa.BigInteger(), nullable=False),
        sa.Column("stamp_ms", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=True),
        sa.Column("request", sa.String(length=64), nullable=True),
        sa.Column("started_ms", sa.BigInteger(), nullable=True),
        sa.Column("finished_ms", sa.BigInteger(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_ok_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Unicode(length=400), nullable=True),
        sa.Column("paused", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("min_proto", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("scope", "kind"),
        postgresql_with={"fillfactor": 50},
        sqlite_with_rowid=False,
        schema=_schema(),
    )


def _rate_slot() -> None:
    op.create_table(
        "rate_slot",
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.BigInteger(), nullable=False),
        sa.Column("tat_ms", sa.BigInteger(), nullable=False),
        sa.Column("stamp_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "scope"),
        postgresql_with={"fillfactor": 50},
        sqlite_with_rowid=False,
        schema=_schema(),
    )


def _presence() -> None:
    op.create_table(
        "presence",
        sa.Column("scope", sa.BigInteger(), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("role", sa.SmallInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "client"),
        postgresql_with={"fillfactor": 50},
        sqlite_with_rowid=False,
        schema=_schema(),
    )


def _client() -> None:
    op.create_table(
        "client",
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("computer", sa.Unicode(length=64), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("client"),
        schema=_schema(),
    )


def _schema_mark() -> None:
    op.create_table(
        "schema_mark",
        sa.Column("compatible_from", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("compatible_from"),
        schema=_schema(),
    )


def _run_log() -> None:
    op.create_table(
        "run_log",
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("role", sa.SmallInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("finished_ms", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("counts", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("note", sa.Unicode(length=400), nullable=True),
        sa.PrimaryKeyConstraint("kind", "scope", "fence"),
        postgresql_with={"fillfactor": 50},
        sqlite_with_rowid=False,
        schema=_schema(),
    )
    op.create_index("run_log_by_time", "run_log", ["started_ms"], schema=_schema())


def _mirror_stream() -> None:
    op.create_table(
        "mirror_stream",
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.BigInteger(), nullable=False),
        sa.Column("confirmed", sa.LargeBinary(), nullable=True),
        sa.Column("weight", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("asked_weight", sa.BigInteger(), nullable=True),
        sa.Column("approved_weight", sa.BigInteger(), nullable=True),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "scope"),
        schema=_schema(),
    )


def _mirror_item() -> None:
    op.create_table(
        "mirror_item",
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retry_ms", sa.BigInteger(), nullable=True),
        sa.Column("label", sa.Unicode(length=200), nullable=True),
        sa.Column("answer", sa.Unicode(length=400), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "scope", "key"),
        schema=_schema(),
    )


def _intake_cursor() -> None:
    op.create_table(
        "intake_cursor",
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.BigInteger(), nullable=False),
        sa.Column("cursor_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "scope"),
        schema=_schema(),
    )


def _intake_reject() -> None:
    op.create_table(
        "intake_reject",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("problems", sa.UnicodeText(), nullable=False),
        sa.Column("raw", sa.UnicodeText(), nullable=False),
        sa.Column("state", sa.String(length=16), server_default=sa.text("'open'"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("stream", "key"),
        schema=_schema(),
    )


def _lead() -> None:
    op.create_table(
        "lead",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.Unicode(length=400), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("phone", sa.Unicode(length=100), nullable=False),
        sa.Column("phone_e164", sa.String(length=20), nullable=True),
        sa.Column("email", sa.Unicode(length=320), nullable=True),
        sa.Column("full_name", sa.Unicode(length=400), nullable=True),
        sa.Column("form", sa.Unicode(length=400), nullable=True),
        sa.Column("comment", sa.UnicodeText(), nullable=True),
        sa.Column("plan_start_ms", sa.BigInteger(), nullable=True),
        sa.Column("plan_end_ms", sa.BigInteger(), nullable=True),
        sa.Column("doctor_id", sa.BigInteger(), nullable=True),
        sa.Column("doctor_name", sa.Unicode(length=400), nullable=True),
        sa.Column("utm", sa.UnicodeText(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("referer", sa.Unicode(length=2000), nullable=True),
        sa.Column("patient_id", sa.BigInteger(), nullable=True),
        sa.Column("patients", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.String(length=16), server_default=sa.text("'new'"), nullable=False),
        sa.Column("state_by", sa.Unicode(length=100), nullable=True),
        sa.Column("state_ms", sa.BigInteger(), nullable=True),
        sa.Column("answered_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("site", "key"),
        schema=_schema(),
    )
    op.create_index("lead_by_state", "lead", ["state", "made_ms"], schema=_schema())


def _lead_event() -> None:
    op.create_table(
        "lead_event",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("lead_id", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("by", sa.Unicode(length=100), nullable=False),
        sa.Column("note", sa.Unicode(length=1000), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        schema=_schema(),
    )
    op.create_index("lead_event_by_lead", "lead_event", ["lead_id"], schema=_schema())
