"""flows.http against a server that breaks every rule, over a real socket."""

import asyncio
import gzip
import logging
import sys
import zlib
from functools import partial

import pytest

from identsync.errors import IdentsyncError, Limited, Refused, Unavailable, Unexpected
from identsync.flows.answer import retry_after
from identsync.flows.http import Http

from .conftest import Rogue, Seen, answer

KEY = {"IDENT-Integration-Key": "s3cr3t-key"}


@pytest.fixture
async def http():
    async with Http() as http:
        yield http


def pieces():
    buffer = bytearray(4)
    for part in (b"abcd", b"efgh", b"ij"):
        buffer[: len(part)] = part
        yield memoryview(buffer)[: len(part)]


async def test_get_reads_json_and_encodes_plus(rogue: Rogue, http: Http):
    rogue.answers(200, b'\xef\xbb\xbf[{"Id":"1"}]')
    got = await http.get_json(rogue.url + "/a/b/GetTickets", {"dateTimeFrom": "2025-12-16T00:00:00+07:00"}, KEY)
    assert got == [{"Id": "1"}]
    assert rogue.seen[0].target.startswith("/a/b/GetTickets?dateTimeFrom=2025-12-16T00")
    assert "%2B07" in rogue.seen[0].target
    assert "+" not in rogue.seen[0].target
    assert rogue.seen[0].headers["ident-integration-key"] == "s3cr3t-key"


async def test_a_request_searches_no_folder_for_modules(rogue: Rogue, http: Http, monkeypatch: pytest.MonkeyPatch):
    """What httpcore tries to import and does not find, it searches for at every request anew."""
    rogue.answers(200, b"[]")
    await http.get_json(rogue.url, {})
    sought: list[str] = []

    class Seeker:
        def find_spec(self, name: str, *_where: object) -> None:
            sought.append(name)

    monkeypatch.setattr(sys, "meta_path", [Seeker(), *sys.meta_path])
    await http.get_json(rogue.url, {})
    assert sought == []


async def test_post_streams_reused_chunks_with_a_length(rogue: Rogue, http: Http):
    rogue.answers(200, b"ok")
    got = await http.post_chunks(rogue.url, KEY, pieces)
    assert (got.status, got.text, got.ok) == (200, "ok", True)
    assert rogue.seen[0].body == b"abcdefghij"
    assert "transfer-encoding" not in rogue.seen[0].headers


async def test_post_gzip(rogue: Rogue, http: Http):
    rogue.answers(204)
    assert (await http.post_chunks(rogue.url, KEY, pieces, gzip=True)).ok
    assert rogue.seen[0].headers["content-encoding"] == "gzip"
    assert gzip.decompress(rogue.seen[0].body) == b"abcdefghij"


@pytest.mark.parametrize(
    ("status", "kind", "headers", "after"),
    [
        (401, Refused, {}, None),
        (403, Refused, {}, None),
        (429, Limited, {"retry_after": "7"}, 7000),
        (503, Unavailable, {"retry_after": "2"}, 2000),
        (500, Unavailable, {"retry_after": "soon"}, None),
        (408, Unavailable, {}, None),
        (301, Unexpected, {"location": "/x"}, None),
        (302, Unexpected, {"location": "/x"}, None),
        (308, Unexpected, {"location": "/x"}, None),
    ],
)
async def test_statuses(rogue: Rogue, http: Http, status, kind, headers, after):
    rogue.answers(status, "Ключ неизвестен".encode(), **headers)
    for call in (http.get_json(rogue.url, headers=KEY, attempts=1), http.post_chunks(rogue.url, KEY, pieces)):
        with pytest.raises(kind) as caught:
            await call
        assert type(caught.value) is kind
        assert getattr(caught.value, "after_ms", None) == after
        assert caught.value.raw == "Ключ неизвестен"
        assert "s3cr3t" not in str(caught.value)
    assert len(rogue.seen) == 2


async def test_a_body_not_liked_is_an_answer_of_a_post_and_unexpected_of_a_get(rogue: Rogue, http: Http):
    rogue.answers(413, b"too large")
    got = await http.post_chunks(rogue.url, KEY, pieces)
    assert (got.status, got.text, got.ok) == (413, "too large", False)
    with pytest.raises(Unexpected):
        await http.get_json(rogue.url)


