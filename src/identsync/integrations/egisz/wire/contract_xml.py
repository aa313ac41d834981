"""XML of strangers: no DTD, no entities, no network, no depth without end."""

from typing import TYPE_CHECKING

from identsync.errors import Unexpected
from identsync.language import _

if TYPE_CHECKING:
    from lxml.etree import XMLParser, _Element

MAX_DOCUMENT = 8 * 1024 * 1024


def hardened(content: bytes, where: str, *, recover: bool = False) -> "_Element":
    """Parse XML; Unexpected for what is none, is too long, or brings a DTD. ``recover`` reads a torso, too."""
    from lxml import etree

    if len(content) > MAX_DOCUMENT:
        raise Unexpected(_("{where}: длиннее {n} МБ", where=where, n=MAX_DOCUMENT >> 20))
    if b"<!DOCTYPE" in content:
        raise Unexpected(_("{where}: в XML есть DTD, такое не читаем", where=where))
    try:
        root = etree.fromstring(content, _parser(recover=recover))
    except (etree.XMLSyntaxError, ValueError):
        raise Unexpected(_("{where}: не XML или его обрывок", where=where)) from None
    if root is None:
        raise Unexpected(_("{where}: не XML или его обрывок", where=where))
    if root.getroottree().docinfo.doctype:
        raise Unexpected(_("{where}: в XML есть DTD, такое не читаем", where=where))
    return root


def _parser(*, recover: bool) -> "XMLParser":
    from lxml import etree

    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=recover,
    )
