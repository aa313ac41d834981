"""Values made to fit the service's own types before anything is sent: ranges, moments, characters, names of fields.

WCF skips an element that it does not expect and says nothing; so a field that the contract does not have, and a value
that its type cannot carry, are errors here, with the field's name and never its value.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from identsync.errors import Unexpected
from identsync.language import _

if TYPE_CHECKING:
    from zeep.xsd import ComplexType, Element, Schema

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
WHOLE = {
    "unsignedByte": (0, 255),
    "byte": (-128, 127),
    "unsignedShort": (0, 65_535),
    "short": (-32_768, 32_767),
    "unsignedInt": (0, 4_294_967_295),
    "int": (-2_147_483_648, 2_147_483_647),
    "long": (-(2**63), 2**63 - 1),
}
EMPTY = (None, "", (), b"")

Values = Mapping[str, Any]
Check = Callable[[str, Any], Any]


class Unfit(Unexpected):
    """A value that the contract cannot carry: ``field`` says where (``caseDto.Steps.StepAmb.IdVisitPlace``)."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(f"{field}: {what}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Of:
    """The fields of a type derived from what the contract names at that place: written with ``i:type``."""

    type: str
    fields: Values


class Fitted(dict[str, Any]):
    """What zeep renders: the fields of one type, spelled as it spells them."""

    __slots__ = ("_xsd_type",)

    def __init__(self, fields: Values, xsd_type: "ComplexType") -> None:
        super().__init__(fields)
        self._xsd_type = xsd_type


@dataclass(slots=True)
class Form:
    """A type of the contract: its fields in the order of the wire, their types, and what each value must be."""

    type: "ComplexType"
    kinds: Mapping[str, str]
    demanded: tuple[str, ...]  # every field of 2016-2026 may be absent; a later contract may think otherwise
    checks: dict[str, Check] = field(default_factory=dict)


class Forms:
    """The forms of one service's types, made when first needed; ``some`` are the fields that may be left out."""

    def __init__(self, schema: "Schema", some: frozenset[str]) -> None:
        self._some = some
        self._types = {each.qname.localname: each for each in schema.types if each.qname is not None}
        self._made: dict[str, Form] = {}

    def of_type(self, name: str) -> Form | None:
        """Return the form of a type by its local name, None where the contract has none such."""
        found = self._types.get(name)
        return self._form(name, found) if found is not None and hasattr(found, "elements") else None

    def of_element(self, element: "Element") -> Form:
        """Return the form of an operation's element."""
        return self._form(f"<{element.name}>", element.type)

    def fit(self, form: Form, values: Values, path: str) -> Fitted:
        """Return the values as zeep renders them; Unfit where the contract cannot carry one."""
        fitted = Fitted({}, form.type)
        before = f"{path}." if path else ""
        for name, value in values.items():
            if value in EMPTY:
                continue
            check = form.checks.get(name)
            if check is not None:
                fits = check(before + name, value)
                if fits != {}:  # a record of which nothing is known is not there
                    fitted[name] = fits
            elif name not in self._some:
                raise Unfit(before + name, _("в контракте службы нет такого поля"))
        for name in form.demanded:
            if name not in fitted:
                raise Unfit(before + name, _("служба требует это поле"))
        return fitted

    def _form(self, name: str, found: "ComplexType") -> Form:
        if (made := self._made.get(name)) is not None:
            return made
        elements = found.elements
        kinds = {each: element.type.name or "" for each, element in elements}
        demanded = tuple(each for each, element in elements if not (element.is_optional or element.nillable))
        form = self._made[name] = Form(found, kinds, demanded)
        for each, element in elements:
            form.checks[each] = self._check(element)
        return form

    def _check(self, element: "Element") -> Check:
        if hasattr(element.type, "elements"):
            return self._many(element) if element.accepts_multiple else self._one(element)
        name = element.type.name or "string"
        if (limits := WHOLE.get(name)) is not None:
            return _whole(name, *limits)
        return SIMPLE.get(name, _text)

    def _one(self, element: "Element") -> Check:
        own = self._lazy(element)

        def one(path: str, value: Any) -> Any:
            return self._derived(value, path) if isinstance(value, Of) else self.fit(own(), value, path)

        return one

    def _many(self, element: "Element") -> Check:
        one = self._one(element)
        return lambda path, value: [one(path, each) for each in value]

    def _lazy(self, element: "Element") -> Callable[[], Form]:
        name = element.type.name or f"<{element.name}>"
        return lambda: self._made.get(name) or self._form(name, element.type)

    def _derived(self, value: Of, path: str) -> Fitted:
        form = self.of_type(value.type)
        if form is None:
            raise Unfit(path, _("в контракте службы нет типа {name}", name=value.type))
        return self.fit(form, value.fields, path)


def _whole(name: str, least: int, most: int) -> Check:
    def whole(path: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit(path, _("нужно целое число"))
        if not least <= value <= most:
            raise Unfit(path, _("число не помещается в {name}", name=name))
        return value

    return whole


def _text(path: str, value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        raise Unfit(path, _("нужен текст"))
    if NOT_XML.search(value):
        raise Unfit(path, _("знак, который в XML передать нельзя: сотрите его и наберите заново"))
    return value


def _moment(path: str, value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00"
    raise Unfit(path, _("нужна дата"))


def _day(path: str, value: Any) -> str:
    return _moment(path, value)[:10]


def _bytes(path: str, value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise Unfit(path, _("нужны байты"))
    return value


def _flag(path: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit(path, _("нужно да или нет"))
    return value


SIMPLE: Mapping[str, Check] = {"dateTime": _moment, "date": _day, "base64Binary": _bytes, "boolean": _flag}
