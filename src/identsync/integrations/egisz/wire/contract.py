"""The contract of N3's two services, made from the bytes of their own WSDLs: nothing is loaded while it is used.

zeep reads the WSDLs and renders the messages, so that order and spelling are the service's own. The generations of the
contract differ (``contract_known.py``); what a service has is built, and what changed is told in words.
"""

import hashlib
import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn

from identsync.errors import Unexpected
from identsync.integrations.egisz.wire import contract_known as known
from identsync.integrations.egisz.wire.contract_forms import Form, Forms, Unfit, Values
from identsync.integrations.egisz.wire.contract_xml import hardened
from identsync.language import _

if TYPE_CHECKING:
    from lxml.etree import _Element
    from zeep.wsdl.bindings.soap import SoapBinding, SoapOperation

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
TEMPURI = "http://tempuri.org/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
BAFFLED = (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)  # zeep, by a damaged WSDL
WIDER = ("unsignedShort", "short", "unsignedInt", "int", "long")
# Left out where a service has no such field. Not so IdMedDocumentType: a document without its kind is never registered.
SOME = frozenset({"RelatedMedDoc", "confidentiality"})


class Endpoint(StrEnum):
    """One of the two: its file's name."""

    PIX = "PixService.svc"
    EMK = "EMKService.svc"


class Generation(StrEnum):
    """A known edition of the contract, by what tells it from the others."""

    DEMO_2016 = "2016"  # no documents
    EMK = "EMK"  # documents without IdMedDocumentType
    EMK5 = "EMK5"  # IdMedDocumentType of one byte, confidentiality, RelatedMedDoc
    SAMPLES_2026 = "2026"  # IdMedDocumentType wider than a byte
    UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Message:
    """A request: where it goes, its SOAPAction, its envelope; ``answer`` is the element of its success."""

    endpoint: Endpoint
    operation: str
    action: str
    envelope: "_Element"
    answer: str

    def body(self) -> bytes:
        """Return the bytes to send."""
        from lxml import etree

        return etree.tostring(self.envelope, encoding="utf-8", xml_declaration=True)


class Contract:
    """The two services as they describe themselves; Unexpected where a WSDL is none, or speaks no SOAP 1.1."""

    def __init__(self, *, pix: bytes, emk: bytes) -> None:
        self.wsdl: Mapping[Endpoint, bytes] = {Endpoint.PIX: pix, Endpoint.EMK: emk}
        self.digests = {endpoint: hashlib.sha256(content).hexdigest() for endpoint, content in self.wsdl.items()}
        self._described = {endpoint: _Described(endpoint, content) for endpoint, content in self.wsdl.items()}
        self.generation = self._generation()

    def has(self, operation: str, endpoint: Endpoint = Endpoint.EMK) -> bool:
        """Tell whether a service has an operation."""
        return operation in self._described[endpoint].operations

    def has_field(self, name: str, of_type: str, endpoint: Endpoint = Endpoint.EMK) -> bool:
        """Tell whether a type of a service has a field."""
        form = self._described[endpoint].forms.of_type(of_type)
        return form is not None and name in form.checks

    def message(self, endpoint: Endpoint, operation: str, values: Values) -> Message:
        """Build a request; Unfit names the field that the contract cannot carry, or the operation it does not have."""
        return self._described[endpoint].message(operation, values)

    def addressed(self, message: Message, address: str) -> None:
        """Add the headers of WS-Addressing to a request: only where N3 asks for them."""
        from zeep.wsa import WsAddressingPlugin

        operation = self._described[message.endpoint].operations[message.operation]
        WsAddressingPlugin(address).egress(message.envelope, {}, operation, {})  # type: ignore[no-untyped-call]

    def differences(self) -> list[str]:
        """Return in words what is not as known: operations and fields that are gone, new, moved or of another type."""
        told = [] if self.generation is not Generation.UNKNOWN else [_("контракт неизвестного поколения")]
        has_documents = self.has("AddMedRecord")
        emk = {**known.EMK, **(known.DOCUMENT if has_documents else {})}
        told += self._described[Endpoint.PIX].differences(known.PIX_OPERATIONS, known.PIX)
        return told + list(self._described[Endpoint.EMK].differences(known.EMK_OPERATIONS, emk))

    def _generation(self) -> Generation:
        side = self._described[Endpoint.EMK]
        if not self.has("AddMedRecord"):
            return Generation.DEMO_2016 if self.has("AddCase") else Generation.UNKNOWN
        kind = side.kind("MedDocument", "IdMedDocumentType")
        has_related = bool(side.kind("MedDocument", "RelatedMedDoc"))
        has_level = "confidentiality" in side.arguments("AddMedRecord")
        if not kind and not has_related and not has_level:
            return Generation.EMK
        if kind == "unsignedByte" and has_related and has_level:
            return Generation.EMK5
        return Generation.SAMPLES_2026 if kind in WIDER else Generation.UNKNOWN


