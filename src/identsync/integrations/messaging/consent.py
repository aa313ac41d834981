"""Who may be written to: consents and refusals of patients, and addresses that want nothing more.

They are kept in the engine's own tables alone: the clinic's database is not asked for them. Of each patient, medium and
kind the newest word counts; at the same instant a refusal. A refusal of service messages is one of advertising too.
Advertising always needs a consent (38-ФЗ, article 18), service messages where the policy says so. An address in
``message_stop`` gets nothing at all, whosever it is, until a person lifts that: several patients may share a number.

That a patient's e-mail address is his own is a row of kind ``address``: it holds for that address only.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from identsync.integrations.messaging import reasons
from identsync.integrations.messaging.message import Kind, Medium
from identsync.integrations.messaging.phone import number
from identsync.store.lists import among, plan_anew, portions
from identsync.store.tables import message_consent, message_stop
from identsync.store.texts import fitting

ADDRESS = "address"
"""Kind of the rows that say: this e-mail address is the patient's own."""
STOP_WORDS = frozenset(
    (
        "стоп", "stop", "стопстоп", "отписка", "отписаться", "отпишите", "отпишите меня", "отписать", "отказ",
        "отказаться", "отказываюсь", "хватит", "не присылать", "не присылайте", "не присылайте больше",
        "больше не присылайте", "не писать", "не пишите", "не пишите мне", "больше не пишите", "не беспокоить",
        "не беспокойте", "unsubscribe", "cancel", "end", "quit",
    )
)  # fmt: skip
"""Whole replies that mean: nothing more to this number."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a patient said: a consent (``given``) or a refusal; ``kind`` 'service', 'ad' or 'address'."""

    id: int
    patient_id: int
    medium: str
    kind: str
    given: bool
    source: str
    text_version: str
    address: str
    at_ms: int
    by: str


@dataclass(frozen=True, slots=True)
class Stop:
    """An address that wants nothing more."""

    medium: str
    address: str
    source: str
    at_ms: int


def record(
    connection: Connection,
    patient_id: int,
    medium: Medium,
    kind: Kind,
    *,
    given: bool,
    source: str,
    by: str,
    now_ms: int,
    text_version: str = "",
) -> None:
    """Write down a consent or a refusal: how it is known (paper, form of the site, word of mouth) and of which text."""
    _write(connection, patient_id, medium, str(kind), given, source, by, now_ms, text_version=text_version)


def confirm(connection: Connection, patient_id: int, address: str, *, source: str, by: str, now_ms: int) -> None:
    """Write down that an e-mail address is the patient's own (he said so with a document, or answered from there)."""
    _write(
        connection, patient_id, Medium.EMAIL, ADDRESS, True, source, by, now_ms, address=normal(Medium.EMAIL, address)
    )


def history(connection: Connection, patient_id: int) -> list[Word]:
    """Give all that a patient said, the newest first."""
    c = message_consent.c
    rows = select(*_COLUMNS).where(c.patient_id == patient_id).order_by(c.at_ms.desc(), c.id.desc())
    return [_word(row) for row in connection.execute(rows)]


def stop(connection: Connection, medium: Medium, address: str, *, source: str, now_ms: int) -> bool:
    """Send nothing more to an address; False where it was so already. A number is known in any spelling."""
    address, s = normal(medium, address), message_stop.c
    same = s.medium == medium, s.address == address
    if not address or connection.execute(select(s.address).where(*same)).first() is not None:
        return False
    values = {"medium": str(medium), "address": address, "source": source[:100], "at_ms": now_ms}
    connection.execute(insert(message_stop).values(values))
    return True


def lift(connection: Connection, medium: Medium, address: str) -> bool:
    """Take a stop back, because a person of that address asked for it; False where there was none."""
    s = message_stop.c
    same = s.medium == medium, s.address == normal(medium, address)
    return connection.execute(delete(message_stop).where(*same)).rowcount > 0


def stops(connection: Connection, most: int = 500) -> list[Stop]:
    """Give the addresses that want nothing more, the newest first."""
    s = message_stop.c
    rows = select(s.medium, s.address, s.source, s.at_ms).order_by(s.at_ms.desc(), s.address).limit(most)
    return [Stop(*row) for row in connection.execute(rows)]


