"""What the three flows keep: mirrors, cursors, effects."""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Unicode,
    UnicodeText,
    UniqueConstraint,
    text,
)

from identsync.store.tables.home import ID, metadata

# -- the mirror ------------------------------------------------------------------------------------------------------

mirror_stream = Table(
    "mirror_stream",
    metadata,
    Column("stream", String(64), nullable=False, doc="'room/destination'"),
    Column("scope", BigInteger, nullable=False),
    Column("confirmed", LargeBinary, doc="core.columns.Columns.pack() of what the other side acknowledged"),
    Column(
        "weight", BigInteger, nullable=False, server_default=text("0"), doc="size of the desired side last accepted"
    ),
    Column("asked_weight", BigInteger, doc="the brake is on: this weight waits for a person"),
    Column("approved_weight", BigInteger, doc="a person allowed shrinking down to this weight, once"),
    Column("changed_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("stream", "scope"),
)
mirror_item = Table(
    "mirror_item",
    metadata,
    Column("stream", String(64), nullable=False),
    Column("scope", BigInteger, nullable=False),
    Column("key", BigInteger, nullable=False, doc="64-bit identity of the item"),
    Column("digest", BigInteger, nullable=False, doc="what was sent, or was to be sent"),
    Column("state", String(16), nullable=False, doc="confirmed, rejected, later, unknown"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("retry_ms", BigInteger),
    Column("label", Unicode(200), doc="what a person calls the item; no personal data"),
    Column("answer", Unicode(400), doc="what the other side said, cut"),
    Column("payload", LargeBinary, doc="room's own: what was last confirmed (timetable: packed boards)"),
    Column("changed_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("stream", "scope", "key"),
)

# -- the intake ------------------------------------------------------------------------------------------------------

intake_cursor = Table(
    "intake_cursor",
    metadata,
    Column("stream", String(64), nullable=False),
    Column("scope", BigInteger, nullable=False),
    Column("cursor_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("stream", "scope"),
)
intake_reject = Table(
    "intake_reject",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("stream", String(64), nullable=False),
    Column("key", String(64), nullable=False, doc="sha256 hex of the raw row: the same bad row is listed once"),
    Column("received_ms", BigInteger, nullable=False),
    Column("problems", UnicodeText, nullable=False, doc="JSON list of what is wrong, all of it"),
    Column("raw", UnicodeText, nullable=False, doc="the row as it came, cut at 8,000 characters"),
    Column("state", String(16), nullable=False, server_default=text("'open'"), doc="open, done"),
    UniqueConstraint("stream", "key"),
)

# -- the outbox ------------------------------------------------------------------------------------------------------

outbox = Table(
    "outbox",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("stream", String(64), nullable=False, doc="'room/what'"),
    Column("scope", BigInteger, nullable=False, doc="whose run sends it; 0 = the network"),
    Column("key", String(64), nullable=False, doc="business key: planned twice, it is one row"),
    Column(
        "state",
        String(16),
        nullable=False,
        doc="held, planned, submitting, accepted, delivered, failed, expired, unknown, skipped, cancelled",
    ),
    Column("due_ms", BigInteger, nullable=False, doc="not before"),
    Column("until_ms", BigInteger, nullable=False, doc="not after"),
    Column("rank", SmallInteger, nullable=False, doc="0 goes first"),
    Column("lot", BigInteger, doc="what is held, released and cancelled together"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("fence", BigInteger, doc="of the run that took it"),
    Column("token", String(32), doc="our own id of the last attempt: written before its first byte"),
    Column("channel", String(40), doc="by which it went"),
    Column("address", Unicode(320), doc="to whom it went"),
    Column("provider_id", Unicode(200), doc="what the other side calls it"),
    Column("reason", Unicode(400), doc="why it is where it is: a message key"),
    Column("answer", Unicode(400), doc="what the other side said, cut"),
    Column("made_ms", BigInteger, nullable=False),
    Column("submitted_ms", BigInteger, doc="when the last attempt was announced"),
    Column("changed_ms", BigInteger, nullable=False),
    UniqueConstraint("key", "stream"),
    Index("outbox_by_due", "stream", "scope", "state", "rank", "due_ms"),
    Index("outbox_by_provider", "channel", "provider_id"),
    Index("outbox_by_token", "token"),
    Index("outbox_by_lot", "lot", "state"),
    Index("outbox_by_time", "made_ms"),
)
outbox_event = Table(
    "outbox_event",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("outbox_id", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("by", Unicode(100), nullable=False, doc="'' = the engine"),
    Column("note", Unicode(400), nullable=False),
    Index("outbox_event_by_row", "outbox_id"),
)
outbox_receipt = Table(
    "outbox_receipt",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("stream", String(64), nullable=False),
    Column("channel", String(40), nullable=False),
    Column("provider_id", Unicode(200), nullable=False),
    Column("token", String(32)),
    Column("address", Unicode(320)),
    Column("fate", String(16), nullable=False),
    Column("reason", Unicode(400)),
    Column("answer", Unicode(400)),
    Column("received_ms", BigInteger, nullable=False),
    Column("outbox_id", BigInteger, doc="the row it came for; NULL = none known yet"),
    Index("outbox_receipt_by_provider", "channel", "provider_id"),
)
