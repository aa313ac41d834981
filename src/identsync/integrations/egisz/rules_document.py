"""What a ready document lacks before it may go out: its bytes are the clinic's and are looked at, never changed."""

from collections.abc import Iterator
from datetime import datetime

from identsync.integrations.egisz import reference, rules_text
from identsync.integrations.egisz.case import Document
from identsync.integrations.egisz.reference import Books
from identsync.integrations.egisz.rules_table import Missing

WIDE = ("<".encode("utf-16-le"), "<".encode("utf-16-be"), b"\xff\xfe", b"\xfe\xff")
SEQUENCE = 0x30
"""The first byte of a CMS message in DER or BER; BASE64 of it begins with 'M', PEM with '-'."""


def of_document(document: Document, books: Books, now: datetime) -> Iterator[Missing]:
    """Yield what a document lacks, but for its doctor and its patient."""
    who = document.id
    if not who.strip():
        yield Missing("document.id", who)
    if document.kind is None:
        yield Missing("document.kind", who)
    elif oid := books.refusal(reference.DOCUMENT, document.kind):
        yield Missing("document.kind.unknown", who, (("code", str(document.kind)), ("oid", oid)))
    if not document.header.strip():
        yield Missing("document.header", who)
    if not rules_text.is_carried(document.header):
        yield Missing("document.text", who)
    if document.created > now:
        yield Missing("document.created", who)
    yield from _of_content(document)
    yield from _of_signs(document)


def _of_content(document: Document) -> Iterator[Missing]:
    if not document.content:
        yield Missing("document.content", document.id)
    elif document.media_type == "text/xml" and not _is_xml(document.content[:200]):
        yield Missing("document.content.shape", document.id)


def _is_xml(beginning: bytes) -> bool:
    return beginning.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") or beginning.startswith(WIDE)


def _of_signs(document: Document) -> Iterator[Missing]:
    signs = {"doctor_sign": document.doctor_sign, "clinic_sign": document.clinic_sign}
    for name, sign in signs.items():
        if not sign:
            yield Missing(f"document.{name}", document.id)
    if any(sign and not _is_detached(sign, document.content) for sign in signs.values()):
        yield Missing("document.sign.shape", document.id)
    if document.doctor_sign and document.doctor_sign == document.clinic_sign:
        yield Missing("document.sign.same", document.id)


def _is_detached(sign: bytes, content: bytes) -> bool:
    """Tell whether it may be a detached signature: a binary message that does not carry the document itself."""
    return sign[0] == SEQUENCE and not (content and content in sign)
