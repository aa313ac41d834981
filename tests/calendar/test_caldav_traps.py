"""Every trap of facts/calendar.md A2, A3 and A4 that concerns CalDAV, against the stub told to fall into it."""

import pytest
from servers import Outside, Server, event, foreign, name, new_calendar

from identsync.demo.caldav.process import CalDavProcess
from identsync.errors import Limited, Refused, Unavailable, Unexpected
from identsync.flows.http import Http
from identsync.flows.mirror import Confirmed
from identsync.integrations.calendar import keeping
from identsync.integrations.calendar.event import Conflict, Missing, NoCalendar, Unwanted, Written
from identsync.integrations.calendar.keeping import Kept
from identsync.integrations.calendar.wire.caldav import CalDav


async def filled(outside: Outside, *numbers: int) -> dict[object, str | None]:
    etags = {}
    for number in numbers:
        answer = await outside.wire.put(name(number), event(number), None)
        assert isinstance(answer, Written)
        etags[name(number)] = answer.etag
    return etags


def slug(outside: Outside) -> str:
    return outside.wire.url.split("/")[-2]


def reports(stub: CalDavProcess) -> list[str]:
    return [f"{one['what']} {one['status']}" for one in stub.requests() if one["what"] not in {"PUT", "MKCALENDAR"}]


