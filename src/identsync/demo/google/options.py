"""How this Google is set: quotas, lifetimes, what it is strict about. Changed while it runs by ``POST options``."""

import msgspec

APP_CREATED = "https://www.googleapis.com/auth/calendar.app.created"
DEVICE_SCOPES = [  # as Google documents them: none of Calendar
    "email",
    "openid",
    "profile",
    "https://www.googleapis.com/auth/drive.appdata",
    "https://www.googleapis.com/auth/drive.file",
    "https://www.googleapis.com/auth/youtube",
    "https://www.googleapis.com/auth/youtube.readonly",
]


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """0 = no limit. ``quota_form``: how a spent quota is said; ``tombstone``: what a PUT to a deleted event gets."""

    client_id: str = "demo.apps.googleusercontent.com"
    client_secret: str = "demo-secret"  # noqa: S105  of a fake
    per_minute_user: int = 600
    per_minute: int = 10_000
    per_day: int = 1_000_000
    quota_form: str = "403"  # 403, 429, details (the newer form of Google's APIs)
    retry_after: int | None = None
    tombstone: str = "revive"  # revive, forbidden
    tombstone_fields: bool = True  # False: nothing but id and status is left of a deleted event
    access_lifetime: int = 3600
    consent: str = "allow"  # allow, deny, untick (everything but the calendar), page (a person has to press)
    device_scopes: list[str] = msgspec.field(default_factory=lambda: list(DEVICE_SCOPES))
    device_lifetime: int = 1800
    device_interval: int = 5
    page_size: int = 0  # pages are never longer than this, whatever maxResults says
    batch_limit: int = 1000
