"""What the rooms keep beside the flows: leads, calendars, places."""

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
