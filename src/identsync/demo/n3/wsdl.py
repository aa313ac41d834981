"""The WSDL of the stand-in's services, as WCF gives it: one document, or a document and the schemas it imports."""

from collections.abc import Iterable, Iterator
from functools import cache

from lxml import etree

from identsync.demo.n3.types import (
    ARRAYS,
    NAMESPACES,
    TEMPURI,
    WARNS,
    Field,
    Type,
    operations_of,
    types_of,
)

WSDL = "http://schemas.xmlsoap.org/wsdl/"
SOAP = "http://schemas.xmlsoap.org/wsdl/soap/"
XSD = "http://www.w3.org/2001/XMLSchema"
WSAW = "http://www.w3.org/2006/05/addressing/wsdl"
INSIDE = "http://n3-app-01.internal"  # servers name themselves as nobody outside can
SPACES = {"wsdl": WSDL, "soap": SOAP, "xs": XSD, "wsaw": WSAW, "tns": TEMPURI, **NAMESPACES}

Node = etree._Element


@cache
def single(service: str, edition: str) -> bytes:
    """Return the whole description in one document."""
    root = _root(service)
    types = etree.SubElement(root, f"{{{WSDL}}}types")
    types.extend(_schema(space, service, edition) for space in _spaces(service))
    return _finished(root, service, edition)


@cache
def split(service: str, edition: str) -> bytes:
    """Return the description whose schemas are elsewhere: ``?xsd=xsd0`` and so on."""
    root = _root(service)
    types = etree.SubElement(root, f"{{{WSDL}}}types")
    schema = etree.SubElement(types, f"{{{XSD}}}schema", targetNamespace=f"{TEMPURI}Imports")
    for at, space in enumerate(_spaces(service)):
        location = f"{INSIDE}/emk/{service}.svc?xsd=xsd{at}"
        etree.SubElement(schema, f"{{{XSD}}}import", schemaLocation=location, namespace=space)
    return _finished(root, service, edition)


@cache
def part(service: str, edition: str, number: int) -> bytes | None:
    """Return one schema of the split description."""
    spaces = _spaces(service)
    if number >= len(spaces):
        return None
    schema = _schema(spaces[number], service, edition)
    for each in schema.iterfind(f"{{{XSD}}}import"):
        at = spaces.index(str(each.get("namespace")))
        each.set("schemaLocation", f"{INSIDE}/emk/{service}.svc?xsd=xsd{at}")
    return _spelled(schema)


def action(service: str, operation: str) -> str:
    """Return the SOAPAction of an operation."""
    contract = "IServiceSupport" if operation == "GetVersion" else f"I{_class(service)}"
    return f"{TEMPURI}{contract}/{operation}"


def faults(operation: str, edition: str) -> tuple[str, ...]:
    """Return the faults that an operation declares."""
    if operation == "GetVersion":
        return ()
    declared = ("RequestFault",) if edition == "2016" else ("RequestFault", "ArrayOfRequestFault")
    return (*declared, "RequestWarning", "ArrayOfRequestWarning") if operation in WARNS else declared


def _class(service: str) -> str:
    return "EmkService" if service == "EMKService" else service


def _root(service: str) -> Node:
    return etree.Element(f"{{{WSDL}}}definitions", nsmap=SPACES, name=_class(service), targetNamespace=TEMPURI)


def _spaces(service: str) -> tuple[str, ...]:
    rest = ("pix", "common", "core") if service == "PixService" else tuple(name for name in NAMESPACES if name != "pix")
    return (TEMPURI, *(NAMESPACES[name] for name in rest))


def _schema(space: str, service: str, edition: str) -> Node:
    schema = etree.Element(f"{{{XSD}}}schema", nsmap=SPACES, elementFormDefault="qualified", targetNamespace=space)
    for other in _spaces(service):
        if other != space:
            etree.SubElement(schema, f"{{{XSD}}}import", namespace=other)
    if space == TEMPURI:
        for name, arguments in operations_of(service, edition).items():
            _element(schema, name, arguments)
            answer = [Field("GetVersionResult", TEMPURI, "core.VersionInfo", False)] if name == "GetVersion" else []
            _element(schema, f"{name}Response", answer)
    elif space == ARRAYS:
        _array(schema, "string", "xs:string")
    else:
        for one in types_of(edition).values():
            if NAMESPACES[one.name.partition(".")[0]] == space:
                _type(schema, one)
    return schema


def _type(schema: Node, one: Type) -> None:
    name = one.name.partition(".")[2]
    kind = etree.SubElement(schema, f"{{{XSD}}}complexType", name=name)
    if one.parent:
        content = etree.SubElement(kind, f"{{{XSD}}}complexContent", mixed="false")
        kind = etree.SubElement(content, f"{{{XSD}}}extension", base=_qname(one.parent))
    _sequence(kind, one.own)
    etree.SubElement(schema, f"{{{XSD}}}element", name=name, type=_qname(one.name), nillable="true")
    if one.name in _ARRAYED:
        _array(schema, name, _qname(one.name))


