"""From an address and a password to the calendars of an account (RFC 6764, 5397, 4791), and making one.

A password goes to a host only where a person has named it, where whoever owns the named host's domain owns that host
too (a host below it, the domain above it), or where ``providers.py`` says that the hosts are one. Redirects of the
search are followed within this rule, never from https to http; every host that saw the password stands in the answer.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit
from xml.sax.saxutils import escape

from identsync.errors import IdentsyncError, Refused, Unexpected
from identsync.integrations.calendar.wire.dav import (
    APPLE,
    CALDAV,
    DAV,
    REDIRECTS,
    Dav,
    Multistatus,
    Row,
    host_of,
    located,
    multistatus,
    path_of,
    preconditions,
    reason,
    refused,
)
from identsync.integrations.calendar.wire.providers import provider_of, within
from identsync.language import keyed as _

if TYPE_CHECKING:
    from identsync.flows.answer import Reply

_MOST_HOPS = 5
_MOST_SLUGS = 5
_NS = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:A="http://apple.com/ns/ical/"'
_WHO = (
    f"<D:propfind {_NS}><D:prop><D:resourcetype/><D:current-user-principal/><D:principal-URL/>"
    "<C:calendar-home-set/></D:prop></D:propfind>"
)
_WHAT = (
    f"<D:propfind {_NS}><D:prop><D:resourcetype/><D:displayname/><A:calendar-color/><D:current-user-privilege-set/>"
    "<C:supported-calendar-component-set/></D:prop></D:propfind>"
)
# Where servers have their DAV when .well-known leads nowhere, as on many a Nextcloud.
_USUAL_PLACES = ("/.well-known/caldav", "/", "/remote.php/dav/", "/dav/")
_NOT_HERE = frozenset({400, 403, 404, 405, 410, 501})
_WRITES = frozenset({"write", "all", "bind", "write-content"})


@dataclass(frozen=True, slots=True)
class Listed:
    """A calendar of the account; ``colour`` is #RRGGBB or ''; ``writable`` is True where the server does not say."""

    url: str
    name: str
    colour: str
    writable: bool
    events: bool


@dataclass(frozen=True, slots=True)
class Account:
    """What was found: the homes of calendars, what is in them, every host that has seen the password."""

    homes: tuple[str, ...]
    calendars: tuple[Listed, ...]
    hosts: tuple[str, ...]

    @property
    def open_line(self) -> bool:
        """Whether the password goes unencrypted over a network (http, not to this computer)."""
        return any(urlsplit(home).scheme == "http" and not _here(host_of(home)) for home in self.homes)


async def discover(dav: Dav, address: str) -> Account:
    """Find the calendars of an account by a mail address, a host, or any address of the server.

    Raises Refused where the password is not taken or would have to go to a strange host, Unexpected where there is no
    CalDAV, and what flows.http raises.
    """
    search = _Search(dav)
    failed: list[IdentsyncError] = []
    for start in starts(address):
        try:
            homes = await search.homes(start)
        except Unexpected as error:
            failed.append(error)
            continue
        if homes:
            calendars = [listed for home in homes for listed in await search.calendars(home)]
            return Account(homes, tuple(calendars), tuple(search.hosts))
    raise _nowhere(failed)


async def make_calendar(dav: Dav, home: str, slug: str, name: str, colour: str = "") -> str:
    """Make a calendar for events in ``home`` and return its address; one that is there already is as good.

    ``slug`` is the last part of its address (a-z, 0-9, -); where a deleted calendar lies in a trashbin under it, a
    number is put behind it. MKCALENDAR, or extended MKCOL (RFC 5689) where that is not known.
    """
    for end in ("", *(f"-{number}" for number in range(2, _MOST_SLUGS + 1))):
        url = urljoin(home.rstrip("/") + "/", quote(slug + end, safe="") + "/")
        reply = await _make(dav, url, name, colour)
        if reply.status < 300 or (_exists(reply) and await _is_calendar(dav, url)):
            return url
        if not _exists(reply):
            break
    raise _unmade(url, reply, name)


