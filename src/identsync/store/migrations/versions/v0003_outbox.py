"""The outbox, and the messages' tables.

Revision 0003, an expansion: programs of 0002 do not notice.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _outbox()
    _outbox_event()
    _outbox_receipt()
    _message()
    _message_file()
    _message_template()
    _message_rule()
    _message_campaign()
    _message_consent()
    _message_stop()
    _message_reply()
    _message_channel()
    _message_policy()


def downgrade() -> None:
    raise NotImplementedError("the engine's tables are never taken back")


def _schema() -> str | None:
    return op.get_context().version_table_schema


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("lot", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=True),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("channel", sa.String(length=40), nullable=True),
        sa.Column("address", sa.Unicode(length=320), nullable=True),
        sa.Column("provider_id", sa.Unicode(length=200), nullable=True),
        sa.Column("reason", sa.Unicode(length=400), nullable=True),
        sa.Column("answer", sa.Unicode(length=400), nullable=True),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("submitted_ms", sa.BigInteger(), nullable=True),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key", "stream"),
        schema=_schema(),
    )
    op.create_index("outbox_by_due", "outbox", ["stream", "scope", "state", "rank", "due_ms"], schema=_schema())
    op.create_index("outbox_by_lot", "outbox", ["lot", "state"], schema=_schema())
    op.create_index("outbox_by_provider", "outbox", ["channel", "provider_id"], schema=_schema())
    op.create_index("outbox_by_time", "outbox", ["made_ms"], schema=_schema())
    op.create_index("outbox_by_token", "outbox", ["token"], schema=_schema())


def _outbox_event() -> None:
    op.create_table(
        "outbox_event",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("outbox_id", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("by", sa.Unicode(length=100), nullable=False),
        sa.Column("note", sa.Unicode(length=400), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema=_schema(),
    )
    op.create_index("outbox_event_by_row", "outbox_event", ["outbox_id"], schema=_schema())


def _outbox_receipt() -> None:
    op.create_table(
        "outbox_receipt",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("stream", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("provider_id", sa.Unicode(length=200), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("address", sa.Unicode(length=320), nullable=True),
        sa.Column("fate", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Unicode(length=400), nullable=True),
        sa.Column("answer", sa.Unicode(length=400), nullable=True),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("outbox_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        schema=_schema(),
    )
    op.create_index("outbox_receipt_by_provider", "outbox_receipt", ["channel", "provider_id"], schema=_schema())


def _message() -> None:
    op.create_table(
        "message",
        sa.Column("outbox_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("medium", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=True),
        sa.Column("template_id", sa.BigInteger(), nullable=True),
        sa.Column("rule_id", sa.BigInteger(), nullable=True),
        sa.Column("appointment_id", sa.BigInteger(), nullable=True),
        sa.Column("appointment_start", sa.BigInteger(), nullable=True),
        sa.Column("branch_id", sa.Integer(), nullable=True),
        sa.Column("subject", sa.Unicode(length=400), nullable=True),
        sa.Column("text", sa.UnicodeText(), nullable=True),
        sa.Column("parts", sa.Integer(), nullable=True),
        sa.Column("kopecks", sa.Integer(), nullable=True),
        sa.Column("made_by", sa.Unicode(length=100), nullable=False),
        sa.Column("urgent", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("outbox_id"),
        schema=_schema(),
    )
    op.create_index("message_by_patient", "message", ["patient_id"], schema=_schema())


def _message_file() -> None:
    op.create_table(
        "message_file",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("outbox_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Unicode(length=200), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema=_schema(),
    )
    op.create_index("message_file_by_message", "message_file", ["outbox_id"], schema=_schema())


def _message_template() -> None:
    op.create_table(
        "message_template",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Unicode(length=100), nullable=False),
        sa.Column("medium", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("subject", sa.Unicode(length=400), server_default=sa.text("''"), nullable=False),
        sa.Column("text", sa.UnicodeText(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("state", sa.String(length=8), server_default=sa.text("'on'"), nullable=False),
        sa.Column("changed_by", sa.Unicode(length=100), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema=_schema(),
    )


def _message_rule() -> None:
    op.create_table(
        "message_rule",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Unicode(length=100), nullable=False),
        sa.Column("template_id", sa.BigInteger(), nullable=False),
        sa.Column("before_minutes", sa.Integer(), nullable=False),
        sa.Column("filter", sa.UnicodeText(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("state", sa.String(length=8), server_default=sa.text("'on'"), nullable=False),
        sa.Column("changed_by", sa.Unicode(length=100), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema=_schema(),
    )


def _message_campaign() -> None:
    op.create_table(
        "message_campaign",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Unicode(length=100), nullable=False),
        sa.Column("template_id", sa.BigInteger(), nullable=False),
        sa.Column("filter", sa.UnicodeText(), nullable=False),
        sa.Column("per_day", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("filled_ms", sa.BigInteger(), nullable=True),
        sa.Column("made_by", sa.Unicode(length=100), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema=_schema(),
    )


def _message_consent() -> None:
    op.create_table(
        "message_consent",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("medium", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("given", sa.SmallInteger(), nullable=False),
        sa.Column("source", sa.Unicode(length=100), nullable=False),
        sa.Column("text_version", sa.Unicode(length=100), server_default=sa.text("''"), nullable=False),
        sa.Column("address", sa.Unicode(length=320), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Unicode(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema=_schema(),
    )
    op.create_index(
        "message_consent_by_patient", "message_consent", ["patient_id", "medium", "kind", "at_ms"], schema=_schema()
    )


def _message_stop() -> None:
    op.create_table(
        "message_stop",
        sa.Column("medium", sa.String(length=8), nullable=False),
        sa.Column("address", sa.Unicode(length=320), nullable=False),
        sa.Column("source", sa.Unicode(length=100), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("medium", "address"),
        schema=_schema(),
    )


def _message_reply() -> None:
    op.create_table(
        "message_reply",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("sender", sa.Unicode(length=320), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=True),
        sa.Column("text", sa.UnicodeText(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), server_default=sa.text("'open'"), nullable=False),
        sa.Column("done_by", sa.Unicode(length=100), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("channel", "key"),
        schema=_schema(),
    )
    op.create_index("message_reply_by_state", "message_reply", ["state", "at_ms"], schema=_schema())


def _message_channel() -> None:
    op.create_table(
        "message_channel",
        sa.Column("channel", sa.String(length=40), nullable=False),
        sa.Column("balance_kopecks", sa.BigInteger(), nullable=True),
        sa.Column("balance_words", sa.Unicode(length=200), nullable=True),
        sa.Column("problem", sa.Unicode(length=400), nullable=True),
        sa.Column("looked_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel"),
        schema=_schema(),
    )


def _message_policy() -> None:
    op.create_table(
        "message_policy",
        sa.Column("scope", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("quiet_from", sa.Integer(), nullable=False),
        sa.Column("quiet_until", sa.Integer(), nullable=False),
        sa.Column("per_day", sa.Integer(), nullable=False),
        sa.Column("service_consent", sa.SmallInteger(), nullable=False),
        sa.Column("changed_by", sa.Unicode(length=100), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope"),
        schema=_schema(),
    )
