"""The engine's own tables, in schema ``identsync`` on SQL Server and PostgreSQL, in the one file on SQLite.

Times are bigint epoch milliseconds (UTC) and end in ``_ms``. Nothing here holds more of a person than the task needs.
Migrations in ``migrations/`` create them; ``tests/store`` compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    Unicode,
    UnicodeText,
    UniqueConstraint,
    text,
)

metadata = MetaData()
ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only an INTEGER PRIMARY KEY

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

# -- room leads ------------------------------------------------------------------------------------------------------

lead = Table(
    "lead",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("site", String(64), nullable=False, doc="the source's name in the settings"),
    Column("key", String(64), nullable=False, doc="sha256 hex of the site's own Id"),
    Column("external_id", Unicode(400), nullable=False),
    Column("made_ms", BigInteger, nullable=False, doc="when the person asked"),
    Column("received_ms", BigInteger, nullable=False),
    Column("phone", Unicode(100), nullable=False, doc="as it came"),
    Column("phone_e164", String(20), doc="NULL = not a number that can be called"),
    Column("email", Unicode(320)),
    Column("full_name", Unicode(400)),
    Column("form", Unicode(400)),
    Column("comment", UnicodeText),
    Column("plan_start_ms", BigInteger),
    Column("plan_end_ms", BigInteger),
    Column("doctor_id", BigInteger),
    Column("doctor_name", Unicode(400)),
    Column(
        "utm",
        UnicodeText,
        nullable=False,
        server_default=text("'{}'"),
        doc="JSON object: source, medium, campaign, term, content",
    ),
    Column("referer", Unicode(2000)),
    Column("patient_id", BigInteger, doc="the patient with that phone, where there is exactly one"),
    Column("patients", Integer, nullable=False, server_default=text("0"), doc="how many patients have that phone"),
    Column("state", String(16), nullable=False, server_default=text("'new'"), doc="new, work, booked, refused, spam"),
    Column("state_by", Unicode(100)),
    Column("state_ms", BigInteger),
    Column("answered_ms", BigInteger, doc="first time the state left 'new'"),
    UniqueConstraint("site", "key"),
    Index("lead_by_state", "state", "made_ms"),
)
lead_event = Table(
    "lead_event",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("lead_id", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("by", Unicode(100), nullable=False),
    Column("note", Unicode(1000)),
    Index("lead_event_by_lead", "lead_id"),
)

# -- room calendar ---------------------------------------------------------------------------------------------------

network_key = Table(
    "network_key",
    metadata,
    Column("name", String(32), nullable=False),
    Column("value", LargeBinary, nullable=False, doc="32 random bytes: names outside are an HMAC under it"),
    Column("made_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("name"),
)
calendar_account = Table(
    "calendar_account",
    metadata,
    Column("destination", String(40), nullable=False, doc="its name in the settings"),
    Column("doctor_id", BigInteger, nullable=False, doc="0 = the clinic's own account"),
    Column("login", Unicode(320), nullable=False, doc="shown to people; '' = the other side does not tell it"),
    Column("home", Unicode(1000), doc="where its calendars lie: a collection's address; NULL = not asked yet"),
    Column("sealed", LargeBinary, doc="password or refresh token; NULL = the password of the settings"),
    Column("made_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("destination", "doctor_id"),
)
calendar_link = Table(
    "calendar_link",
    metadata,
    Column("destination", String(40), nullable=False),
    Column("doctor_id", BigInteger, nullable=False),
    Column("scope", BigInteger, nullable=False, doc="the doctor's home branch: whose run writes his calendar"),
    Column("address", Unicode(1000), nullable=False, doc="collection's address, Google's calendarId, a feed's token"),
    Column("own", SmallInteger, nullable=False, doc="1 = we made this calendar and may delete it whole"),
    Column("state", String(16), nullable=False, doc="on, refused, paused, leaving, off"),
    Column("problem", Unicode(400), doc="why it stands still, in words; no personal data"),
    Column("token", Unicode(2000), doc="sync-token of the other side; NULL = list everything"),
    Column("looked_ms", BigInteger, doc="when it was last compared with what lies there; NULL = soon"),
    Column("synced_ms", BigInteger, doc="when all of it was last in step"),
    Column("repaired", Integer, nullable=False, server_default=text("0"), doc="edits by hand that were undone"),
    Column("strange", Integer, nullable=False, server_default=text("0"), doc="events there that are not ours"),
    Column("changed_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("destination", "doctor_id"),
)

# -- room geocoding --------------------------------------------------------------------------------------------------

geo_place = Table(
    "geo_place",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False, doc="the building: core.address"),
    Column("digest", BigInteger, doc="of the address that was answered; NULL = never, DOUBT = being asked"),
    Column(
        "state", String(16), nullable=False, doc="confirmed (answered, be it 'not found'), later, rejected, unknown"
    ),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("retry_ms", BigInteger, doc="not asked again before"),
    Column("address", Unicode(400), nullable=False, doc="canonical, without the flat"),
    Column("patients", Integer, nullable=False, server_default=text("0"), doc="how many live there, as last planned"),
    Column("answer", Unicode(400), doc="why it was not found, or not believed"),
    Column("provider", String(40), doc="which provider of the settings answered; 'person' = a pin"),
    Column("precision", SmallInteger, nullable=False, server_default=text("0"), doc="place.Precision; 0 = not found"),
    Column("latitude", Integer, doc="micro-degrees, WGS 84"),
    Column("longitude", Integer, doc="micro-degrees, WGS 84"),
    Column("cell", BigInteger, doc="H3 cell of resolution 9; NULL where there is no point"),
    Column("misses", SmallInteger, nullable=False, server_default=text("0"), doc="times in a row it was not found"),
    Column("asked_of", BigInteger, doc="digest of the providers that were asked, with their versions"),
    Column("asked_ms", BigInteger, doc="when it was answered"),
    Column("expires_ms", BigInteger, doc="asked again from then on; the provider's terms, or the age of a 'not found'"),
    Column("changed_ms", BigInteger, nullable=False),
    Index("geo_place_by_state", "state", "precision"),
    Index("geo_place_by_point", "latitude", "longitude"),
)
geo_fix = Table(
    "geo_fix",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False, doc="the building as typed; -branch = a branch"),
    Column("address", Unicode(400), doc="what a person wrote instead; NULL = a pin"),
    Column("latitude", Integer, doc="micro-degrees of a pin"),
    Column("longitude", Integer),
    Column("by", Unicode(100), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
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

# -- room messaging --------------------------------------------------------------------------------------------------

message = Table(
    "message",
    metadata,
    Column("outbox_id", BigInteger, nullable=False, autoincrement=False),
    Column("medium", String(8), nullable=False, doc="sms, email"),
    Column("kind", String(8), nullable=False, doc="service, ad"),
    Column("purpose", String(16), nullable=False, doc="reminder, bulk, single, plan (of treatment)"),
    Column("patient_id", BigInteger),
    Column("template_id", BigInteger),
    Column("rule_id", BigInteger),
    Column("appointment_id", BigInteger),
    Column("appointment_start", BigInteger, doc="wall minute for which it was planned"),
    Column("branch_id", Integer),
    Column("subject", Unicode(400)),
    Column("text", UnicodeText, doc="as it went out; before that only what a person wrote"),
    Column("parts", Integer),
    Column("kopecks", Integer, doc="what it cost, as reckoned or as the other side says"),
    Column("made_by", Unicode(100), nullable=False, doc="'' = a rule"),
    Column("urgent", SmallInteger, nullable=False, server_default=text("0"), doc="1 = a person sends it even at night"),
    PrimaryKeyConstraint("outbox_id"),
    Index("message_by_patient", "patient_id"),
)
message_file = Table(
    "message_file",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("outbox_id", BigInteger, nullable=False),
    Column("name", Unicode(200), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index("message_file_by_message", "outbox_id"),
)
message_template = Table(
    "message_template",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("name", Unicode(100), nullable=False),
    Column("medium", String(8), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("subject", Unicode(400), nullable=False, server_default=text("''")),
    Column("text", UnicodeText, nullable=False),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("state", String(8), nullable=False, server_default=text("'on'"), doc="on, off"),
    Column("changed_by", Unicode(100), nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
)
message_rule = Table(
    "message_rule",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("name", Unicode(100), nullable=False),
    Column("template_id", BigInteger, nullable=False),
    Column("before_minutes", Integer, nullable=False, doc="how long before the visit"),
    Column("filter", UnicodeText, nullable=False, server_default=text("'{}'"), doc="JSON: branches, doctors, services"),
    Column("state", String(8), nullable=False, server_default=text("'on'"), doc="on, off"),
    Column("changed_by", Unicode(100), nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
)
message_campaign = Table(
    "message_campaign",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("name", Unicode(100), nullable=False),
    Column("template_id", BigInteger, nullable=False),
    Column("filter", UnicodeText, nullable=False, doc="JSON: whom"),
    Column("per_day", Integer, nullable=False, server_default=text("0"), doc="how many a day; 0 = all"),
    Column("state", String(8), nullable=False, doc="draft, running, paused, stopped, done"),
    Column("filled_ms", BigInteger, doc="when all its messages were written down; NULL = not yet"),
    Column("made_by", Unicode(100), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
)
message_consent = Table(
    "message_consent",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("patient_id", BigInteger, nullable=False),
    Column("medium", String(8), nullable=False),
    Column("kind", String(8), nullable=False, doc="service, ad, address"),
    Column("given", SmallInteger, nullable=False, doc="1 = consent, 0 = refusal; the newest of each counts"),
    Column("source", Unicode(100), nullable=False, doc="how it is known: paper, form of the site, STOP, word of mouth"),
    Column("text_version", Unicode(100), nullable=False, server_default=text("''")),
    Column("address", Unicode(320), doc="kind address: the mail address that is known to be his own"),
    Column("at_ms", BigInteger, nullable=False),
    Column("by", Unicode(100), nullable=False),
    Index("message_consent_by_patient", "patient_id", "medium", "kind", "at_ms"),
)
message_stop = Table(
    "message_stop",
    metadata,
    Column("medium", String(8), nullable=False),
    Column("address", Unicode(320), nullable=False, doc="a number or address that wants nothing more, whosever it is"),
    Column("source", Unicode(100), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("medium", "address"),
)
message_reply = Table(
    "message_reply",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("channel", String(40), nullable=False),
    Column("key", String(64), nullable=False),
    Column("sender", Unicode(320), nullable=False),
    Column("patient_id", BigInteger),
    Column("text", UnicodeText, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("state", String(8), nullable=False, server_default=text("'open'"), doc="open, done"),
    Column("done_by", Unicode(100)),
    UniqueConstraint("channel", "key"),
    Index("message_reply_by_state", "state", "at_ms"),
)
message_channel = Table(
    "message_channel",
    metadata,
    Column("channel", String(40), nullable=False),
    Column("balance_kopecks", BigInteger, doc="NULL = not told"),
    Column("balance_words", Unicode(200)),
    Column("problem", Unicode(400), doc="why it rests: a message key; no personal data"),
    Column("looked_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("channel"),
)
message_policy = Table(
    "message_policy",
    metadata,
    Column("scope", BigInteger, nullable=False, doc="0 = the network"),
    Column("quiet_from", Integer, nullable=False, doc="minute of the branch's day after which nothing goes out"),
    Column("quiet_until", Integer, nullable=False),
    Column("per_day", Integer, nullable=False, doc="messages to one patient in one day of the branch"),
    Column("service_consent", SmallInteger, nullable=False, doc="1 = reminders too need a recorded consent"),
    Column("changed_by", Unicode(100), nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("scope"),
)
