"""Answers that no server of ours gives: rows sorted out, names in hrefs, XML that would harm or is none."""

import pytest
from servers import name

from identsync.errors import Unexpected
from identsync.flows.answer import Reply
from identsync.integrations.calendar.wire.dav import multistatus, parsed, preconditions
from identsync.integrations.calendar.wire.listing import Listing, found_in, name_of

HEAD = '<D:multistatus xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">'
N1, N2 = (f"<D:href>/c/{name(number)}.ics</D:href>" for number in (1, 2))
OK = "<D:status>HTTP/1.1 200 OK</D:status>"
GONE = "<D:status>HTTP/1.1 404 Not Found</D:status>"


def read(rows: str) -> Listing:
    listing = Listing("/c")
    listing.add(multistatus("REPORT", "https://x.example/c/", Reply(207, {}, f"{HEAD}{rows}</D:multistatus>".encode())))
    return listing


def test_there_and_gone_in_one_answer_is_there() -> None:
    etag = f'<D:propstat><D:prop><D:getetag>"1"</D:getetag></D:prop>{OK}</D:propstat>'
    gone, there = f"<D:response>{N1}{GONE}</D:response>", f"<D:response>{N1}{etag}</D:response>"
    for rows in (gone + there, there + gone):
        listing = read(rows)
        assert (listing.there, listing.gone) == ({name(1): '"1"'}, set())


def test_a_later_page_is_newer() -> None:
    etag = f"<D:propstat><D:prop><D:getetag>7</D:getetag></D:prop>{OK}</D:propstat>"
    listing = read(f"<D:response>{N1}{etag}</D:response>")
    assert listing.there == {name(1): '"7"'}, "an etag without quotes gets them"
    gone = f"{HEAD}<D:response>{N1}{N2}{GONE}</D:response></D:multistatus>"
    listing.add(multistatus("REPORT", "https://x.example/c/", Reply(207, {}, gone.encode())))
    assert (listing.there, listing.gone) == ({}, {name(1), name(2)})


def test_whatever_is_not_ours_is_somebodys_but_for_the_calendar_and_folders() -> None:
    folder = "<D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop></D:propstat>"
    hidden = "<D:status>HTTP/1.1 403 Forbidden</D:status>"
    rows = {
        "/c": OK,
        "/c/": OK,
        "/c/sub": folder,
        "/c/old.ics": GONE,
        "/c/vacation": OK,
        "/c/A.EML": OK,
        "/c/x": hidden,
    }
    told = "".join(f"<D:response><D:href>{href}</D:href>{what}</D:response>" for href, what in rows.items())
    assert read(told).foreign == {"/c/vacation", "/c/A.EML", "/c/x"}


def test_rows_that_nobody_asked_for_are_skipped() -> None:
    body = f"{HEAD}<D:response>{N1}{OK}</D:response><D:response>{N2}{OK}</D:response></D:multistatus>"
    answer = multistatus("REPORT", "https://x.example/c/", Reply(207, {}, body.encode()))
    assert set(found_in(answer, frozenset({name(1)}))) == {name(1)}


@pytest.mark.parametrize(
    ("href", "known"),
    [
        (f"/dav/a@b/{name(1)}.ics", name(1)),
        (f"/dav/a%40b/{name(1, 12)}%2Eics", name(1, 12)),
        (f"https://p42-caldav.icloud.com:443/1/{name(1)}.ics", name(1)),
        (f"{name(1)}.ics", name(1)),
        (f"/dav/{name(1)}-g1.ics", None),
        (f"/dav/{name(1)}-g02.ics", None),
        (f"/dav/{name(1)}.ICS", None),
        (f"/dav/{name(1).name[1:]}w.ics", None),
        ("/dav/", None),
        ("", None),
        ("http://[bad", None),
    ],
)
def test_names_in_hrefs(href: str, known: object) -> None:
    assert name_of(href) == known


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><D:multistatus xmlns:D="DAV:">&b;</D:multistatus>'


EBCDIC = b'<?xml version="1.0" encoding="cp037"?>' + BOMB.decode().encode("cp037")
OUTSIDE = b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>'


@pytest.mark.parametrize(
    "body",
    [BOMB, OUTSIDE, BOMB.decode().encode("utf-16"), EBCDIC, b"", b"\xff\xfe", b"<a", b"<a/>x", b"&b;", b"<a>\x1b</a>"],
)
def test_xml_that_would_harm_is_not_read(body: bytes) -> None:
    assert parsed(body) is None
    assert preconditions(Reply(403, {}, body)) == frozenset()
    with pytest.raises(Unexpected):
        multistatus("PROPFIND", "https://x.example/c/", Reply(207, {}, body))


def test_however_deep_it_is_nested_it_is_read_or_not_but_breaks_nothing() -> None:
    deep = b"<a>" * 200_000 + b"</a>" * 200_000
    assert preconditions(Reply(403, {}, deep)) == frozenset()


@pytest.mark.parametrize(
    "body", [b"<a/>", b'<multistatus xmlns="urn:x"/>', b"<html><body>Log in</body></html>", b"{}", b"<D:multistatus/>"]
)
def test_what_is_no_multistatus_is_no_empty_list(body: bytes) -> None:
    with pytest.raises(Unexpected):
        multistatus("PROPFIND", "https://x.example/c/", Reply(207, {}, body))