async def _make(dav: Dav, url: str, name: str, colour: str) -> "Reply":
    passing = {400, 403, 405, 409, 415, 501, 507}
    reply = await dav.ask_xml("MKCALENDAR", url, None, _mkcalendar(name, colour), passing=passing)
    if reply.status in {403, 415, 501} and not _exists(reply):
        reply = await dav.ask_xml("MKCOL", url, None, _mkcol(name, colour), passing=passing)
    return reply


async def _is_calendar(dav: Dav, url: str) -> bool:
    reply = await dav.ask_xml("PROPFIND", url, 0, _WHAT, passing={403, 404, 410})
    row = _first(multistatus("PROPFIND", url, reply)) if reply.status < 300 else None
    return row is not None and _has(row, f"{DAV}resourcetype", f"{CALDAV}calendar")


def _unmade(url: str, reply: "Reply", name: str) -> IdentsyncError:
    if reply.status == 403:
        hint = _("Создайте календарь «{name}» на сервере сами и подключите его по адресу.", name=name)
        return refused("MKCALENDAR", url, reply, _("сервер не даёт создавать календари (403)"), hint)
    words = _("календарь не создан: {reason}", reason=reason(reply))
    return Unexpected(located("MKCALENDAR", url, words), hint=_("Создайте календарь на сервере сами."), raw=reply.text)


def starts(address: str) -> Iterator[str]:
    """Give the addresses where a search begins, the likeliest first. Without a scheme it is https."""
    address = address.strip()
    if "://" in address:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
            return
        host = parts.netloc
        if parts.path.strip("/"):
            yield parts._replace(query="", fragment="").geturl()
    else:
        host = address.rpartition("@")[2].strip("/").lower()
    provider = provider_of(host)
    if provider is not None:
        yield from (provider.start, f"{provider.start}.well-known/caldav")
    elif host and "/" not in host:
        scheme = urlsplit(address).scheme if "://" in address else "https"
        yield from (f"{scheme}://{host}{place}" for place in _USUAL_PLACES)


def may_see_the_password(old: str, new: str) -> bool:
    """Say whether a password meant for the address ``old`` may go to ``new``."""
    here, there = urlsplit(old), urlsplit(new)
    if there.scheme not in {"http", "https"} or (here.scheme == "https" and there.scheme == "http"):
        return False
    if there.port not in {None, 443, here.port} or there.username is not None:
        return False
    return _one_owner(here.hostname or "", there.hostname or "")


def _one_owner(named: str, other: str) -> bool:
    if not named or not other:
        return False
    if named == other or _number(named) or _number(other):
        return named == other
    provider = provider_of(named)
    if provider is not None and within(named, provider.trusted) and within(other, provider.trusted):
        return True
    return within(other, named) or (within(named, other) and "." in other)


def _here(host: str) -> bool:
    return host == "localhost" or (_number(host) and ipaddress.ip_address(host).is_loopback)


