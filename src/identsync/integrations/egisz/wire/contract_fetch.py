"""A service's WSDL read once, at set-up: one document, whatever the service spreads it over.

``?singleWsdl`` of WCF is one document; older ones only have ``?wsdl``, whose imports are put into it here. Imports
name the server as it knows itself, often by a name that nobody outside resolves: only their query is used.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from identsync.errors import Unexpected
from identsync.flows.http import Http
from identsync.integrations.egisz.wire.contract_xml import MAX_DOCUMENT, hardened
from identsync.language import _

if TYPE_CHECKING:
    from lxml.etree import _Element

WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
XSD = "{http://www.w3.org/2001/XMLSchema}"
MAX_IMPORTS = 64
ORDER = ("types", "message", "portType", "binding", "service")

Take = Callable[[str], "_Element | None"]


async def fetch(http: Http, url: str) -> bytes:
    """Return the WSDL of the service at ``url`` (…/EMKService.svc); errors of flows/http.py, Unexpected for no WSDL."""
    try:
        root = await _document(http, f"{url}?singleWsdl")
        if root.tag == f"{WSDL}definitions":
            return _bytes(await _whole(http, url, root))
    except Unexpected:
        pass  # older services answer with their page for people, or not at all
    root = await _document(http, f"{url}?wsdl")
    if root.tag != f"{WSDL}definitions":
        raise Unexpected(_("{url}: это не описание службы", url=urlsplit(url).path))
    return _bytes(await _whole(http, url, root))


async def _whole(http: Http, url: str, root: "_Element") -> "_Element":
    """Put into a document what it imports."""
    seen: dict[str, _Element] = {}
    left = list(_imports(root))
    while left:
        address = _address(url, left.pop())
        if address in seen:
            continue
        if len(seen) == MAX_IMPORTS:
            raise Unexpected(_("{url}: описание службы из {n} частей и больше", url=urlsplit(url).path, n=MAX_IMPORTS))
        seen[address] = part = await _document(http, address)
        left += _imports(part)
    for part in seen.values():
        _put(root, part)
    for each in [*root.iter(f"{XSD}import", f"{XSD}include"), *root.findall(f"{WSDL}import")]:
        each.attrib.pop("schemaLocation", None)
        if each.tag == f"{WSDL}import":
            root.remove(each)
    return root


def _imports(root: "_Element") -> Iterator[str]:
    for each in root.iter(f"{XSD}import", f"{XSD}include", f"{WSDL}import"):
        if location := each.get("schemaLocation") or each.get("location"):
            yield location


def _address(url: str, location: str) -> str:
    query = urlsplit(location).query
    if query:
        return f"{url}?{query}"
    address = urljoin(url, location)
    if urlsplit(address)[:2] != urlsplit(url)[:2]:
        raise Unexpected(_("{url}: описание службы ссылается на чужой адрес", url=urlsplit(url).path))
    return address


def _put(root: "_Element", part: "_Element") -> None:
    """Put a schema, or the parts of a WSDL of the same namespace, into the root, in the order WSDL wants."""
    types = root.find(f"{WSDL}types")
    if types is None:
        types = root.makeelement(f"{WSDL}types")
        root.insert(0, types)
    if part.tag == f"{XSD}schema":
        types.append(part)
        return
    if part.get("targetNamespace") != root.get("targetNamespace"):
        raise Unexpected(_("описание службы разложено по пространствам имён: нужен ?singleWsdl"))
    types.extend(part.findall(f"{WSDL}types/*"))
    mine = [each for each in part if each.tag != f"{WSDL}types"]
    root.extend(sorted([*root, *mine], key=_rank))


def _rank(part: "_Element") -> int:
    name = str(part.tag).removeprefix(WSDL)
    return ORDER.index(name) if name in ORDER else -1


async def _document(http: Http, url: str) -> "_Element":
    reply = await http.ask("GET", url, max_bytes=MAX_DOCUMENT)
    return hardened(reply.body, urlsplit(url).path)


def _bytes(root: "_Element") -> bytes:
    from lxml import etree

    return etree.tostring(root, encoding="utf-8", xml_declaration=True)
