"""A request read as WCF's serialiser reads it: in order, by namespace; what does not fit the order is passed over.

So an element that is late, misspelled or of another namespace is simply not there, and the rules find its field empty.
``passed`` counts those. A value of a wrong type ends the reading, as it does there.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lxml import etree

from identsync.demo.n3.types import NAMESPACES, TEMPURI, Field, Type, is_a, operations_of, types_of

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
LIMITS = {"unsignedByte": (0, 255), "unsignedShort": (0, 65_535), "int": (-(2**31), 2**31 - 1)}
WHOLE = re.compile(r"[+-]?\d{1,20}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,7})?(Z|[+-]\d\d:\d\d)?)?")  # date-only: N3's own sample
SHORT = {space: name for name, space in NAMESPACES.items()}

Read = dict[str, Any]


class Unreadable(Exception):
    """A value that cannot be read: the formatter's own exception."""


class Reader:
    """Reads the arguments of operations of one edition."""

    def __init__(self, edition: str) -> None:
        self._edition = edition
        self._types = types_of(edition)
        self.passed: list[str] = []

    def read(self, service: str, operation: etree._Element) -> tuple[str, Read]:
        """Return the name of an operation and its arguments; Unreadable for an operation that there is not."""
        name = etree.QName(operation)
        fields = operations_of(service, self._edition).get(name.localname)
        if fields is None or name.namespace != TEMPURI:
            raise Unreadable(f"no operation {name.localname}")
        return name.localname, self._fields(operation, fields)

    def _fields(self, node: etree._Element, fields: tuple[Field, ...]) -> Read:
        found: Read = {}
        at = 0
        for child in node.iterchildren(etree.Element):
            place = next(
                (i for i, field in enumerate(fields[at:], at) if child.tag == f"{{{field.space}}}{field.name}"), -1
            )
            if place < 0:
                self.passed.append(etree.QName(child).localname)
                continue
            at = place + 1
            value = self._value(child, fields[place])
            if value is not None:
                found[fields[place].name] = value
        return found

    def _value(self, node: etree._Element, field: Field) -> Any:
        if node.get(f"{XSI}nil") == "true":
            return None
        if not field.is_array:
            return self._one(node, field.type)
        prefix, dot, name = field.type.partition(".")
        each = Field(name if dot else field.type, NAMESPACES[prefix if dot else "arr"], field.type, is_array=False)
        wanted = f"{{{each.space}}}{each.name}"
        children = list(node.iterchildren(etree.Element))
        self.passed += [etree.QName(child).localname for child in children if child.tag != wanted]
        return [self._one(child, field.type) for child in children if child.tag == wanted]

    def _one(self, node: etree._Element, name: str) -> Any:
        if name not in self._types:
            return simple(node, name)
        kind = self._kind(node, name)
        return {"$type": kind.name.partition(".")[2]} | self._fields(node, kind.fields)

    def _kind(self, node: etree._Element, name: str) -> Type:
        told = node.get(f"{XSI}type")
        if told is None:
            return self._types[name]
        prefix, colon, local = told.rpartition(":")
        space = node.nsmap.get(prefix if colon else None, "")
        kind = self._types.get(f"{SHORT.get(str(space), '?')}.{local}")
        if kind is None or not is_a(self._types, kind.name, name):
            raise Unreadable(f"Element {etree.QName(node).localname} contains data of the type {local}")
        return kind


def simple(node: etree._Element, name: str) -> Any:
    """Return a value of a simple type; Unreadable where it is none."""
    if len(node):
        raise Unreadable(f"{etree.QName(node).localname}: not a {name}")
    text = node.text or ""
    if name in ("string", "anyURI"):
        return text
    value = _parsed(text.strip(), name)
    if value is None:
        raise Unreadable(f"{etree.QName(node).localname}: not a {name}")
    return value


def _parsed(text: str, name: str) -> Any:
    if (limits := LIMITS.get(name)) is not None:
        return int(text) if WHOLE.fullmatch(text) and limits[0] <= int(text) <= limits[1] else None
    if name == "boolean":
        return {"true": True, "1": True, "false": False, "0": False}.get(text)
    if name == "decimal":
        return text if re.fullmatch(r"[+-]?\d+(\.\d+)?", text) else None
    if name == "base64Binary":
        return _bytes(text)
    return _moment(text)


def _bytes(text: str) -> str | None:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return "".join(text.split())


def _moment(text: str) -> str | None:
    if not MOMENT.fullmatch(text):
        return None
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    return text


def shape(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what was read without the names of its types."""
    return {name: _plain(value) for name, value in values.items() if name != "$type"}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return shape(value)
    return [_plain(each) for each in value] if isinstance(value, list) else value