class _Described:
    """One service's operations, and the forms of its types."""

    def __init__(self, endpoint: Endpoint, content: bytes) -> None:
        self.endpoint = endpoint
        binding, schema = _loaded(endpoint, content)
        self.operations = {name: each for name, each in binding._operations.items() if _is_whole(each)}
        self.forms = Forms(schema, SOME)
        spaces = sorted({each.qname.namespace for each in schema.types if each.qname is not None})
        spaces = [space for space in spaces if space and not space.startswith("http://www.w3.org/")]
        self._prefixes = {"s": SOAP, "i": XSI, "t": TEMPURI} | {f"n{at}": space for at, space in enumerate(spaces)}

    def message(self, operation: str, values: Values) -> Message:
        from lxml import etree

        found = self.operations.get(operation)
        if found is None:
            raise Unfit(operation, _("в контракте службы нет такой операции"))
        element = _asked(found)
        fitted = self.forms.fit(self.forms.of_element(element), values, "")
        envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap=self._prefixes)
        element.render(etree.SubElement(envelope, f"{{{SOAP}}}Body"), fitted)
        return Message(self.endpoint, operation, found.soapaction, envelope, _success(found))

    def kind(self, of_type: str, name: str) -> str:
        """Return the type of a field, '' where there is none."""
        form = self.forms.of_type(of_type)
        return form.kinds.get(name, "") if form is not None else ""

    def arguments(self, operation: str) -> Mapping[str, str]:
        found = self.operations.get(operation)
        return self.forms.of_element(_asked(found)).kinds if found is not None else {}

    def differences(
        self, operations: Mapping[str, Mapping[str, known.Known]], types: Mapping[str, Mapping[str, known.Known]]
    ) -> Iterator[str]:
        for name, arguments in operations.items():
            if name in self.operations:
                yield from _compared(name, arguments, self.forms.of_element(_asked(self.operations[name])))
            elif name not in known.SOME_OPERATIONS:
                yield _("{service}: нет операции {name}", service=self.endpoint, name=name)
        for name, fields in types.items():
            form = self.forms.of_type(name)
            if form is None:
                yield _("{service}: нет типа {name}", service=self.endpoint, name=name)
            else:
                yield from _compared(name, fields, form)


def _is_whole(operation: "SoapOperation") -> bool:
    """Tell whether an operation has a request with fields and an answer; a damaged one is as if it were not there."""
    asked, answered = operation.input, operation.output
    if asked is None or answered is None or asked.body is None or answered.body is None:
        return False
    return hasattr(asked.body.type, "elements")


def _asked(operation: "SoapOperation") -> Any:
    """Return the element of a request."""
    assert operation.input is not None
    return operation.input.body


def _success(operation: "SoapOperation") -> str:
    """Return the name of the element that answers it."""
    assert operation.output is not None
    return str(operation.output.body.qname.text)


def _compared(where: str, wanted: Mapping[str, known.Known], form: Form) -> Iterator[str]:
    for name, field in wanted.items():
        kind = form.kinds.get(name)
        if kind is None:
            if not field.is_some:
                yield _("{where}: нет поля {name}", where=where, name=name)
        elif kind != field.type and not (field.is_some and kind in WIDER):
            yield _("{where}.{name}: был тип {old}, стал {new}", where=where, name=name, old=field.type, new=kind)
    for name in form.kinds:
        if name not in wanted:
            yield _("{where}: новое поле {name}, мы его не передаём", where=where, name=name)
    if [name for name in wanted if name in form.kinds] != [name for name in form.kinds if name in wanted]:
        yield _("{where}: поля стоят в другом порядке", where=where)


def _loaded(endpoint: Endpoint, content: bytes) -> "tuple[SoapBinding, Any]":
    """Return the SOAP 1.1 binding and the types of a WSDL."""
    from zeep import Settings
    from zeep.exceptions import Error
    from zeep.wsdl import Document
    from zeep.wsdl.bindings.soap import Soap11Binding

    hardened(content, str(endpoint))
    settings = Settings(forbid_dtd=True, forbid_entities=True, forbid_external=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what zeep passes over is not there, and differences() says so
            document = Document(io.BytesIO(content), _transport(), settings=settings)
        found = [each for each in document.bindings.values() if isinstance(each, Soap11Binding)]
    except (Error, *BAFFLED) as error:
        raise Unexpected(
            _("{service}: описание службы не разобрать ({cause})", service=endpoint, cause=type(error).__name__)
        ) from None
    if not found:
        raise Unexpected(_("{service}: в описании службы нет SOAP 1.1", service=endpoint))
    return max(found, key=lambda each: len(each._operations)), document.types


def _transport() -> Any:
    from zeep.transports import Transport

    class Nothing(Transport):
        """Loads nothing: the bytes at hand are the whole contract."""

        def load(self, url: str) -> NoReturn:
            raise ValueError(url)

    return Nothing()  # type: ignore[no-untyped-call]