def _number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@dataclass(slots=True)
class _Search:
    """The questions of a search, in order, with the rule about where the password goes."""

    dav: Dav
    hosts: list[str] = field(default_factory=list)

    async def homes(self, start: str) -> tuple[str, ...]:
        url, found = await self._ask(start, 0, _WHO)
        row = _first(found)
        if row is None or (homes := self._homes(url, row)):
            return () if row is None else homes
        principal = row.href_in(f"{DAV}current-user-principal") or row.href_in(f"{DAV}principal-URL")
        if principal is None:  # a server without principals: the calendar itself, if that is what was named
            return (url,) if _has(row, f"{DAV}resourcetype", f"{CALDAV}calendar") else ()
        url, found = await self._ask(self._near(url, principal), 0, _WHO)
        row = _first(found)
        return () if row is None else self._homes(url, row)

    async def calendars(self, home: str) -> list[Listed]:
        url, found = await self._ask(home, 1, _WHAT)
        rows = {row.path: row for row in found.rows if _has(row, f"{DAV}resourcetype", f"{CALDAV}calendar")}
        # A proxy makes servers name hosts that nobody reaches; what is listed here is here.
        return [_listed(urljoin(url, urlsplit(row.href).path), row) for row in rows.values()]

    def _homes(self, url: str, row: Row) -> tuple[str, ...]:
        found = row.properties.get(f"{CALDAV}calendar-home-set")
        hrefs = [] if found is None else [(one.text or "").strip() for one in found.iterfind(f"{DAV}href")]
        return tuple(self._near(url, href).rstrip("/") + "/" for href in dict.fromkeys(hrefs) if href)

    async def _ask(self, url: str, depth: int, body: str) -> tuple[str, Multistatus]:
        for _hop in range(_MOST_HOPS):
            if (host := host_of(url)) not in self.hosts:
                self.hosts.append(host)
            reply = await self.dav.ask_xml("PROPFIND", url, depth, body, passing=_NOT_HERE | REDIRECTS)
            if reply.status in _NOT_HERE:
                raise Unexpected(f"{host}{urlsplit(url).path}: {reply.status}", raw=reply.text)
            if reply.status not in REDIRECTS:
                return url, multistatus("PROPFIND", url, reply)
            url = self._near(url, reply.headers.get("location", ""))
        raise Unexpected(f"{host_of(url)}: " + _("перенаправлений больше {n}", n=_MOST_HOPS))

    def _near(self, url: str, href: str) -> str:
        """Return where an address leads; Refused where the password would go to somebody else."""
        try:
            target = urljoin(url, href)
            allowed = may_see_the_password(url, target)
        except ValueError:
            raise Unexpected(f"{host_of(url)}: " + _("сервер назвал негодный адрес")) from None
        if allowed:
            return target
        words = _("сервер отсылает на {host}, а пароль туда не посылается", host=target.split("?")[0][:200])
        hint = _("Если этому адресу можно доверить пароль, укажите сразу его.")
        raise Refused(f"{host_of(url)}: {words}", hint=hint)


def _listed(url: str, row: Row) -> Listed:
    kinds = row.properties.get(f"{CALDAV}supported-calendar-component-set")
    rights = row.properties.get(f"{DAV}current-user-privilege-set")
    names = {one.tag.partition("}")[2] for one in rights.iterfind(f"{DAV}privilege/*")} if rights is not None else set()
    return Listed(
        url=url.rstrip("/") + "/",
        name=row.text(f"{DAV}displayname") or path_of(url).rpartition("/")[2],
        colour=(row.text(f"{APPLE}calendar-color") or "")[:7],
        writable=not names or bool(names & _WRITES),
        events=kinds is None or not len(kinds) or any(one.get("name", "").upper() == "VEVENT" for one in kinds),
    )


def _first(found: Multistatus) -> Row | None:
    return found.rows[0] if found.rows else None


def _has(row: Row, tag: str, inner: str) -> bool:
    found = row.properties.get(tag)
    return found is not None and found.find(inner) is not None


def _nowhere(failed: list[IdentsyncError]) -> Unexpected:
    words = _("календари (CalDAV) по этому адресу не найдены")
    hint = _(
        "Укажите адрес CalDAV целиком, как его показывает сервер: для Nextcloud https://сервер/remote.php/dav/, "
        "для Radicale https://сервер:5232/."
    )
    tried = "; ".join(str(error) for error in failed)
    return Unexpected(f"{words}: {tried}" if tried else words, hint=hint)


def _exists(reply: "Reply") -> bool:
    return reply.status == 405 or "resource-must-be-null" in preconditions(reply)


def _properties(name: str, colour: str) -> str:
    painted = f"<A:calendar-color>{escape(colour)}</A:calendar-color>" if colour else ""
    kinds = '<C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set>'
    return f"<D:displayname>{escape(name)}</D:displayname>{painted}{kinds}"


def _mkcalendar(name: str, colour: str) -> str:
    return f"<C:mkcalendar {_NS}><D:set><D:prop>{_properties(name, colour)}</D:prop></D:set></C:mkcalendar>"


def _mkcol(name: str, colour: str) -> str:
    kind = "<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>"
    return f"<D:mkcol {_NS}><D:set><D:prop>{kind}{_properties(name, colour)}</D:prop></D:set></D:mkcol>"
