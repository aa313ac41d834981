"""The limiter's rows and the journal."""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    Unicode,
    text,
)

from identsync.store.tables.home import metadata

# On PostgreSQL a page is left half empty, so that a row's new version fits beside the old one and no index is touched.
# On SQLite these tables are their own primary index: one tree less to write.
_ROOM = {"fillfactor": 50}

# -- the limiter (facts: limiter.md B5) ------------------------------------------------------------------------------
# Keys are ASCII varchar, not nvarchar: a parameter of the other kind would cost SQL Server its index seek.

task_slot = Table(
    "task_slot",
    metadata,
    Column("kind", String(64), nullable=False, doc="task name, 'room/destination', or 'seat'"),
    Column("scope", BigInteger, nullable=False, doc="branch id, 0 = the whole network"),
    Column("eligible_ms", BigInteger, nullable=False, doc="next due time or end of the lease: the only gate"),
    Column("stamp_ms", BigInteger, nullable=False, doc="when eligible_ms was written: in the future = clock set back"),
    Column("fence", BigInteger, nullable=False, server_default=text("0"), doc="rises with every claim"),
    Column("holder", String(64), doc="client id, random per process start; NULL = not running"),
    Column("request", String(64), doc="id of the ask that won: a lost reply is recognised by it"),
    Column("started_ms", BigInteger),
    Column("finished_ms", BigInteger),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("last_ok_ms", BigInteger),
    Column("last_error", Unicode(400)),
    Column("paused", SmallInteger, nullable=False, server_default=text("0"), doc="1 = a person paused it"),
    Column("min_proto", Integer, nullable=False, server_default=text("1")),
    PrimaryKeyConstraint("scope", "kind"),  # this order: the seat's reply lists the slots of its scope
    postgresql_with=_ROOM,
    sqlite_with_rowid=False,
)
rate_slot = Table(
    "rate_slot",
    metadata,
    Column("channel", String(64), nullable=False),
    Column("scope", BigInteger, nullable=False),
    Column("tat_ms", BigInteger, nullable=False, doc="from when the next permit is good (GCRA)"),
    Column("stamp_ms", BigInteger, nullable=False, doc="when this row was written: a clock set back is seen by it"),
    PrimaryKeyConstraint("channel", "scope"),
    postgresql_with=_ROOM,
    sqlite_with_rowid=False,
)
presence = Table(
    "presence",
    metadata,
    Column("scope", BigInteger, nullable=False),
    Column("client", String(64), nullable=False),
    Column("role", SmallInteger, nullable=False, doc="0 administrator, 1 director"),
    Column("seen_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("scope", "client"),
    postgresql_with=_ROOM,
    sqlite_with_rowid=False,
)
client = Table(
    "client",
    metadata,
    Column("client", String(64), nullable=False, doc="client id, random per process start"),
    Column("computer", Unicode(64), nullable=False, doc="what people call it: shown to them, never a holder"),
    Column("started_ms", BigInteger, nullable=False),
    Column("revision", String(32), nullable=False, doc="the newest revision of these tables that the client knows"),
    PrimaryKeyConstraint("client"),
)
schema_mark = Table(
    "schema_mark",
    metadata,
    Column("compatible_from", String(32), nullable=False, doc="clients that know this revision may work here"),
    PrimaryKeyConstraint("compatible_from"),
)
pulse = Table(
    "pulse",
    metadata,
    Column("name", String(64), nullable=False, doc="what there may be news of"),
    Column("beat", BigInteger, nullable=False, doc="rises with every news: whoever saw another number looks"),
    PrimaryKeyConstraint("name"),
    postgresql_with=_ROOM,
    sqlite_with_rowid=False,
)

# -- the journal -----------------------------------------------------------------------------------------------------

run_log = Table(
    "run_log",
    metadata,
    Column("kind", String(64), nullable=False),
    Column("scope", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("holder", String(64), nullable=False),
    Column("role", SmallInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False, doc="the grid instant this run serves"),
    Column("started_ms", BigInteger, nullable=False),
    Column("finished_ms", BigInteger, doc="NULL = running, or its client died"),
    Column("outcome", String(16), nullable=False, doc="running, or identsync.engine.integration.Status"),
    Column("counts", Text, nullable=False, server_default=text("'{}'"), doc="JSON object of whole numbers"),
    Column("note", Unicode(400), doc="the error or remark, without personal data"),
    PrimaryKeyConstraint("kind", "scope", "fence"),
    Index("run_log_by_time", "started_ms"),
    postgresql_with=_ROOM,
    sqlite_with_rowid=False,
)
