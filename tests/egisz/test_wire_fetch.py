"""A description spread over many documents is put together; one that leads elsewhere, or nowhere, is not."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from lxml import etree

from identsync.demo.n3 import wsdl
from identsync.errors import Unavailable, Unexpected
from identsync.flows.http import Http
from identsync.integrations.egisz.wire.contract import Contract
from identsync.integrations.egisz.wire.contract_fetch import fetch

from .n3_desk import FREE

WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
XSD = "{http://www.w3.org/2001/XMLSchema}"


@contextlib.contextmanager
def served(give: Callable[[str], bytes | None]) -> Iterator[str]:
    """A server that gives a document for each query; None is 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = give(self.path.partition("?")[2])
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/emk/EMKService.svc"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def fetched(give: Callable[[str], bytes | None]) -> bytes:
    with served(give) as url:
        async with Http() as http:
            return await fetch(http, url)


def divided(namespace: str = "http://tempuri.org/") -> dict[str, bytes]:
    """A WSDL whose types, messages and operations stand in another WSDL."""
    root = etree.fromstring(wsdl.single("EMKService", "EMK5"))
    part = etree.Element(f"{WSDL}definitions", nsmap=root.nsmap, targetNamespace=namespace)
    part.extend(root.findall(f"{WSDL}types") + root.findall(f"{WSDL}message") + root.findall(f"{WSDL}portType"))
    link = etree.Element(f"{WSDL}import", namespace=namespace, location="http://app-01.internal/x.svc?wsdl=wsdl0")
    root.insert(0, link)
    return {"wsdl": etree.tostring(root), "wsdl=wsdl0": etree.tostring(part)}


async def test_a_description_in_two_is_one() -> None:
    content = await fetched(divided().get)
    found = Contract(pix=wsdl.single("PixService", "EMK5"), emk=content)
    assert (found.generation, found.differences()) == ("EMK5", [])


async def test_a_description_over_namespaces_is_asked_for_as_one() -> None:
    with pytest.raises(Unexpected, match="singleWsdl"):
        await fetched(divided("http://other.example/").get)


def importing(location: str) -> bytes:
    return (
        f'<definitions xmlns="{WSDL[1:-1]}" targetNamespace="http://tempuri.org/"><types>'
        f'<schema xmlns="{XSD[1:-1]}"><import namespace="n" schemaLocation="{location}"/></schema>'
        "</types></definitions>"
    ).encode()


@pytest.mark.parametrize("location", ["http://127.0.0.9:9/x.xsd", "file:///etc/hostname", "//127.0.0.9/x.xsd"])
async def test_a_description_leads_to_nobody_else(location: str) -> None:
    with pytest.raises(Unexpected, match="чужой адрес"):
        await fetched({"wsdl": importing(location)}.get)


async def test_a_description_without_end_ends() -> None:
    def give(query: str) -> bytes | None:
        if query == "wsdl":
            return importing("x.svc?xsd=xsd0")
        if not query.startswith("xsd="):
            return None
        after = int(query.removeprefix("xsd=xsd")) + 1
        schema = f'<schema xmlns="{XSD[1:-1]}"><import namespace="n{after}" schemaLocation="?xsd=xsd{after}"/></schema>'
        return schema.encode()

    with pytest.raises(Unexpected, match="частей"):
        await fetched(give)


@pytest.mark.parametrize(
    "body", [b"<html><body>EMKService Service</body></html>", b"", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"<a"]
)
async def test_what_is_no_description_is_refused(body: bytes) -> None:
    with pytest.raises(Unexpected):
        await fetched(lambda _query: body)


async def test_no_connection_is_later() -> None:
    async with Http() as http:
        with pytest.raises(Unavailable):
            await fetch(http, f"{FREE}/EMKService.svc")
