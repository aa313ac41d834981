"""The stand-in's server: two SOAP services and their descriptions on real sockets, so that answers can be lost."""

import re
from typing import Any
from urllib.parse import urlsplit

from lxml import etree

from identsync.demo import serving
from identsync.demo.n3 import door, soap, wsdl
from identsync.demo.n3.desk import ONLY_SUCCESS, Desk, Fault
from identsync.demo.n3.reader import Reader, Unreadable
from identsync.demo.n3.types import EMK, PIX, operations_of

XML = "text/xml; charset=utf-8"
PATHS = {f"/emk/{service}.svc": service for service in (PIX, EMK)}
KEPT_REQUESTS = 200
PART = re.compile(r"xsd=xsd(\d{1,3})")

Answer = tuple[int, bytes]


class Handler(serving.Handler[Desk]):
    """One connection."""

    door, door_key = "/_n3/", "X-N3-Key"
    longest = 64 << 20

    def asked(self, body: bytes) -> None:
        """Answer a request, or describe a service."""
        if self.command != "POST":
            self._describe()
            return
        service = PATHS.get(self.path)
        if service is None:
            self.reply(404, soap.HTML, "text/html")
        elif not self.headers.get("Content-Type", "").startswith("text/xml"):
            self.reply(415, b"", XML)
        else:
            self._serve(service, body)

    def _describe(self) -> None:
        asked = urlsplit(self.path)
        service = PATHS.get(asked.path)
        with self.server.desk.lock:
            found = _described(self.server.desk, service, asked.query) if service else None
        if found is not None:
            self.reply(200, found, XML)
        else:
            self.reply(200 if service else 404, soap.HTML, "text/html")  # WCF's page for people

    def _serve(self, service: str, body: bytes) -> None:
        desk = self.server.desk
        action = self.headers.get("SOAPAction", "").strip('"')
        name = action.rpartition("/")[2]
        with desk.lock:
            desk.counts[name] += 1
            desk.requests.append(body.decode("utf-8", "replace"))
            del desk.requests[:-KEPT_REQUESTS]
            fault = desk.faults.first(lambda fault: fault.operation in ("", name))
        if fault is not None and fault.kind == "slow":
            self.server.ended.wait(fault.seconds)
        with desk.lock:
            is_idle = fault is not None and not fault.is_taken
            answer = (200, soap.success(name)) if is_idle else _answered(desk, service, action, body)
        if fault is None or fault.kind == "slow" or (answer[0] != 200 and fault.kind in ONLY_SUCCESS):
            self.reply(*answer, XML)
        elif fault.kind == "hang":
            self.hang()
        elif fault.kind == "cut":
            self.break_off(answer[1][:9], 9_999)
        elif fault.kind == "lose":
            self.close_connection = True
        else:
            after = {} if fault.after is None else {"Retry-After": str(fault.after)}
            self.reply(*_spoiled(fault, name, answer), "text/html" if fault.kind == "html" else XML, after)

    def ordered(self, what: str, body: bytes) -> Any:
        """Do what the back door is asked."""
        with self.server.desk.lock:
            return door.done(self.server.desk, what, body)


def _spoiled(fault: Fault, name: str, answer: Answer) -> Answer:
    """Return what is answered instead."""
    match fault.kind:
        case "html":
            return fault.status, soap.HTML
        case "half":
            return 200, answer[1][: len(answer[1]) // 2]
        case "bomb":
            return 200, soap.BOMB
        case "extra":
            return 200, soap.talkative(name)
        case "other":
            return 200, soap.success(f"Get{name}")
        case "warn":
            return 500, soap.warning(as_list=fault.width > 1)
        case "tree":
            return 500, soap.tree(fault.width, fault.depth)
        case "refuse":
            return 500, soap.said(fault.code)
        case _:
            return fault.status, fault.body.encode()


def _described(desk: Desk, service: str, query: str) -> bytes | None:
    """Return what a service says of itself, None where it shows its page for people."""
    if query == "singleWsdl" and desk.single:
        return wsdl.single(service, desk.edition)
    if query == "wsdl":
        return wsdl.split(service, desk.edition)
    found = PART.fullmatch(query)
    return wsdl.part(service, desk.edition, int(found[1])) if found else None


def _answered(desk: Desk, service: str, action: str, body: bytes) -> Answer:
    """Do what a request asks and return the answer."""
    asked = _asked(body)
    if asked is None:
        return 400, b""
    reader = Reader(desk.edition)
    name = etree.QName(asked).localname
    if action != wsdl.action(service, name) or name not in operations_of(service, desk.edition):
        return 500, soap.bare("a:ActionNotSupported", "The message cannot be processed at the receiver")
    try:
        name, told = reader.read(service, asked)
    except Unreadable as error:
        return 500, soap.bare("a:DeserializationFailed", f"The formatter threw an exception: {error}")
    desk.passed += reader.passed
    if name == "GetVersion":
        return 200, soap.version(desk.version, "3.1")
    wrong = desk.work(service, name, told)
    if wrong:
        return 500, soap.refusal(wrong, as_list=service == PIX and desk.edition != "2016")
    return 200, soap.success(name)


def _asked(body: bytes) -> etree._Element | None:
    """Return the element of the operation, None for what is no SOAP."""
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True)
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        return None
    found = root.find(f"{{{soap.ENVELOPE}}}Body") if root.tag == f"{{{soap.ENVELOPE}}}Envelope" else None
    return found[0] if found is not None and len(found) == 1 else None
