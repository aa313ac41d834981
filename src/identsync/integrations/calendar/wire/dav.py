"""WebDAV with one account: requests that carry its password, answers read as rows. The only file that reads XML.

The password goes to no address but the one that is asked: no redirect is followed here, ``discovery.py`` has the rule
for those. XML with a DTD is refused (entity bombs), its size is capped by ``Http``.
"""

import base64
import functools
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from identsync.errors import Limited, Refused, Unavailable, Unexpected
from identsync.flows.answer import titled
from identsync.integrations.calendar.event import Barred, Heard, unheard
from identsync.integrations.calendar.wire.providers import advice
from identsync.language import keyed as _

if TYPE_CHECKING:
    from identsync.flows.answer import Reply
    from identsync.flows.http import Http

DAV = "{DAV:}"
CALDAV = "{urn:ietf:params:xml:ns:caldav}"
SABRE = "{http://sabredav.org/ns}"
APPLE = "{http://apple.com/ns/ical/}"
_HREF, _STATUS, _PROPSTAT = f"{DAV}href", f"{DAV}status", f"{DAV}propstat"
XML_TYPE = "application/xml; charset=utf-8"
REDIRECTS = frozenset({301, 302, 303, 307, 308})
DEADLINE = 60.0  # seconds; Yandex is slow in writing
GONE = frozenset({404, 410})
_UNSEEN = frozenset({403, 405, 501})
_ITSELF = '<D:propfind xmlns:D="DAV:"><D:prop><D:resourcetype/></D:prop></D:propfind>'
_REASON = 200  # characters of a server's words that are kept for people

Permit = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Row:
    """One response of a multistatus: href as it came, its own status if it has one, properties that were found."""

    href: str
    status: int | None
    properties: Mapping[str, Element]

    @property
    def path(self) -> str:
        """The href's path, decoded, without a slash at the end; '' where the href is none."""
        return path_of(self.href)

    def text(self, tag: str) -> str | None:
        """Return the text of a property; None where it is missing or empty."""
        found = self.properties.get(tag)
        return None if found is None else (found.text or "").strip() or None

    def href_in(self, tag: str) -> str | None:
        """Return the address that a property holds."""
        found = self.properties.get(tag)
        inner = None if found is None else found.find(f"{DAV}href")
        return None if inner is None else (inner.text or "").strip() or None


@dataclass(frozen=True, slots=True)
class Multistatus:
    """The rows of an answer, in its order, and the sync-token it ends with."""

    rows: tuple[Row, ...]
    token: str | None


class Dav:
    """An account on a server. ``permit`` is awaited before each request; nothing is ever sent twice."""

    def __init__(
        self, http: "Http", user: str, password: str, permit: Permit, heard: Heard = unheard, *,
        deadline: float = DEADLINE,
    ) -> None:  # fmt: skip
        self._http = http
        self._permit = permit
        self._heard = heard
        self._deadline = deadline
        self._key = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    async def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        passing: Collection[int] = (),
    ) -> "Reply":
        """Send one request; give its answer where it is 2xx or ``passing``, raise what flows.http raises otherwise."""
        await self._permit()
        signed = {**(headers or {}), "Authorization": self._key}
        known = {401, *REDIRECTS, *passing}
        try:
            reply = await self._http.ask(method, url, signed, body, passing=known, deadline=self._deadline)
        except Refused as error:  # 403
            raise Barred(error.args[0], hint=error.hint, raw=error.raw) from None
        except (Limited, Unavailable) as error:
            await self._heard(error)
            raise
        if reply.status == 401:
            wrong = refused(method, url, reply, _("сервер не принимает имя и пароль (401)"))
            await self._heard(wrong)
            raise wrong
        if reply.status in REDIRECTS and reply.status not in passing:
            raise unexpected(method, url, _("сервер отсылает на другой адрес ({status})", status=reply.status))
        return reply

    async def ask_xml(
        self, method: str, url: str, depth: int | None, body: str, *, passing: Collection[int] = ()
    ) -> "Reply":
        """Send a question in XML: always with its type, Xandikos answers 415 without."""
        headers = {"Content-Type": XML_TYPE} | ({} if depth is None else {"Depth": str(depth)})
        return await self.ask(method, url, headers, body.encode(), passing=passing)

    async def absent(self, url: str) -> "Reply | None":
        """Ask for a calendar or a folder itself; give the answer that says it is not there.

        What may not be seen, and what a server does not let ask for, is not what was deleted.
        """
        reply = await self.ask_xml("PROPFIND", url, 0, _ITSELF, passing=GONE | _UNSEEN)
        if reply.status in GONE:
            return reply
        if reply.status in _UNSEEN:
            return None
        rows = multistatus("PROPFIND", url, reply).rows  # Xandikos says 404 so, within a 207
        return reply if any(row.status in GONE and row.path == path_of(url) for row in rows) else None