async def test_one_bad_character_does_not_cost_the_page(rogue: Rogue, http: Http):
    rogue.answers(200, b'[{"Id":"1"},{"Id":"\\ud83d"}]')
    assert await http.get_json(rogue.url) == [{"Id": "1"}, {"Id": "\ufffd"}]
    rogue.answers(200, '[{"Id":"1"},{"Id":"Ива'.encode() + b'\xc8"}]')
    assert await http.get_json(rogue.url) == [{"Id": "1"}, {"Id": "Ива\ufffd"}]


@pytest.mark.parametrize(
    "body",
    [b"<!DOCTYPE html><html>login</html>", b'[{"Id": "1"', b"", b"\xff\xfe", b"[NaN]", b"[" * 100_000],
)
async def test_200_that_is_not_json(rogue: Rogue, http: Http, body):
    rogue.answers(200, body)
    with pytest.raises(Unexpected) as caught:
        await http.get_json(rogue.url)
    assert len(caught.value.raw) <= 2000


async def test_html_with_200_is_no_receipt(rogue: Rogue, http: Http):
    rogue.answers(200, b"<html>parked</html>", content_type="text/html; charset=utf-8")
    with pytest.raises(Unexpected, match="веб-страница"):
        await http.post_chunks(rogue.url, KEY, pieces)


