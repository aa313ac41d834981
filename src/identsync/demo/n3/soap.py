"""Answers of the stand-in: SOAP 1.1 envelopes, empty successes, N3's four faults, and what no service should say."""

from collections.abc import Sequence

from lxml import etree

from identsync.demo.n3.rules import Wrong
from identsync.demo.n3.types import NAMESPACES, TEMPURI

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
COMMON = NAMESPACES["common"]
HTML = b"<!doctype html><html><head><title>502 Bad Gateway</title></head><body><hr>nginx</body></html>"
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + at, b"&%c;" % (97 + at) * 10) for at in range(8))
    + b']><s:Envelope xmlns:s="%s"><s:Body>&i;</s:Body></s:Envelope>' % ENVELOPE.encode()
)
INVALID = 10  # the stand-in's own: the branch over several complaints

Node = etree._Element


def success(operation: str) -> bytes:
    """Return an empty success."""
    envelope, body = _envelope()
    etree.SubElement(body, f"{{{TEMPURI}}}{operation}Response", nsmap={None: TEMPURI})
    return _spelled(envelope)


def talkative(operation: str) -> bytes:
    """Return a success with something in it that no contract promises."""
    envelope, body = _envelope()
    answer = etree.SubElement(body, f"{{{TEMPURI}}}{operation}Response")
    etree.SubElement(answer, f"{{{TEMPURI}}}{operation}Result").text = "7"
    return _spelled(envelope)


def version(service: str, database: str) -> bytes:
    """Return the answer of GetVersion."""
    envelope, body = _envelope()
    answer = etree.SubElement(body, f"{{{TEMPURI}}}GetVersionResponse")
    result = etree.SubElement(answer, f"{{{TEMPURI}}}GetVersionResult")
    etree.SubElement(result, f"{{{NAMESPACES['core']}}}DatabaseVersion").text = database
    etree.SubElement(result, f"{{{NAMESPACES['core']}}}ServiceVersion").text = service
    return _spelled(envelope)


def bare(code: str, words: str) -> bytes:
    """Return a fault of WCF itself, without N3's detail."""
    envelope, body = _envelope()
    _fault(body, code, words)
    return _spelled(envelope)


def refusal(wrong: Sequence[Wrong], *, as_list: bool) -> bytes:
    """Return the fault of one complaint, or of several: as a list, or as the branches of one."""
    envelope, body = _envelope()
    detail = etree.SubElement(_fault(body, "s:Client", "Ошибка запроса"), "detail")
    if len(wrong) == 1:
        detail.append(_request_fault(wrong[0].field, wrong[0].words, wrong[0].code))
        return _spelled(envelope)
    leaves = [_request_fault(each.field, each.words, each.code) for each in wrong]
    if as_list:
        etree.SubElement(detail, f"{{{COMMON}}}ArrayOfRequestFault").extend(leaves)
    else:
        detail.append(_request_fault("", "Запрос содержит ошибки", INVALID, leaves))
    return _spelled(envelope)


def said(code: str) -> bytes:
    """Return a fault of any code, as it stands."""
    envelope, body = _envelope()
    detail = etree.SubElement(_fault(body, "s:Client", "Ошибка запроса"), "detail")
    detail.append(_request_fault("", "как велено", code))
    return _spelled(envelope)


def warning(*, as_list: bool) -> bytes:
    """Return N3's warning, which is a fault to SOAP and taken to N3."""
    envelope, body = _envelope()
    detail = etree.SubElement(_fault(body, "s:Client", "Предупреждение"), "detail")
    inner = _request_warning("medRecord.Attachments", "Есть PDF, нет TXT", 2135)
    outer = _request_warning("medRecord", "Поле содержит ошибки", 8, inner)
    if as_list:
        etree.SubElement(detail, f"{{{COMMON}}}ArrayOfRequestWarning").append(outer)
    else:
        detail.append(outer)
    return _spelled(envelope)


def tree(width: int, depth: int) -> bytes:
    """Return a fault of many leaves, each so deep."""
    envelope, body = _envelope()
    detail = etree.SubElement(_fault(body, "s:Client", "Ошибка запроса"), "detail")
    root = etree.SubElement(detail, f"{{{COMMON}}}ArrayOfRequestFault")
    for at in range(width):
        node = _request_fault(f"field{at}", "Поле содержит ошибки", 40)
        for level in range(depth):
            node = _request_fault(f"level{level}", "Поле содержит ошибки", 41, [node])
        root.append(node)
    return _spelled(envelope)


def _envelope() -> tuple[Node, Node]:
    envelope = etree.Element(f"{{{ENVELOPE}}}Envelope", nsmap={"s": ENVELOPE})
    return envelope, etree.SubElement(envelope, f"{{{ENVELOPE}}}Body")


def _fault(body: Node, code: str, words: str) -> Node:
    fault = etree.SubElement(body, f"{{{ENVELOPE}}}Fault")
    etree.SubElement(fault, "faultcode").text = code
    etree.SubElement(fault, "faultstring").text = words
    return fault


def _request_fault(field: str, words: str, code: int | str, errors: Sequence[Node] = ()) -> Node:
    node = etree.Element(f"{{{COMMON}}}RequestFault", nsmap={None: COMMON, "i": XSI})
    _told(node, field, words)
    etree.SubElement(node, f"{{{COMMON}}}ErrorCode").text = str(code)
    inside = etree.SubElement(node, f"{{{COMMON}}}Errors")
    inside.extend(errors)
    if not errors:
        inside.set(f"{{{XSI}}}nil", "true")
    return node


def _request_warning(field: str, words: str, code: int, inner: Node | None = None) -> Node:
    node = etree.Element(f"{{{COMMON}}}RequestWarning", nsmap={None: COMMON})
    _told(node, field, words)
    etree.SubElement(node, f"{{{COMMON}}}WarningCode").text = str(code)
    if inner is not None:
        etree.SubElement(node, f"{{{COMMON}}}Warnings").append(inner)
    return node


def _told(node: Node, field: str, words: str) -> None:
    if field:
        etree.SubElement(node, f"{{{COMMON}}}PropertyName").text = field
    etree.SubElement(node, f"{{{COMMON}}}Message").text = words


def _spelled(envelope: Node) -> bytes:
    return etree.tostring(envelope, encoding="utf-8")