def multistatus(method: str, url: str, reply: "Reply") -> Multistatus:
    """Read an answer whatever type it says it has; Unexpected where it is none, or half of one: never an empty list."""
    root = parsed(reply.body)
    if root is None or root.tag != f"{DAV}multistatus" or reply.status not in {200, 207}:
        page = reply.text[:64].lower().startswith(("<!doctype html", "<html"))
        words = _("вместо ответа календаря пришла веб-страница") if page else _("ответ календаря неполон или испорчен")
        raise unexpected(method, url, words, reply)
    token = (root.findtext(f"{DAV}sync-token") or "").strip() or None
    return Multistatus(tuple(_rows(root)), token)


class _Tree(TreeBuilder):
    def doctype(self, *_names: object) -> None:
        raise ValueError("a DTD")


def parsed(data: bytes) -> Element | None:
    """Read XML; None where it is broken or has a DTD: without one there are no entities, so no bombs.

    The second look is for encodings in which those letters are other bytes.
    """
    if b"<!DOCTYPE" in data or b"\0" in data:
        return None
    parser = XMLParser(target=_Tree())  # noqa: S314  what makes it unsafe is refused
    try:
        parser.feed(data)
        root = parser.close()
    except (ParseError, ValueError, LookupError):
        return None
    return root if isinstance(root, Element) else None


def preconditions(reply: "Reply") -> frozenset[str]:
    """Name what a DAV:error says was not fulfilled (RFC 4918, 16); empty where the server says nothing of the kind."""
    root = parsed(reply.body)
    if root is None or root.tag != f"{DAV}error":
        return frozenset()
    return frozenset(one.tag.partition("}")[2] for one in root if one.tag.startswith((DAV, CALDAV)))


def reason(reply: "Reply") -> str:
    """Return the status and the server's own words for people, the beginning of them."""
    root = parsed(reply.body)
    if root is None or reply.html:
        words = titled(reply.text) if reply.html else reply.text
    else:  # Sabre has an element for it, Cyrus another one, DAViCal and SOGo write it between their elements
        words = root.findtext(f"{SABRE}message") or " ".join(root.itertext()).strip()
        words = words or " ".join(sorted(preconditions(reply)))
    return f"{reply.status} {' '.join(words.split())[:_REASON]}".strip()


def path_of(href: str) -> str:
    """Return the decoded path of an address, whole or relative, without a slash at its end."""
    try:
        return unquote(urlsplit(href).path).rstrip("/")
    except ValueError:
        return ""


def host_of(url: str) -> str:
    """Return the host of an address, for people."""
    return urlsplit(url).hostname or ""


def refused(method: str, url: str, reply: "Reply", words: str, hint: str = "") -> Refused:
    """Return the error that asks a person; what to do depends on the provider."""
    return Refused(located(method, url, words), hint=hint or advice(host_of(url)), raw=reply.text)


def unexpected(method: str, url: str, words: str, reply: "Reply | None" = None) -> Unexpected:
    """Return the error of an answer that CalDAV does not allow."""
    hint = _("Проверьте адрес календаря или подключите его заново: identsync calendar connect.")
    return Unexpected(located(method, url, words), hint=hint, raw=reply.text if reply else "")


def located(method: str, url: str, words: str) -> str:
    """Return words with the method and the host before them."""
    return _("{where}: {what}", where=f"{method} {host_of(url)}", what=words)


def _rows(root: Element) -> Iterator[Row]:
    for response in root.iterfind(f"{DAV}response"):
        hrefs: list[str] = []
        status: int | None = None
        properties: dict[str, Element] = {}
        for one in response:
            if one.tag == _HREF:
                hrefs.append((one.text or "").strip())
            elif one.tag == _PROPSTAT:
                properties |= _properties(one)
            elif one.tag == _STATUS:
                status = _code(one.text or "")
        for href in hrefs:  # one status may stand for several
            yield Row(href, status, properties)


def _properties(propstat: Element) -> dict[str, Element]:
    if _code(propstat.findtext(_STATUS) or "") not in {200, None}:
        return {}
    found = propstat.find(f"{DAV}prop")
    return {} if found is None else {one.tag: one for one in found}


@functools.lru_cache(64)
def _code(words: str) -> int | None:
    parts = words.split()
    return int(parts[1]) if len(parts) > 1 and parts[1].isascii() and parts[1].isdigit() else None