async def test_endless_body_is_cut(rogue: Rogue, http: Http):
    async def endless(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n[")
        while True:
            writer.write(b"1," * 32768)
            await writer.drain()

    rogue.reply = endless
    with pytest.raises(Unexpected, match="длиннее 1000 байт"):
        await http.get_json(rogue.url, max_bytes=1000)
    assert (await http.post_chunks(rogue.url, KEY, pieces, max_answer=10)).text == "[1,1,1,1,1"


async def test_a_bomb_does_not_unpack(rogue: Rogue, http: Http):
    rogue.answers(200, gzip.compress(b" " * 50_000_000), content_encoding="gzip")
    with pytest.raises(Unexpected, match="длиннее"):
        await http.get_json(rogue.url, max_bytes=1000)
    rogue.answers(200, zlib.compress(b"[1]"), content_encoding="deflate")
    assert await http.get_json(rogue.url) == [1]
    for coding, body in (("gzip", b"[1]"), ("br", b"[1]")):
        rogue.answers(200, body, content_encoding=coding)
        with pytest.raises(Unexpected, match="ответ"):
            await http.get_json(rogue.url)


async def test_a_lost_answer_may_have_arrived(rogue: Rogue, http: Http):
    with pytest.raises(Unavailable) as caught:
        await http.post_chunks(rogue.url, KEY, pieces)
    assert caught.value.sent
    assert rogue.connections == 1, "a POST is never sent twice"


async def test_half_an_answer_is_a_lost_one(rogue: Rogue, http: Http):
    async def half(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{"Id"')

    rogue.reply = half
    with pytest.raises(Unavailable):
        await http.post_chunks(rogue.url, KEY, pieces)
    with pytest.raises(Unavailable):
        await http.get_json(rogue.url, attempts=1)


async def test_no_connection_was_not_sent(unused_tcp_port: int, http: Http):
    with pytest.raises(Unavailable) as caught:
        await http.post_chunks(f"http://127.0.0.1:{unused_tcp_port}/secret-path", KEY, pieces)
    assert not caught.value.sent
    assert "secret-path" not in str(caught.value)


async def test_the_deadline_is_for_the_whole_call(rogue: Rogue, http: Http):
    gate = asyncio.Event()

    async def drip(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n[")
        while not gate.is_set():  # a byte now and then: no single read is ever slow
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    rogue.reply = drip
    for call in (partial(http.get_json, rogue.url), partial(http.post_chunks, rogue.url, KEY, pieces)):
        deadline, sent = 0.15, False
        while not sent:  # where the machine is so slow that nothing has left by then
            with pytest.raises(Unavailable, match=f"нет полного ответа за {deadline} с") as caught:
                await call(deadline=deadline)
            deadline, sent = 2 * deadline, caught.value.sent
    gate.set()


async def test_gets_are_retried_posts_are_not(rogue: Rogue, http: Http):
    async def third(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(200, b"[]") if len(rogue.seen) == 3 else answer(502))

    rogue.reply = third
    assert await http.get_json(rogue.url) == []
    assert len(rogue.seen) == 3


async def test_307_keeps_method_and_body_and_drops_the_key_elsewhere(rogue: Rogue, rogue2: Rogue, http: Http):
    async def here(seen: Seen, writer: asyncio.StreamWriter) -> None:
        target = "/second" if seen.target == "/first" else rogue2.url + "/third"
        writer.write(answer(307, location=target))

    rogue.reply = here
    rogue2.answers(200, b"ok")
    assert (await http.post_chunks(rogue.url + "/first", KEY, pieces, gzip=True)).ok
    assert [s.target for s in rogue.seen] == ["/first", "/second"]
    assert all(s.headers["ident-integration-key"] for s in rogue.seen)
    assert rogue2.seen[0].method == "POST"
    assert gzip.decompress(rogue2.seen[0].body) == b"abcdefghij"
    assert "ident-integration-key" not in rogue2.seen[0].headers
    rogue2.answers(401, b"no key")
    with pytest.raises(Refused, match="ключ не посылается"):
        await http.post_chunks(rogue.url + "/first", KEY, pieces)


@pytest.mark.parametrize("location", ["/again", "ftp://127.0.0.1/", "http://[bad", "file:///etc/passwd"])
async def test_bad_redirects_end(rogue: Rogue, http: Http, location):
    rogue.answers(307, location=location)
    with pytest.raises(Unavailable if "bad" in location else Unexpected):
        await http.get_json(rogue.url, attempts=1)
    assert len(rogue.seen) <= 4


@pytest.mark.parametrize("url", ["", "localhost:1/x", "ftp://127.0.0.1", "http://[bad", "http://"])
async def test_a_bad_address_is_said(http: Http, url):
    with pytest.raises(IdentsyncError):
        await http.post_chunks(url, KEY, pieces, deadline=2)


async def test_a_key_that_cannot_be_sent_is_said(rogue: Rogue, http: Http):
    with pytest.raises(Unexpected) as caught:
        await http.post_chunks(rogue.url, {"IDENT-Integration-Key": "ключ\r\nX: 1"}, pieces)
    assert "X: 1" not in str(caught.value)


async def test_nothing_secret_is_logged(rogue: Rogue, http: Http, caplog: pytest.LogCaptureFixture):
    rogue.answers(200, b"[]")
    with caplog.at_level(logging.DEBUG):
        await http.get_json(rogue.url + "/path-7", {"phone": "79991234567"}, KEY)
    assert not [r for r in caplog.records if "7999" in r.getMessage() or "s3cr3t" in r.getMessage()]


def test_retry_after_dates_and_nonsense():
    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({"retry-after": "999999999"}) == 24 * 3600 * 1000
    assert retry_after({"retry-after": "-5"}) is None
    assert retry_after({}) is None


async def test_a_question_of_another_protocol_has_statuses_for_answers(rogue: Rogue, http: Http):
    """WebDAV: what is an error for one method is the answer for another, and nothing is sent twice."""
    rogue.answers(412, b"already there", etag='"7"')
    reply = await http.ask("PUT", rogue.url + "/x.ics", {"If-None-Match": "*"}, b"BEGIN", passing={412})
    assert (reply.status, reply.headers["etag"]) == (412, '"7"')
    assert (rogue.seen[0].method, rogue.seen[0].body) == ("PUT", b"BEGIN")
    with pytest.raises(Unexpected):
        await http.ask("PUT", rogue.url + "/x.ics", {}, b"BEGIN")
    rogue.answers(403, b"<error/>")
    assert (await http.ask("REPORT", rogue.url, passing={403})).text == "<error/>"
    with pytest.raises(Refused):
        await http.ask("REPORT", rogue.url)
    rogue.answers(503)
    with pytest.raises(Unavailable):
        await http.ask("PUT", rogue.url, body=b"x", passing={412})
    assert len(rogue.seen) == 5


async def test_a_redirect_may_be_an_answer(rogue: Rogue, http: Http):
    rogue.answers(301, location="/dav/")
    reply = await http.ask("PROPFIND", rogue.url + "/.well-known/caldav", passing={301})
    assert reply.headers["location"] == "/dav/"
