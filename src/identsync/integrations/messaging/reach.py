"""Where a patient can be reached: a number or a mail address, out of what a clinic has written down."""

import re

from identsync.integrations.messaging.message import Medium
from identsync.integrations.messaging.phone import number
from identsync.integrations.messaging.reasons import BAD_EMAIL, NO_EMAIL

_MAILBOX = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]+\.[^\s@<>,;:\"()\[\]\\.]{2,}")
MAILBOX = 254


def reach(medium: Medium, phone: str | None, email: str | None) -> tuple[str, str]:
    """Return (address of that medium, '') or ('', why there is none: a message key)."""
    return number(phone) if medium is Medium.SMS else mailbox(email)


def mailbox(text: str | None) -> tuple[str, str]:
    """Return (mail address, '') or ('', why not); the domain in lower case."""
    text = (text or "").strip()
    if not text:
        return "", NO_EMAIL
    if len(text) > MAILBOX or not text.isprintable() or _MAILBOX.fullmatch(text) is None or ".." in text:
        return "", BAD_EMAIL
    name, _at, domain = text.rpartition("@")
    return f"{name}@{domain.lower()}", ""
