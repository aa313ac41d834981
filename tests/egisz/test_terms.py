"""Reference books over real HTTP: what N3's service says, and what it must not cost when it says nonsense."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from identsync.demo.n3_terms.desk import TOKEN
from identsync.demo.n3_terms.editions import EDITIONS, PAPERS
from identsync.demo.n3_terms.process import TermsProcess
from identsync.errors import AskPerson, IdentsyncError, Refused, SuspiciousChange, Unavailable, Unexpected
from identsync.flows.http import Http
from identsync.integrations.egisz import reference
from identsync.integrations.egisz.reference import NEEDED, Book, Books, refresh
from identsync.integrations.egisz.settings import Organisation
from identsync.integrations.egisz.wire import terms as wire
from identsync.spans import DAY_MS

from .rules_cases import SETTINGS

PAPER, PAYMENT = reference.PAPER[0], reference.PAYMENT[0]
NOW = 1_800_000_000_000


@pytest.fixture(scope="module")
def process() -> Iterator[TermsProcess]:
    with TermsProcess() as running:
        yield running


@pytest.fixture
def service(process: TermsProcess, monkeypatch: pytest.MonkeyPatch) -> TermsProcess:
    process.clear()
    monkeypatch.setenv("TEST_N3", TOKEN)
    monkeypatch.setattr(wire.random, "uniform", lambda *_between: 0.0)
    return process


@pytest.fixture
async def terms(service: TermsProcess) -> AsyncIterator[wire.Terms]:
    async with wire.open(told(service), permitted) as opened:
        yield opened


async def permitted() -> None:
    return None


def told(service: TermsProcess, **change: Any) -> Organisation:
    values = {name: getattr(SETTINGS, name) for name in SETTINGS.__struct_fields__}
    return Organisation(**(values | {"terms": service.url, "timeout": 5_000} | change))


def asked(service: TermsProcess) -> dict[str, int]:
    counts: dict[str, int] = service.books()["counts"]
    return counts


async def test_a_book_comes_whole_with_its_version(service: TermsProcess, terms: wire.Terms) -> None:
    assert await terms.book(PAPER, NOW) == Book(PAPER, "1", NOW, PAPERS)
    service.publish(PAPER, PAPERS | {"18": "Новый"})
    assert await terms.version(PAPER) == "2"
    book = await terms.book(PAPER, NOW)
    assert book is not None
    assert (book.version, book.codes["18"]) == ("2", "Новый")


@pytest.mark.parametrize("options", [{"bare": True}, {"page": 7}, {"page": 1}, {"bare": True, "page": 3}])
async def test_with_or_without_pages_and_parameters(
    service: TermsProcess, terms: wire.Terms, options: dict[str, Any]
) -> None:
    service.options(**options)
    book = await terms.book(PAPER, NOW)
    assert book is not None
    assert book.codes == PAPERS


async def test_a_service_without_passports_gives_books_without_a_version(
    service: TermsProcess, terms: wire.Terms
) -> None:
    service.options(passports=False)
    assert await terms.version(PAPER) == ""
    assert await terms.book(PAPER, NOW) == Book(PAPER, "", NOW, PAPERS)


async def test_a_book_that_is_not_there_is_none(terms: wire.Terms, service: TermsProcess) -> None:
    assert await terms.book("1.2.3", NOW) is None
    assert await terms.version("1.2.3") is None
    service.options(passports=False)
    assert await terms.book("1.2.3", NOW) is None


async def test_a_code_is_looked_up(terms: wire.Terms) -> None:
    assert await terms.lookup(PAPER, "223") == "СНИЛС"
    assert await terms.lookup(PAPER, "224") is None
    assert await terms.lookup("1.2.3", "1") is None


async def test_rows_of_any_kind(service: TermsProcess, terms: wire.Terms) -> None:
    rows = [
        {"code": 3, "display": "Число"},
        {"code": " 4 ", "display": "Пробелы"},
        {"code": "5"},
        {"code": "6", "display": {"not": "text"}},
        {"code": "7", "display": "x" * 5_000},
        {"code": "8", "display": "Отменён", "inactive": True},
        {"code": "9", "display": "Группа", "abstract": True, "contains": [{"code": "9.1", "display": "В группе"}]},
        {"display": "без кода"}, {"code": ""}, {"code": None}, {"code": True}, {"code": "x" * 500}, "text", None, 17,
        [],
    ]  # fmt: skip
    service.publish_rows(PAPER, rows)
    book = await terms.book(PAPER, NOW)
    assert book is not None
    assert {code: name[:9] for code, name in book.codes.items()} == {
        "3": "Число", "4": "Пробелы", "5": "", "6": "", "7": "x" * 9, "9.1": "В группе",
    }  # fmt: skip
    assert len(book.codes["7"]) == 500
    service.publish_rows(PAPER, [])
    assert await terms.book(PAPER, NOW) is None
    service.publish_rows(PAPER, [{"kod": "1"}])
    with pytest.raises(Unexpected):
        await terms.book(PAPER, NOW)


async def test_nested_as_deep_as_it_likes(service: TermsProcess, terms: wire.Terms) -> None:
    deep: dict[str, Any] = {"code": "0", "display": ""}
    for number in range(1, 60):
        deep = {"code": str(number), "display": "", "contains": [deep]}
    service.publish_rows(PAPER, [deep])
    book = await terms.book(PAPER, NOW)
    assert book is not None
    assert len(book.codes) == 60


async def test_a_page_that_comes_again_and_again_is_no_whole_book(service: TermsProcess, terms: wire.Terms) -> None:
    service.options(page=2, stuck=True)
    with pytest.raises(Unexpected, match="не весь"):
        await terms.book(PAPER, NOW)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "html"}, Unexpected),
        ({"kind": "half"}, Unexpected),
        ({"kind": "long"}, Unexpected),
        ({"kind": "say", "status": 200, "body": "[]"}, Unexpected),
        ({"kind": "say", "status": 200, "body": '{"resourceType":"Parameters"}'}, Unexpected),
        ({"kind": "say", "status": 400, "body": '{"resourceType":"OperationOutcome"}'}, Unexpected),
        ({"kind": "say", "status": 404, "body": "<html>no such page</html>"}, Unexpected),
        ({"kind": "fail", "status": 403}, Refused),
        ({"kind": "fail", "status": 503}, Unavailable),
        ({"kind": "drop"}, Unavailable),
    ],
)
async def test_nonsense_is_an_error_with_words(
    service: TermsProcess, terms: wire.Terms, fault: dict[str, Any], error: type[IdentsyncError]
) -> None:
    service.fault(**fault, what="$expand", times=None)
    with pytest.raises(error) as raised:
        await terms.book(PAPER, NOW)
    assert str(raised.value)
    assert TOKEN not in str(raised.value) + raised.value.raw
    service.behave()
    assert await terms.book(PAPER, NOW) is not None


async def test_an_answer_that_never_comes_ends(service: TermsProcess) -> None:
    service.fault("hang", times=None)
    async with wire.open(told(service, timeout=1_000), permitted) as terms:
        with pytest.raises(Unavailable):
            await terms.version(PAPER)
    service.behave()


async def test_what_is_lost_once_is_asked_once_more(service: TermsProcess, terms: wire.Terms) -> None:
    service.fault("drop", what="$expand")
    assert await terms.book(PAPER, NOW) is not None
    assert asked(service) == {"GET /ValueSet": 1, "POST /ValueSet/$expand": 2}


async def test_the_token_goes_out_only_when_it_is_asked_for(service: TermsProcess, terms: wire.Terms) -> None:
    await terms.version(PAPER)
    assert "Authorization" not in terms._headers
    service.options(locked=True)
    assert await terms.version(PAPER) == "1"
    assert await terms.book(PAPER, NOW) is not None
    assert asked(service) == {"GET /ValueSet": 4, "POST /ValueSet/$expand": 1}  # refused once, then never again


async def test_a_wrong_token_is_told_and_not_shown(service: TermsProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_N3", "another-token")
    service.options(locked=True)
    async with wire.open(told(service), permitted) as terms:
        with pytest.raises(Refused) as raised:
            await terms.book(PAPER, NOW)
        service.fault("say", status=403, body="no such token: another-token")
        with pytest.raises(Refused) as echoed:
            await terms.version(PAPER)
    assert "another-token" not in str(raised.value) + raised.value.raw + str(echoed.value) + echoed.value.raw


async def test_without_an_address_nothing_is_asked() -> None:
    with pytest.raises(AskPerson):
        async with wire.open(SETTINGS, permitted):
            pass


async def test_every_request_is_permitted_first(service: TermsProcess) -> None:
    counted = 0

    async def permit() -> None:
        nonlocal counted
        counted += 1

    service.fault("drop", what="$expand")
    async with wire.open(told(service), permit) as terms:
        await terms.book(PAPER, NOW)
    assert counted == sum(asked(service).values()) == 3


class TestRefresh:
    """The cache: whole at first, then a version a book a day, and never worse than before."""

    async def test_all_books_of_a_route(self, service: TermsProcess, terms: wire.Terms) -> None:
        books, troubles = await refresh(terms, {}, "case", NOW)
        assert troubles == []
        assert {book.oid for book in books} == {kind[0] for kind in NEEDED["case"]}
        assert Books(books).lacking("case") == []
        held = {book.oid: book for book in books}
        before = asked(service)
        assert await refresh(terms, held, "case", NOW + DAY_MS - 1) == ([], [])
        assert asked(service) == before

    async def test_a_day_later_only_new_versions_are_fetched(self, service: TermsProcess, terms: wire.Terms) -> None:
        books, _troubles = await refresh(terms, {}, "case", NOW)
        held = {book.oid: book for book in books}
        service.publish(PAYMENT, EDITIONS[PAYMENT] | {"6": "Новый источник"})
        before = asked(service)["POST /ValueSet/$expand"]
        later, troubles = await refresh(terms, held, "case", NOW + DAY_MS)
        assert troubles == []
        assert asked(service)["POST /ValueSet/$expand"] == before + 1
        assert {book.oid for book in later if book.codes != held[book.oid].codes} == {PAYMENT}
        assert {book.fetched_ms for book in later} == {NOW + DAY_MS}

    async def test_a_book_of_half_its_codes_is_not_believed(self, service: TermsProcess, terms: wire.Terms) -> None:
        books, _troubles = await refresh(terms, {}, "case", NOW)
        held = {book.oid: book for book in books}
        service.publish(PAPER, {"14": "Паспорт"})
        service.withdraw(PAYMENT)
        later, troubles = await refresh(terms, held, "case", NOW + DAY_MS)
        assert {trouble.oid for trouble in troubles} == {PAPER, PAYMENT}
        assert all(isinstance(trouble.error, SuspiciousChange) for trouble in troubles)
        assert not {book.oid for book in later} & {PAPER, PAYMENT}
        assert len(later) == len(held) - 2

    async def test_a_book_of_just_half_its_codes_may_be(self, service: TermsProcess, terms: wire.Terms) -> None:
        held = {PAPER: Book(PAPER, "1", NOW, {str(code): "" for code in range(4)})}
        service.publish(PAPER, {"1": "", "2": ""})
        later, _troubles = await refresh(terms, held, "document", NOW + DAY_MS)
        assert {"1": "", "2": ""} in [book.codes for book in later]
        service.publish(PAPER, {"1": ""})
        assert PAPER in {one.oid for one in (await refresh(terms, held, "document", NOW + DAY_MS))[1]}

    async def test_one_books_trouble_costs_no_other(self, service: TermsProcess, terms: wire.Terms) -> None:
        service.fault("half", what=f'$expand?_format=json{{"resourceType":"Parameters","parameter":[{{"name":"system",'
                      f'"valueString":"urn:oid:{PAYMENT}"')  # fmt: skip
        books, troubles = await refresh(terms, {}, "case", NOW)
        assert [trouble.oid for trouble in troubles] == [PAYMENT]
        assert len(books) == len(NEEDED["case"]) - 1
        assert Books(books).lacking("case") == [PAYMENT]

    async def test_a_refused_key_is_asked_about_once(self, service: TermsProcess, terms: wire.Terms) -> None:
        service.fault("fail", status=401, times=None)
        _books, troubles = await refresh(terms, {}, "case", NOW)
        service.behave()
        assert [type(trouble.error) for trouble in troubles] == [Refused]

    async def test_another_edition_of_the_contract_names_another_book(
        self, service: TermsProcess, terms: wire.Terms
    ) -> None:
        first, second = reference.POSITION
        service.withdraw(first)
        service.publish(second, {"7": "Врач"})
        books = Books((await refresh(terms, {}, "case", NOW))[0])
        assert books.refusal(reference.POSITION, 7) == ""
        assert books.refusal(reference.POSITION, 8) == second

    async def test_a_clock_set_back_asks_again(self, terms: wire.Terms) -> None:
        held = {PAPER: Book(PAPER, "1", NOW + 10 * DAY_MS, PAPERS)}
        later, _troubles = await refresh(terms, held, "document", NOW)
        assert replace(held[PAPER], fetched_ms=NOW) in later


@pytest.mark.parametrize("seed", range(3))
async def test_in_a_storm_every_book_is_whole_or_the_old_one(
    service: TermsProcess, terms: wire.Terms, seed: int
) -> None:
    held: dict[str, Book] = {}
    for kind in ("drop", "half", "html", "fail", "say"):
        service.fault(kind, share=0.15, times=None, skip=seed)
    for day in range(12):
        books, _troubles = await refresh(terms, held, "case", NOW + day * DAY_MS)
        held |= {book.oid: book for book in books}
    service.behave()
    assert held
    assert all(held[oid].codes == EDITIONS[oid] for oid in held)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "ValueSet?url=urn:oid:1", b"", 406),
        ("POST", "ValueSet/$expand?_format=json", b"{}", 400),
        ("POST", "ValueSet/$all?_format=json", b'{"parameter":[{"name":"system","valueString":"1"}]}', 404),
    ],
)
async def test_the_stand_in_says_when_it_is_not_asked_properly(
    service: TermsProcess, method: str, path: str, body: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"} if body else {}
    async with Http() as http:
        reply = await http.ask(method, f"{service.url}/{path}", headers, body, passing=range(400, 500))
    assert reply.status == status