def is_stop(text: str) -> bool:
    """Tell whether a reply says STOP and little more: 'отказ от приёма' is for a person to read."""
    words = re.findall(r"\w+", text.lower().replace("ё", "е"))
    return " ".join(words) in STOP_WORDS or (len(words) in (2, 3) and words[0] in ("стоп", "stop"))


def normal(medium: Medium, address: str) -> str:
    """Return an address as it is compared: E.164, or a mail address in lower case."""
    address = fitting(address.strip(), 320)
    if medium is Medium.EMAIL:
        return address.lower()
    return number(address)[0] or number("+" + address.lstrip("+"))[0] or address


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of some patients and addresses of one medium at an instant."""

    medium: Medium
    said: Mapping[tuple[int, str], bool] = field(default_factory=dict)  # (patient, kind) -> given
    stopped: frozenset[str] = frozenset()
    confirmed: Mapping[int, str] = field(default_factory=dict)  # patient -> his own e-mail address

    def objection(self, patient_id: int | None, address: str, kind: Kind, *, service_consent: bool) -> str:
        """Say why nothing may be sent to this address for this patient: a message key, '' = it may."""
        if address in self.stopped:
            return reasons.STOPPED
        if patient_id is None:
            return reasons.NO_AD_CONSENT if kind is Kind.AD else ""
        service, ad = self.said.get((patient_id, Kind.SERVICE)), self.said.get((patient_id, Kind.AD))
        if service is False or (kind is Kind.AD and ad is False):
            return reasons.REFUSED
        if kind is Kind.AD and not ad:
            return reasons.NO_AD_CONSENT
        return reasons.NO_CONSENT if kind is Kind.SERVICE and service_consent and not service else ""

    def is_confirmed(self, patient_id: int | None, address: str) -> bool:
        """Tell whether an e-mail address is known to be the patient's own."""
        return patient_id is not None and self.confirmed.get(patient_id) == normal(Medium.EMAIL, address)


def standing(connection: Connection, medium: Medium, patients: Collection[int], addresses: Collection[str]) -> Standing:
    """Read what these patients said of ``medium`` and which of the addresses (as ``normal`` gives them) are stopped."""
    plan_anew(connection, len(patients))
    said: dict[tuple[int, str], bool] = {}
    confirmed: dict[int, str] = {}
    c, s = message_consent.c, message_stop.c
    # Oldest first, a consent before the refusal of the same instant: the last one read counts.
    asked = select(c.patient_id, c.kind, c.given, c.address).where(c.medium == str(medium))
    for some in portions(patients):
        for patient, kind, given, address in connection.execute(
            asked.where(among(connection, c.patient_id, some)).order_by(c.at_ms, c.given.desc(), c.id)
        ):
            said[patient, kind] = bool(given)
            if kind == ADDRESS:
                confirmed[patient] = address or ""
    stopped: set[str] = set()
    for few in portions(addresses):
        stopped.update(
            connection.execute(
                select(s.address).where(s.medium == str(medium), among(connection, s.address, few))
            ).scalars()
        )
    return Standing(medium, said, frozenset(stopped), confirmed)


def _write(
    connection: Connection, patient_id: int, medium: Medium, kind: str, given: bool, source: str, by: str, now_ms: int,
    *, text_version: str = "", address: str | None = None,
) -> None:  # fmt: skip
    values = {"patient_id": patient_id, "medium": str(medium), "kind": kind, "given": int(given), "at_ms": now_ms}
    values |= {"source": source[:100], "by": by[:100], "text_version": text_version[:100], "address": address}
    connection.execute(insert(message_consent).values(values))


def _word(row: Any) -> Word:
    number_, patient, medium, kind, given, source, version, address, at_ms, by = row
    return Word(number_, patient, medium, kind, bool(given), source, version, address or "", at_ms, by)


_c = message_consent.c
_COLUMNS = (
    _c.id, _c.patient_id, _c.medium, _c.kind, _c.given, _c.source, _c.text_version, _c.address, _c.at_ms, _c.by
)  # fmt: skip
