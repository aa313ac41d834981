"""What an answer of N3 says: an empty success, a version, a fault's tree of complaints, or nothing that makes sense.

RequestWarning and its list are declared as faults and mean, as far as anybody knows, that the request was taken. 23 of
AddPatient and 31 of AddCase say that this key has arrived before. The leaves of the tree are what people can act on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from identsync.errors import Unexpected
from identsync.integrations.egisz.case import Complaint, Fate
from identsync.integrations.egisz.wire.contract_xml import hardened
from identsync.language import _

if TYPE_CHECKING:
    from lxml.etree import _Element

SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
MAX_LEAVES, MAX_DEPTH, MAX_WORDS = 200, 100, 1_000
MAX_NODES = 20_000
THERE: Mapping[str, str] = {"AddPatient": "23", "AddCase": "31", "CreateCase": "31"}
BLAME = (
    "Client",
    "Sender",
    "DeserializationFailed",
    "ActionNotSupported",
)  # the request was not liked: nothing was done


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means; ``root`` is its XML for the journal, None where it is none."""

    fate: Fate
    complaints: tuple[Complaint, ...] = ()
    words: str = ""
    root: "_Element | None" = None


def read(operation: str, success: str, body: bytes, *, is_cut: bool = False) -> Verdict:
    """Judge the body of an answer; ``success`` is the element of this operation's success, as the contract names it.

    ``is_cut``: we stopped reading. The beginning of a fault is a fault all the same; nothing else is believed then.
    """
    try:
        root = hardened(body, _("ответ N3"), recover=is_cut)
    except Unexpected as error:
        return Verdict(Fate.LOST, words=str(error))
    inside = _body(root)
    if inside is None:
        return Verdict(Fate.LOST, words=_("ответ N3: не SOAP"), root=root)
    if inside.tag == f"{SOAP}Fault":
        return _fault(operation, inside, root)
    if inside.tag != success or is_cut:
        return Verdict(Fate.LOST, words=_("ответ N3: не на этот запрос"), root=root)
    return _success(operation, inside, root)


def _body(root: "_Element") -> "_Element | None":
    body = root.find(f"{SOAP}Body") if root.tag == f"{SOAP}Envelope" else None
    return body[0] if body is not None and len(body) == 1 else None


def _success(operation: str, inside: "_Element", root: "_Element") -> Verdict:
    if operation == "GetVersion":
        told = [f"{_name(each)} {each.text.strip()}" for each in inside.iter() if len(each) == 0 and each.text]
        return Verdict(Fate.TAKEN, words=", ".join(told)[:MAX_WORDS], root=root)
    if len(inside) or (inside.text or "").strip():
        return Verdict(Fate.LOST, words=_("ответ N3: в подтверждении есть что-то ещё"), root=root)
    return Verdict(Fate.TAKEN, root=root)


def _fault(operation: str, fault: "_Element", root: "_Element") -> Verdict:
    detail = next((each for each in fault if _name(each) == "detail"), None)
    known = [each for each in detail if _name(each) in KINDS] if detail is not None else []
    if not known:
        return _bare(fault, root)
    leaves, is_all = _leaves(known)
    words = "" if is_all else _("жалоб больше, чем показано: {n}", n=len(leaves))
    return Verdict(_fate(operation, leaves), tuple(leaf.complaint for leaf in leaves), words, root)


def _bare(fault: "_Element", root: "_Element") -> Verdict:
    """Judge a fault without N3's own detail: by whose fault it says it is."""
    code = _text(fault, "faultcode").rpartition(":")[2]
    said = Complaint(code, "", _text(fault, "faultstring"))
    if code in BLAME:
        return Verdict(Fate.REFUSED, (said,), root=root)
    return Verdict(Fate.LOST, (said,), _("сбой на стороне N3 ({code})", code=code or "?"), root)


@dataclass(frozen=True, slots=True)
class _Leaf:
    complaint: Complaint
    codes: frozenset[str]  # its own and those above it
    is_warning: bool


def _fate(operation: str, leaves: list[_Leaf]) -> Fate:
    faults = [leaf for leaf in leaves if not leaf.is_warning]
    if not faults:
        return Fate.WARNED
    code = THERE.get(operation)
    return Fate.THERE if code and all(code in leaf.codes for leaf in faults) else Fate.REFUSED


def _leaves(kinds: "list[_Element]") -> tuple[list[_Leaf], bool]:
    """Return the leaves of the trees in the order of reading, at most so many, and whether these are all."""
    leaves: list[_Leaf] = []
    left = [(each, "", frozenset[str](), 0) for each in reversed(kinds)]
    for _node in range(MAX_NODES):
        if not left or len(leaves) == MAX_LEAVES:
            break
        node, field, codes, depth = left.pop()
        children = [] if depth == MAX_DEPTH else list(_children(node))
        field = _text(node, "PropertyName") or field
        own = _code(node)
        codes = codes | {own} if own else codes
        if not children and not _name(node).startswith("ArrayOf"):
            leaves.append(_Leaf(Complaint(own, field, _text(node, "Message")), codes, _name(node) in WARNINGS))
        left += [(child, field, codes, depth + 1) for child in reversed(children)]
    return leaves or [_empty(kinds[0])], not left


def _children(node: "_Element") -> "Iterator[_Element]":
    for each in node:
        name = _name(each)
        if name in KINDS:
            yield each
        elif name in ("Errors", "Warnings"):
            yield from (child for child in each if _name(child) in KINDS)


def _empty(node: "_Element") -> _Leaf:
    """Return the leaf of a list with nothing in it."""
    return _Leaf(Complaint("", "", _name(node)), frozenset(), _name(node).endswith("Warning"))


def _code(node: "_Element") -> str:
    return _text(node, "ErrorCode") or _text(node, "WarningCode")


def _text(node: "_Element", name: str) -> str:
    found = next((each.text for each in node if _name(each) == name and each.text), "")
    return found.strip()[:MAX_WORDS]


def _name(node: "_Element") -> str:
    tag = node.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


WARNINGS = frozenset({"RequestWarning", "ArrayOfRequestWarning"})
KINDS = WARNINGS | {"RequestFault", "ArrayOfRequestFault"}
