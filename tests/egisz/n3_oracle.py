"""Two judges of a request that are not ours: zeep's serialisation of ready objects, an XML schema's validator."""

import io
import tempfile
from pathlib import Path
from typing import Any

from lxml import etree
from zeep import Client, Settings

from identsync.integrations.egisz.wire.contract import Message

XSD = "{http://www.w3.org/2001/XMLSchema}"
BINDINGS = {"PixService.svc": "BasicHttpBinding_IPixService", "EMKService.svc": "BasicHttpBinding_IEmkService"}


def client(wsdl: bytes) -> Any:
    return Client(io.BytesIO(wsdl), settings=Settings(strict=True))


def ready(zeep: Any, message: Message) -> tuple[Any, dict[str, Any]]:
    """Return the binding, and the arguments of an operation as zeep's own objects, read from our request."""
    name = "{http://tempuri.org/}" + BINDINGS[message.endpoint]
    element = zeep.wsdl.bindings[name].get(message.operation).input.body
    read = element.parse(etree.fromstring(message.body())[-1][0], zeep.wsdl.types)
    arguments = {each: read[each] for each in read if read[each] is not None} if read is not None else {}
    return zeep.create_service(name, "http://n3.example/"), arguments


def by_zeep(zeep: Any, message: Message) -> bytes:
    """Return the request that zeep makes of the same content."""
    service, arguments = ready(zeep, message)
    envelope = zeep.create_message(service, message.operation, **arguments)
    for header in envelope.findall("{http://schemas.xmlsoap.org/soap/envelope/}Header"):
        envelope.remove(header)  # WS-Addressing, which N3's samples do not have
    return etree.tostring(envelope)


def canonical(xml: bytes) -> str:
    """Return XML so that only what it says counts: prefixes are those of the namespaces, i:type is spelled whole."""
    root = etree.fromstring(xml)
    for each in root.iter():
        for name, value in each.attrib.items():
            if name.endswith("}type"):
                prefix, _colon, local = value.rpartition(":")
                each.set(name, f"{{{each.nsmap[prefix or None]}}}{local}")
    told = etree.canonicalize(etree.tostring(root, encoding="unicode"), rewrite_prefixes=True, strip_text=False)
    return told.replace("+00:00</", "Z</")  # two spellings of UTC


class Validator:
    """Validates the operations of a WSDL by its own schemas."""

    def __init__(self, wsdl: bytes) -> None:
        root = etree.fromstring(wsdl)
        schemas = root.findall(f".//{XSD}schema")
        with tempfile.TemporaryDirectory() as folder:
            names = {str(each.get("targetNamespace")): f"{at}.xsd" for at, each in enumerate(schemas)}
            for each in schemas:
                for one in each.iterfind(f"{XSD}import"):
                    one.set("schemaLocation", names[str(one.get("namespace"))])
                Path(folder, names[str(each.get("targetNamespace"))]).write_bytes(etree.tostring(each))
            self._schema = etree.XMLSchema(file=str(Path(folder, names["http://tempuri.org/"])))

    def complaints(self, body: bytes) -> list[str]:
        operation = etree.fromstring(body)[-1][0]
        self._schema.validate(etree.fromstring(etree.tostring(operation)))
        return [str(each.message) for each in self._schema.error_log]