class TestWriting:
    async def test_every_write_has_a_precondition_and_none_is_a_star(
        self, spiteful: Outside, stub: CalDavProcess
    ) -> None:
        etags = await filled(spiteful, 1, 2)
        await spiteful.wire.put(name(1), event(1, "Иначе"), etags[name(1)])
        await spiteful.wire.remove(name(2), etags[name(2)])
        books = stub.books()
        assert (books["created"], books["changed"], books["deleted"]) == (2, 1, 1)
        assert (books["without precondition"], books["foreign touched"], books["same again"]) == (0, 0, 0)
        assert "If-Match: *" not in books["counts"]

    async def test_an_etag_may_be_absent_from_put(self, spiteful: Outside, stub: CalDavProcess) -> None:
        stub.fault("no_etag", method="PUT")
        assert await spiteful.wire.put(name(1), event(1), None) == Written(None)
        found = await spiteful.wire.get(name(1))
        assert found is not None
        assert found.etag == (await spiteful.wire.changes(None)).there[name(1)]

    async def test_a_weak_etag_cannot_be_matched_and_is_not_sent(self, spiteful: Outside, stub: CalDavProcess) -> None:
        stub.options(weak=True)
        etags = await filled(spiteful, 1)
        assert str(etags[name(1)]).startswith("W/")
        changed = await spiteful.wire.put(name(1), event(1, "Иначе"), etags[name(1)])
        assert isinstance(changed, Written)
        assert await spiteful.wire.remove(name(1), changed.etag) == Written(None)

    async def test_a_proxy_that_weakens_etags(self, spiteful: Outside, stub: CalDavProcess) -> None:
        stub.fault("weak_etag", times=None)
        etags = await filled(spiteful, 1)
        assert isinstance(await spiteful.wire.put(name(1), event(1, "Иначе"), etags[name(1)]), Written)
        assert not str((await spiteful.wire.changes(None)).there[name(1)]).startswith("W/")

    @pytest.mark.parametrize(
        ("status", "words"),
        [*((status, "no-uid-conflict") for status in (403, 409, 412)), (403, "unique-scheduling-object-resource")],
    )
    async def test_a_uid_conflict_is_403_or_409_or_412(
        self, spiteful: Outside, stub: CalDavProcess, status: int, words: str
    ) -> None:
        """Cyrus has a UID only once in an account, and says so in the words of scheduling."""
        stub.options(uid_conflict=status, uid_words=words)
        stub.person("put", slug(spiteful), "elsewhere.ics", body=foreign(str(name(1))).decode())
        assert await spiteful.wire.put(name(1), event(1), None) == Conflict()

    async def test_a_trashbin_does_not_take_a_uid_back_but_takes_the_next_generation(
        self, spiteful: Outside, stub: CalDavProcess
    ) -> None:
        """nextcloud/calendar#4412."""
        stub.options(trashbin=True)
        await filled(spiteful, 1)
        await spiteful.wire.remove(name(1), None)
        answer = await spiteful.wire.put(name(1), event(1), None)
        assert isinstance(answer, Unwanted)
        assert answer.reason.startswith("400 Deleted calendar object with uid already exists")
        assert isinstance(await spiteful.wire.put(name(1, 2), event(1), None), Written)

    async def test_a_409_without_a_reason_is_a_conflict_while_the_calendar_is_there(
        self, spiteful: Outside, stub: CalDavProcess
    ) -> None:
        stub.fault("fail", method="PUT", status=409)
        assert await spiteful.wire.put(name(1), event(1), None) == Conflict()
        stub.person("drop", slug(spiteful))
        with pytest.raises(NoCalendar):
            await spiteful.wire.put(name(1), event(1), None)

    @pytest.mark.parametrize("status", [403, 405, 409])
    async def test_a_put_where_there_is_no_calendar_is_403_or_405_or_409(
        self, spiteful: Outside, stub: CalDavProcess, status: int
    ) -> None:
        """Cyrus, DAViCal, all others: it must not be taken for a right that is missing, nor for another's event."""
        stub.options(nowhere=status)
        stub.person("drop", slug(spiteful))
        with pytest.raises(NoCalendar):
            await spiteful.wire.put(name(1), event(1), None)

    async def test_a_body_that_is_refused_by_404_does_not_mean_that_the_calendar_is_gone(
        self, spiteful: Outside, stub: CalDavProcess
    ) -> None:
        """SOGo, iCloud."""
        etags = await filled(spiteful, 1)
        stub.fault("fail", method="PUT", status=404, times=2, text="the requested object could not be found")
        assert isinstance(await spiteful.wire.put(name(2), event(2), None), Unwanted)
        assert await spiteful.wire.put(name(1), event(1), etags[name(1)]) == Missing()
        stub.person("drop", slug(spiteful))
        stub.options(nowhere=404)
        with pytest.raises(NoCalendar):
            await spiteful.wire.put(name(2), event(2), None)

    async def test_what_may_not_be_looked_for_is_not_gone(self, spiteful: Outside, stub: CalDavProcess) -> None:
        stub.fault("fail", times=2, status=403, text="Forbidden")
        with pytest.raises(Refused, match="не разрешено"):
            await spiteful.wire.put(name(1), event(1), None)
        assert reports(stub)[-1] == "PROPFIND 403"

    async def test_a_405_where_there_is_a_calendar_is_no_answer(self, spiteful: Outside, stub: CalDavProcess) -> None:
        stub.fault("fail", method="PUT", status=405)
        with pytest.raises(Unexpected, match="405 вместо 201 или 204"):
            await spiteful.wire.put(name(1), event(1), None)

    async def test_who_compresses_an_answer_weakens_its_etag(self, spiteful: Outside, stub: CalDavProcess) -> None:
        """Cyrus, nginx: what is read back must be matched by the next write."""
        stub.options(compresses=True)
        etags = await filled(spiteful, 1)
        found = await spiteful.wire.get(name(1))
        assert found is not None
        assert (found.etag, found.event) == (etags[name(1)], event(1))

    @pytest.mark.parametrize("status", [504, 500, 502])
    async def test_a_504_does_not_say_whether_the_write_landed(
        self, spiteful: Outside, stub: CalDavProcess, status: int
    ) -> None:
        for number, kind in ((1, "late"), (2, "fail")):
            stub.fault(kind, method="PUT", status=status)
            with pytest.raises(Unavailable) as caught:
                await spiteful.wire.put(name(number), event(number), None)
            assert caught.value.sent
            assert (await spiteful.wire.get(name(number)) is not None) is (kind == "late")
        assert stub.books()["created"] == 1

    @pytest.mark.parametrize("kind", ["lose", "cut", "drop"])
    async def test_a_lost_answer_is_never_sent_again_by_the_wire(
        self, spiteful: Outside, stub: CalDavProcess, kind: str
    ) -> None:
        stub.fault(kind, method="PUT")
        with pytest.raises(Unavailable) as caught:
            await spiteful.wire.put(name(1), event(1), None)
        assert caught.value.sent
        assert [one["what"] for one in stub.requests()].count("PUT") == 1
        assert (await spiteful.wire.get(name(1)) is None) is (kind == "drop")
        if kind != "drop":
            assert await spiteful.wire.put(name(1), event(1), None) == Conflict()
            stub.fault(kind, method="DELETE")
            with pytest.raises(Unavailable):
                await spiteful.wire.remove(name(1), None)
            assert await spiteful.wire.remove(name(1), None) == Missing()

    @pytest.mark.parametrize(("status", "kind"), [(429, Limited), (503, Unavailable)])
    async def test_retry_after_is_told(self, spiteful: Outside, stub: CalDavProcess, status: int, kind: type) -> None:
        stub.fault("fail", status=status, retry_after=7, times=None)
        for call in (spiteful.wire.put(name(1), event(1), None), spiteful.wire.changes(None)):
            with pytest.raises(kind) as caught:
                await call
            assert caught.value.after_ms == 7000
        stub.behave()
        assert stub.items(slug(spiteful)) == {}

    @pytest.mark.parametrize("status", [423, 424, 507])
    async def test_locked_or_full_is_later_and_surely_not_done(
        self, spiteful: Outside, stub: CalDavProcess, status: int
    ) -> None:
        stub.fault("fail", status=status, retry_after=30)
        with pytest.raises(Unavailable) as caught:
            await spiteful.wire.put(name(1), event(1), None)
        assert (caught.value.sent, caught.value.after_ms) == (False, 30_000)

    @pytest.mark.parametrize("status", [400, 413, 415, 422])
    async def test_what_the_server_does_not_take_is_said_in_its_words(
        self, spiteful: Outside, stub: CalDavProcess, status: int
    ) -> None:
        stub.fault("fail", status=status, text="no\n such   thing")
        assert await spiteful.wire.put(name(1), event(1), None) == Unwanted(f"{status} no such thing")

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ("<html><head><title>413 Too Large</title></head><body><hr>nginx</body></html>", "HTML: 413 Too Large"),
            ('<D:error xmlns:D="DAV:"><D:x/><D:responsedescription>Not iCalendar</D:responsedescription></D:error>',
             "Not iCalendar"),
            ('<error xmlns="DAV:"><must-exist/>That is\n not here.</error>', "That is not here."),
            ('<D:error xmlns:D="DAV">Event UID already in use.</D:error>', "Event UID already in use."),
            ('<D:error xmlns:D="DAV:"><D:quota-not-exceeded/></D:error>', "quota-not-exceeded"),
        ],
    )  # fmt: skip
    async def test_its_words_are_found_wherever_it_puts_them(
        self, spiteful: Outside, stub: CalDavProcess, body: str, words: str
    ) -> None:
        """A proxy's page, Cyrus, DAViCal, SOGo, and who says no more than the standard asks for."""
        stub.fault("fail", status=413, text=body)
        assert await spiteful.wire.put(name(1), event(1), None) == Unwanted(f"413 {words}")

    async def test_a_body_that_is_not_liked_and_a_right_that_is_missing_are_both_403(
        self, spiteful: Outside, stub: CalDavProcess
    ) -> None:
        stub.options(max_bytes=10)
        answer = await spiteful.wire.put(name(1), event(1), None)
        assert isinstance(answer, Unwanted)
        assert "10 bytes" in answer.reason
        read_only = CalDav(spiteful.dav, stub.calendar("read-only", read_only=True))
        for call in (read_only.put(name(1), event(1), None), read_only.remove(name(1), None)):
            with pytest.raises(Refused, match="не разрешено") as caught:
                await call
            assert "право менять" in caught.value.hint
        stub.fault("fail", status=403, text="Forbidden")
        with pytest.raises(Refused):
            await spiteful.wire.put(name(1), event(1), None)

    async def test_a_login_page_with_200_is_no_receipt(self, spiteful: Outside, stub: CalDavProcess) -> None:
        etags = await filled(spiteful, 1)
        stub.fault("html", times=None)
        wire = spiteful.wire
        calls = [wire.put(name(2), event(2), None), wire.remove(name(1), etags[name(1)]), wire.get(name(1))]
        calls += [wire.fetch([name(1)]), wire.changes(None), wire.changes("bad")]
        for call in calls:
            with pytest.raises(Unexpected, match="веб-страница"):
                await call
        stub.behave()
        assert set(stub.items(slug(spiteful))) == {f"{name(1)}.ics"}

    async def test_the_password_follows_no_redirect(self, spiteful: Outside, stub: CalDavProcess) -> None:
        for status in (301, 302, 303, 307, 308):
            stub.fault("fail", method="PUT", status=status)
            with pytest.raises(Unexpected, match="отсылает на другой адрес"):
                await spiteful.wire.put(name(1), event(1), None)
        assert stub.books()["created"] == 0


