"""What is heard of rows that went out: receipts find their rows, by whatever they know of them, in whatever order."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, insert, select, update

from identsync.flows.outbox_rows import ADDRESS, ID, OPEN, lock, ours, said
from identsync.flows.sending import Fate, Receipt
from identsync.store.lists import portions
from identsync.store.tables import outbox, outbox_receipt
from identsync.store.texts import fitting

SENT = ("accepted", "unknown", "submitting")
ARRIVED = (Fate.ACCEPTED, Fate.DELIVERED)
_LOST = outbox.c.state == "unknown", outbox.c.provider_id.is_(None)


def receive(connection: Connection, stream: str, channel: str, receipts: Sequence[Receipt], now_ms: int) -> int:
    """Apply what the other side says; what fits no row yet is kept for the row that may still come. Give the applied.

    A receipt never takes back an end: delivered stays delivered, whatever comes later, twice or in the wrong order.
    """
    done, receipts = 0, [_kept(receipt) for receipt in receipts]
    lock(connection, _spoken_of(connection, stream, channel, receipts))
    for receipt in receipts:
        row = _row_of(connection, stream, channel, receipt)
        if row is None:
            _keep(connection, stream, channel, receipt, now_ms)
            continue
        done += _apply(connection, row, receipt, now_ms)
    return done


def adopt_by_address(connection: Connection, stream: str, channel: str, now_ms: int) -> int:
    """Give receipts of nobody to unknown rows: where exactly one lost row went to that address; give their number.

    The rows are looked at first, for there are few, and often none: receipts of nobody are left by each further part
    of a long message.
    """
    o, done = outbox.c, 0
    lost = select(o.id, o.address).where(o.stream == stream, o.channel == channel, *_LOST)
    rows = connection.execute(lost).all()
    orphans = _of_nobody(connection, stream, channel, {row.address for row in rows})
    spoken_of = {orphan.address for orphan in orphans}
    lock(connection, [row.id for row in rows if row.address in spoken_of])
    for orphan in orphans:
        rows = _lost(connection, orphan)
        if len(rows) == 1:
            done += _apply(connection, rows[0], _receipt_of(orphan), now_ms)
            _belongs(connection, orphan.id, rows[0].id)
    return done


def claim_early(connection: Connection, accepted: Collection[tuple[str, str]], now_ms: int) -> None:
    """Apply the receipts that were faster than the answer they belong to."""
    r = outbox_receipt.c
    for channel in {channel for channel, _id in accepted}:
        for ids in portions([number for of, number in accepted if of == channel]):
            waiting = r.channel == channel, r.outbox_id.is_(None), r.provider_id.in_(ids)
            for early in connection.execute(select(outbox_receipt).where(*waiting).order_by(r.id)).all():
                receipt = _receipt_of(early)
                row = _row_of(connection, early.stream, channel, receipt)
                if row is not None:
                    _apply(connection, row, receipt, now_ms)
                    _belongs(connection, early.id, row.id)


def _of_nobody(connection: Connection, stream: str, channel: str, addresses: Collection[str]) -> list[Any]:
    """Give the receipts of nobody that came for these addresses, as they came."""
    r, found = outbox_receipt.c, list[Any]()
    here = select(outbox_receipt).where(r.stream == stream, r.channel == channel, r.outbox_id.is_(None))
    for some in portions(addresses):
        found += connection.execute(here.where(r.address.in_(some))).all()
    return sorted(found, key=lambda receipt: int(receipt.id))


def _lost(connection: Connection, orphan: Any) -> Sequence[Any]:
    """Give the unknown rows that a receipt of nobody may belong to: two at most."""
    o = outbox.c
    there = o.address == orphan.address, o.submitted_ms <= orphan.received_ms
    rows = select(outbox).where(o.stream == orphan.stream, o.channel == orphan.channel, *_LOST, *there)
    return connection.execute(rows.limit(2)).all()


def _kept(receipt: Receipt) -> Receipt:
    """Return a receipt as its columns take it; a token that is none of ours is no token."""
    provider_id, to = fitting(receipt.provider_id, ID), fitting(receipt.to, ADDRESS)
    return replace(receipt, provider_id=provider_id, token=ours(receipt.token), to=to)


def _spoken_of(connection: Connection, stream: str, channel: str, receipts: Sequence[Receipt]) -> set[int]:
    """Give the ids of the rows that receipts belong to."""
    o, ids = outbox.c, set[int]()
    for some in portions([receipt.token for receipt in receipts if receipt.token]):
        ids.update(connection.execute(select(o.id).where(o.stream == stream, o.token.in_(some))).scalars())
    mine = o.stream == stream, o.channel == channel
    for some in portions([receipt.provider_id for receipt in receipts if receipt.provider_id]):
        ids.update(connection.execute(select(o.id).where(*mine, o.provider_id.in_(some))).scalars())
    return ids


def _row_of(connection: Connection, stream: str, channel: str, receipt: Receipt) -> Any:
    o = outbox.c
    marks: list[ColumnElement[bool]] = []
    if receipt.token:
        marks.append(o.token == receipt.token)
    if receipt.provider_id:
        marks.append(and_(o.channel == channel, o.provider_id == receipt.provider_id))
    for mark in marks:
        row = connection.execute(select(outbox).where(o.stream == stream, mark).limit(1)).first()
        if row is not None:
            return row
    return None


def _apply(connection: Connection, row: Any, receipt: Receipt, now_ms: int) -> int:
    """Write a receipt to its row, if it tells more than what is known."""
    if not _is_news(row, receipt):
        return 0
    values: dict[str, Any] = {"state": str(receipt.fate), "changed_ms": max(now_ms, row.changed_ms + 1)}
    values |= said(receipt.reason, receipt.answer)
    if receipt.provider_id and row.provider_id is None:
        values["provider_id"] = receipt.provider_id
    stands = outbox.c.id == row.id, outbox.c.state == row.state
    return connection.execute(update(outbox).where(*stands).values(values)).rowcount


def _is_news(row: Any, receipt: Receipt) -> bool:
    if row.state in SENT:
        return receipt.fate is not Fate.ACCEPTED or row.state != "accepted"
    # It waits to be sent again, and now it is heard that the time before did arrive.
    return row.state in OPEN and bool(row.token) and row.token == receipt.token and receipt.fate in ARRIVED


def _keep(connection: Connection, stream: str, channel: str, receipt: Receipt, now_ms: int) -> None:
    r = outbox_receipt.c
    same = r.stream == stream, r.channel == channel, r.provider_id == receipt.provider_id
    if connection.execute(select(r.id).where(*same, r.fate == str(receipt.fate)).limit(1)).first() is not None:
        return
    values = {
        "stream": stream,
        "channel": channel,
        "provider_id": receipt.provider_id,
        "token": receipt.token or None,
        "address": receipt.to or None,
        "fate": str(receipt.fate),
        "received_ms": now_ms,
    } | said(receipt.reason, receipt.answer)
    connection.execute(insert(outbox_receipt).values(values))


def _receipt_of(row: Any) -> Receipt:
    return Receipt(Fate(row.fate), row.provider_id, reason=row.reason or "", answer=row.answer or "")


def _belongs(connection: Connection, receipt_id: int, row_id: int) -> None:
    mine = outbox_receipt.c.id == receipt_id
    connection.execute(update(outbox_receipt).where(mine).values(outbox_id=row_id))