def _array(schema: Node, name: str, of: str) -> None:
    kind = etree.SubElement(schema, f"{{{XSD}}}complexType", name=f"ArrayOf{name}")
    sequence = etree.SubElement(kind, f"{{{XSD}}}sequence")
    etree.SubElement(
        sequence, f"{{{XSD}}}element", name=name, type=of, minOccurs="0", maxOccurs="unbounded", nillable="true"
    )
    prefix = next(short for short, space in SPACES.items() if space == schema.get("targetNamespace"))
    etree.SubElement(
        schema, f"{{{XSD}}}element", name=f"ArrayOf{name}", type=f"{prefix}:ArrayOf{name}", nillable="true"
    )


_ARRAYED = {field.type for one in types_of("EMK5").values() for field in one.fields if field.is_array}


def _element(schema: Node, name: str, fields: Iterable[Field]) -> None:
    element = etree.SubElement(schema, f"{{{XSD}}}element", name=name)
    _sequence(etree.SubElement(element, f"{{{XSD}}}complexType"), fields)


def _sequence(kind: Node, fields: Iterable[Field]) -> None:
    sequence = etree.SubElement(kind, f"{{{XSD}}}sequence")
    for field in fields:
        element = etree.SubElement(sequence, f"{{{XSD}}}element", name=field.name, type=_spelling(field), minOccurs="0")
        if "." in field.type or field.is_array or field.type in ("string", "base64Binary"):
            element.set("nillable", "true")


def _spelling(field: Field) -> str:
    if not field.is_array:
        return _qname(field.type)
    prefix, _dot, name = field.type.partition(".")
    return f"{prefix}:ArrayOf{name}" if name else f"arr:ArrayOf{field.type}"


def _qname(name: str) -> str:
    prefix, dot, local = name.partition(".")
    return f"{prefix}:{local}" if dot and prefix in NAMESPACES else f"xs:{name}"


def _finished(root: Node, service: str, edition: str) -> bytes:
    names = list(operations_of(service, edition))
    for name in names:
        root.extend(_messages(service, name, edition))
    root.append(_port(service, names, edition))
    root.append(_binding(service, names, edition))
    served = etree.SubElement(root, f"{{{WSDL}}}service", name=_class(service))
    binding = f"BasicHttpBinding_I{_class(service)}"
    port = etree.SubElement(served, f"{{{WSDL}}}port", name=binding, binding=f"tns:{binding}")
    etree.SubElement(port, f"{{{SOAP}}}address", location=f"{INSIDE}/emk/{service}.svc")
    return _spelled(root)


def _messages(service: str, operation: str, edition: str) -> Iterator[Node]:
    for end, element in (("Input", operation), ("Output", f"{operation}Response")):
        message = etree.Element(f"{{{WSDL}}}message", name=f"I{_class(service)}_{operation}_{end}Message")
        etree.SubElement(message, f"{{{WSDL}}}part", name="parameters", element=f"tns:{element}")
        yield message
    for fault in faults(operation, edition):
        message = etree.Element(f"{{{WSDL}}}message", name=f"I{_class(service)}_{operation}_{fault}_FaultMessage")
        etree.SubElement(message, f"{{{WSDL}}}part", name="detail", element=f"common:{fault}")
        yield message


def _port(service: str, names: Iterable[str], edition: str) -> Node:
    port = etree.Element(f"{{{WSDL}}}portType", name=f"I{_class(service)}")
    for name in names:
        operation = etree.SubElement(port, f"{{{WSDL}}}operation", name=name)
        message = f"tns:I{_class(service)}_{name}"
        asked = etree.SubElement(operation, f"{{{WSDL}}}input", message=f"{message}_InputMessage")
        asked.set(f"{{{WSAW}}}Action", action(service, name))
        etree.SubElement(operation, f"{{{WSDL}}}output", message=f"{message}_OutputMessage")
        for fault in faults(name, edition):
            etree.SubElement(
                operation, f"{{{WSDL}}}fault", name=f"{fault}Fault", message=f"{message}_{fault}_FaultMessage"
            )
    return port


def _binding(service: str, names: Iterable[str], edition: str) -> Node:
    name = _class(service)
    binding = etree.Element(f"{{{WSDL}}}binding", name=f"BasicHttpBinding_I{name}", type=f"tns:I{name}")
    etree.SubElement(binding, f"{{{SOAP}}}binding", transport="http://schemas.xmlsoap.org/soap/http")
    for each in names:
        operation = etree.SubElement(binding, f"{{{WSDL}}}operation", name=each)
        etree.SubElement(operation, f"{{{SOAP}}}operation", soapAction=action(service, each), style="document")
        for end in ("input", "output"):
            etree.SubElement(etree.SubElement(operation, f"{{{WSDL}}}{end}"), f"{{{SOAP}}}body", use="literal")
        for fault in faults(each, edition):
            told = etree.SubElement(operation, f"{{{WSDL}}}fault", name=f"{fault}Fault")
            etree.SubElement(told, f"{{{SOAP}}}fault", use="literal", name=f"{fault}Fault")
    return binding


def _spelled(root: Node) -> bytes:
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)