class TestChanges:
    @pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 412, 500, 501, 507])
    async def test_a_refused_token_of_any_form_lists_anew(
        self, spiteful: Outside, stub: CalDavProcess, status: int
    ) -> None:
        etags = await filled(spiteful, 1, 2)
        token = (await spiteful.wire.changes(None)).token
        stub.fault("token", status=status)
        changes = await spiteful.wire.changes(token)
        assert (changes.whole, changes.there, changes.token) == (True, etags, token)
        assert reports(stub)[-2:] == [f"sync-collection {status}", "PROPFIND 207"]

    async def test_an_answer_without_a_token_lists_anew(self, spiteful: Outside, stub: CalDavProcess) -> None:
        token = (await spiteful.wire.changes(None)).token
        etags = await filled(spiteful, 1)
        stub.fault("forget_token", method="sync-collection")
        changes = await spiteful.wire.changes(token)
        assert (changes.whole, changes.there) == (True, etags)

    async def test_a_server_without_tokens_is_asked_for_the_whole(self, spiteful: Outside, stub: CalDavProcess) -> None:
        stub.fault("forget_token", times=None)
        assert (await spiteful.wire.changes(None)).token is None

    @pytest.mark.parametrize("status", [502, 503, 504])
    async def test_a_server_that_is_down_is_not_a_refused_token(
        self, spiteful: Outside, stub: CalDavProcess, status: int
    ) -> None:
        token = (await spiteful.wire.changes(None)).token
        stub.fault("fail", method="sync-collection", status=status)
        with pytest.raises(Unavailable):
            await spiteful.wire.changes(token)

    async def test_507_on_sync_collection_and_on_the_listing_leads_to_a_query(
        self, spiteful: Outside, stub: CalDavProcess
    ) -> None:
        """Yandex, python-caldav#353."""
        etags = await filled(spiteful, 1, 2, 3)
        token = (await spiteful.wire.changes(None)).token
        stub.options(listing_limit=2)
        stub.fault("fail", method="sync-collection", status=507)
        changes = await spiteful.wire.changes(token)
        assert (changes.whole, changes.there, changes.token) == (True, etags, None)
        assert reports(stub)[-3:] == ["sync-collection 507", "PROPFIND 507", "calendar-query 207"]

    async def test_a_limit_is_never_asked_for_and_a_cut_delta_is_read_to_its_end(
        self, spiteful: Outside, stub: CalDavProcess
    ) -> None:
        token = (await spiteful.wire.changes(None)).token
        etags = await filled(spiteful, *range(7))
        await spiteful.wire.remove(name(0), None)
        stub.options(page=3)
        changes = await spiteful.wire.changes(token)
        assert not changes.whole
        assert (changes.there, set(changes.gone)) == ({key: etags[key] for key in list(etags)[1:]}, {name(0)})
        assert reports(stub)[-3:] == ["sync-collection 207"] * 3
        assert "DAV:limit" not in stub.books()["counts"]

    @pytest.mark.parametrize("kind", ["duplicate", "escaped", "absolute", "plain", "typeless"])
    async def test_odd_spellings_of_an_answer(self, spiteful: Outside, stub: CalDavProcess, kind: str) -> None:
        """Zimbra and Davmail list twice, %40 or @, iCloud's hrefs of another host, text/plain or no type at all."""
        token = (await spiteful.wire.changes(None)).token
        etags = await filled(spiteful, 1, 2, 3)
        await spiteful.wire.remove(name(3), None)
        stub.fault(kind, times=None)
        whole, delta = await spiteful.wire.changes(None), await spiteful.wire.changes(token)
        del etags[name(3)]
        assert (whole.there, whole.foreign, whole.whole) == (etags, 0, True)
        assert (delta.there, set(delta.gone), delta.whole) == (etags, {name(3)}, False)
        found = await spiteful.wire.fetch([name(1), name(2)])
        assert {key: value.event for key, value in found.items()} == {name(1): event(1), name(2): event(2)}

    async def test_icloud_lists_the_collection_itself(self, spiteful: Outside, stub: CalDavProcess) -> None:
        stub.options(list_self=True)
        token = (await spiteful.wire.changes(None)).token
        etags = await filled(spiteful, 1)
        delta = await spiteful.wire.changes(token)
        assert (delta.there, delta.foreign) == (etags, 0)
        assert set(await spiteful.wire.fetch([name(1)])) == {name(1)}

    async def test_rows_without_getetag_are_there(self, spiteful: Outside, stub: CalDavProcess) -> None:
        """twenty#25648: they must not be dropped in silence."""
        await filled(spiteful, 1)
        stub.fault("no_getetag", times=None)
        assert (await spiteful.wire.changes(None)).there == {name(1): None}
        assert (await spiteful.wire.fetch([name(1)]))[name(1)].etag is None

    @pytest.mark.parametrize("kind", ["truncate", "bare", "html"])
    async def test_half_an_answer_is_never_everything_deleted(
        self, spiteful: Outside, stub: CalDavProcess, kind: str
    ) -> None:
        await filled(spiteful, 1)
        token = (await spiteful.wire.changes(None)).token
        stub.fault(kind, method="PROPFIND")
        with pytest.raises(Unexpected):
            await spiteful.wire.changes(None)
        stub.fault("truncate", method="sync-collection")
        with pytest.raises(Unexpected):
            await spiteful.wire.changes(token)

    async def test_a_sudden_emptiness_is_told_as_it_is(self, spiteful: Outside, stub: CalDavProcess) -> None:
        """The wire cannot know better; who decides asks a second time."""
        etags = await filled(spiteful, 1)
        stub.fault("empty", method="PROPFIND")
        assert (await spiteful.wire.changes(None)).there == {}
        assert (await spiteful.wire.changes(None)).there == etags

    async def test_eventual_consistency_loses_no_change(self, spiteful: Outside, stub: CalDavProcess) -> None:
        """iCloud: a write may be invisible for seconds; what a stale reader missed comes with his token."""
        first = (await spiteful.wire.changes(None)).token
        etags = await filled(spiteful, 1)
        stub.fault("stale", times=2)
        assert await spiteful.wire.get(name(1)) is None
        stale = await spiteful.wire.changes(first)
        assert (stale.there, set(stale.gone)) == ({}, set())
        assert (await spiteful.wire.changes(stale.token)).there == etags

    async def test_another_calendar_under_the_same_address(self, spiteful: Outside, stub: CalDavProcess) -> None:
        """Deleted and made again by hand: the old token is refused, nothing is taken for deleted one by one."""
        await filled(spiteful, 1)
        token = (await spiteful.wire.changes(None)).token
        stub.person("drop", slug(spiteful))
        stub.calendar(slug(spiteful))
        changes = await spiteful.wire.changes(token)
        assert (changes.whole, changes.there, set(changes.gone)) == (True, {}, set())


