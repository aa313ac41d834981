"""The engine's own tables, in schema ``identsync`` on SQL Server and PostgreSQL, in the one file on SQLite.

Times are bigint epoch milliseconds (UTC) and end in ``_ms``. Nothing here holds more of a person than the task needs.
Migrations in ``migrations/`` create them; ``tests/store`` compares the two.
"""

from identsync.store.tables.egisz import egisz_book, egisz_contract, egisz_exchange, egisz_item
from identsync.store.tables.engine import client, presence, pulse, rate_slot, run_log, schema_mark, task_slot
from identsync.store.tables.flows import (
    intake_cursor,
    intake_reject,
    mirror_item,
    mirror_stream,
    outbox,
    outbox_event,
    outbox_receipt,
)
from identsync.store.tables.home import ID, metadata
from identsync.store.tables.messaging import (
    message,
    message_campaign,
    message_channel,
    message_consent,
    message_file,
    message_policy,
    message_reply,
    message_rule,
    message_stop,
    message_template,
)
from identsync.store.tables.rooms import (
    calendar_account,
    calendar_link,
    geo_fix,
    geo_place,
    lead,
    lead_event,
    network_key,
)
from identsync.store.tables.telephony import (
    phone_call,
    phone_dial,
    phone_event,
    phone_line,
    phone_link,
    phone_missed,
    phone_recording,
    phone_seat,
)

__all__ = [
    "ID", "calendar_account", "calendar_link", "client", "egisz_book", "egisz_contract", "egisz_exchange",
    "egisz_item", "geo_fix", "geo_place", "intake_cursor", "intake_reject", "lead", "lead_event", "message",
    "message_campaign", "message_channel", "message_consent", "message_file", "message_policy", "message_reply",
    "message_rule", "message_stop", "message_template", "metadata", "mirror_item", "mirror_stream", "network_key",
    "outbox", "outbox_event", "outbox_receipt", "phone_call", "phone_dial", "phone_event", "phone_line", "phone_link",
    "phone_missed", "phone_recording", "phone_seat", "presence", "pulse", "rate_slot", "run_log", "schema_mark",
    "task_slot",
]  # fmt: skip