class TestFetching:
    async def test_a_server_that_takes_fewer_at_once_is_given_fewer(
        self, spiteful: Outside, stub: CalDavProcess
    ) -> None:
        """vdirsyncer#761."""
        await filled(spiteful, 1, 30)
        stub.options(max_multiget=10)
        found = await spiteful.wire.fetch([name(number) for number in range(40)])
        assert set(found) == {name(1), name(30)}

    async def test_a_server_without_multiget_is_read_one_by_one(self, spiteful: Outside, stub: CalDavProcess) -> None:
        await filled(spiteful, 1)
        stub.options(max_multiget=0)
        found = await spiteful.wire.fetch([name(1), name(2)])
        assert {key: value.event for key, value in found.items()} == {name(1): event(1)}

    async def test_who_says_nothing_of_what_is_missing_is_asked_for_the_calendar(
        self, spiteful: Outside, stub: CalDavProcess
    ) -> None:
        """DAViCal."""
        await filled(spiteful, 1)
        stub.fault("bare", method="calendar-multiget", times=None)
        assert await spiteful.wire.fetch([name(2)]) == {}
        stub.fault("fail", method="PROPFIND", status=404)
        with pytest.raises(NoCalendar):
            await spiteful.wire.fetch([name(2)])

    async def test_one_bad_item_does_not_cost_the_rest(self, spiteful: Outside, stub: CalDavProcess) -> None:
        await filled(spiteful, 1, 2)
        stub.person("put", slug(spiteful), f"{name(1)}.ics", body="not iCalendar at all")
        found = await spiteful.wire.fetch([name(1), name(2)])
        assert (found[name(1)].event, found[name(2)].event) == (None, event(2))


async def test_a_slow_answer_is_waited_for(stub: CalDavProcess, http: Http) -> None:
    outside = await new_calendar(Server("stub", stub.url, stub=stub), http)
    stub.fault("slow", method="PUT", seconds=0.05)
    assert isinstance(await outside.wire.put(name(1), event(1), None), Written)


@pytest.mark.parametrize("getetag", [True, False])
async def test_what_bears_no_etag_is_changed_all_the_same(
    spiteful: Outside, stub: CalDavProcess, getetag: bool
) -> None:
    """A proxy that takes the header away; a server that has none at all: the clinic is right anyway."""
    for method in ("PUT", "GET"):
        stub.fault("no_etag", method=method, times=None)
    if not getetag:
        stub.fault("no_getetag", method="calendar-multiget", times=None)
    kept = Kept(1, name(1), event(1).start_ms)
    for words in ("Занято", "Перенесено", "Опять"):
        verdict = await keeping.put(spiteful.wire, event(1, words), kept)
        assert isinstance(verdict, Confirmed)
        kept = Kept.unpack(verdict.payload or b"")
    found = await spiteful.wire.get(name(1))
    assert found is not None
    assert found.event == event(1, "Опять")
    assert len(stub.items(slug(spiteful))) == 1
