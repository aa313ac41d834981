"""How access to a Google account is had, kept fresh and lost, against the OAuth of the strict Google."""

import asyncio
import http.client
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from accounts import Account, endpoints, event, name

from identsync.demo.google.options import APP_CREATED, DEVICE_SCOPES
from identsync.demo.google.process import GoogleProcess
from identsync.errors import IdentsyncError, Limited, Refused, Unavailable, Unexpected
from identsync.flows.answer import Reply
from identsync.flows.http import Http
from identsync.integrations.calendar.wire.google import SCOPE, Google
from identsync.integrations.calendar.wire.google_access import GOOGLE as REAL
from identsync.integrations.calendar.wire.google_access import Access, App, error_of
from identsync.integrations.calendar.wire.google_consent import Device, Loopback


@pytest.fixture
def app(process: GoogleProcess) -> App:
    return App(*process.app)


@pytest.fixture
async def loopback(process: GoogleProcess, app: App, http: Http):
    async with Loopback(http, app, endpoints=endpoints(process)) as loopback:
        yield loopback


def visit(url: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
    """Ask as a browser does: status, Location or '', text."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=30)
    try:
        connection.request(method, f"{place.path or '/'}?{place.query}", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Location", ""), answer.read().decode()
    finally:
        connection.close()


async def browse(url: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
    return await asyncio.to_thread(visit, url, method, **headers)


async def sent_back(loopback: Loopback) -> str:
    """Where Google sends the browser after consent."""
    status, location, text = await browse(loopback.url)
    assert status == 302, text
    return location


def access_to(process: GoogleProcess, http: Http, token: str, app: App | None = None, **more: object) -> Access:
    return Access(http, app or App(*process.app), token, endpoints=endpoints(process), **more)  # type: ignore[arg-type]


# -- the browser ---------------------------------------------------------------------------------------------------


async def test_a_consent_in_the_browser_gives_access_to_a_calendar_of_our_own(loopback: Loopback, process, http: Http):
    waiting = asyncio.create_task(loopback.grant())
    status, _location, text = await browse(await sent_back(loopback))
    assert status == 200
    assert "можно закрыть" in text
    grant = await waiting
    assert grant.scopes == {SCOPE}

    async def permit() -> None: ...

    google = Google(http, access_to(process, http, grant.refresh_token), permit, process.url)
    calendar = google.calendar(await google.make_calendar("Расписание", "Europe/Moscow"))
    await calendar.put(name(1), event(1), None)
    assert set((await calendar.changes(None)).there) == {name(1)}


async def test_the_page_of_google_is_asked_for_all_that_it_needs(loopback: Loopback):
    query = {key: values[0] for key, values in parse_qs(urlsplit(loopback.url).query).items()}
    assert query["scope"] == SCOPE == APP_CREATED
    assert query["code_challenge_method"] == "S256"
    assert (query["access_type"], query["prompt"]) == ("offline", "consent")
    assert urlsplit(query["redirect_uri"]).hostname == "127.0.0.1"
    assert len(query["state"]) >= 32


async def test_an_address_from_another_computer_can_be_given_by_hand(loopback: Loopback):
    address = await sent_back(loopback)
    assert not loopback.take("https://example.com/")
    assert not loopback.take("http://[bad")
    assert loopback.take(f"  {address}\n")
    assert not loopback.take(address), "once"
    assert (await loopback.grant()).refresh_token


async def test_only_the_answer_to_this_question_is_taken(loopback: Loopback):
    address = await sent_back(loopback)
    place = urlsplit(address)
    root = f"http://{place.netloc}/"
    forged = urlencode({"code": "4/forged", "state": "x"})
    assert (await browse(f"{root}?{forged}"))[0] == 400
    assert (await browse(f"{root}favicon.ico"))[0] == 404
    assert (await browse(address, "POST"))[0] == 404
    assert (await browse(address, Host="evil.example"))[0] == 404
    assert (await browse(address))[0] == 200
    assert (await loopback.grant()).refresh_token


async def test_a_connection_that_says_nothing_holds_nobody_up(loopback: Loopback):
    address = await sent_back(loopback)
    _reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(address).port)
    assert (await browse(address))[0] == 200
    assert (await loopback.grant()).refresh_token
    writer.close()


@pytest.mark.parametrize(
    ("consent", "words"),
    [("deny", "не разрешили"), ("untick", "доступ к календарю не дан")],
    ids=["denied", "unticked"],
)
async def test_a_person_who_does_not_consent_is_told_what_to_do(loopback: Loopback, process, consent, words):
    process.options(consent=consent)
    await browse(await sent_back(loopback))
    with pytest.raises(Refused, match=words) as caught:
        await loopback.grant()
    assert caught.value.hint


async def test_nobody_answers(loopback: Loopback):
    with pytest.raises(Unavailable, match="никто не ответил"):
        await loopback.grant(deadline=0)


async def test_a_person_presses_a_button(loopback: Loopback, process):
    process.options(consent="page")
    status, _location, text = await browse(loopback.url)
    assert status == 200
    link = text.split('id="allow" href="')[1].split('"')[0].replace("&amp;", "&")
    await browse((await browse(process.url + link))[1])
    assert (await loopback.grant()).refresh_token


async def test_a_stolen_code_is_worth_nothing_without_the_verifier(loopback: Loopback, process, app: App, http: Http):
    stolen = parse_qs(urlsplit(await sent_back(loopback)).query)["code"][0]
    async with Loopback(http, app, endpoints=endpoints(process)) as thief:
        query = {"code": stolen, "state": parse_qs(urlsplit(thief.url).query)["state"][0]}
        assert thief.take(f"http://127.0.0.1/?{urlencode(query)}")
        with pytest.raises(Refused):
            await thief.grant()


async def test_a_code_that_is_used_twice_withdraws_what_it_gave(loopback: Loopback, process, http: Http):
    assert loopback.take(await sent_back(loopback))
    grant = await loopback.grant()
    with pytest.raises(Refused, match="invalid_grant"):
        await loopback.grant()
    with pytest.raises(Refused):
        await access_to(process, http, grant.refresh_token).token()


# -- a code on another device --------------------------------------------------------------------------------------


async def test_google_gives_no_device_code_for_a_calendar(process, app: App, http: Http):
    with pytest.raises(Refused, match="invalid_scope") as caught:
        await Device(http, app, endpoints=endpoints(process)).begin()
    assert "через браузер" in caught.value.hint


class Telly:
    """A device that waits by the clock of the fake Google; ``answer`` comes after ``after`` pauses."""

    def __init__(self, process: GoogleProcess, app: App, http: Http, answer: str = "", after: int = 2) -> None:
        process.options(device_scopes=[*DEVICE_SCOPES, SCOPE])
        self.device = Device(http, app, endpoints=endpoints(process), pause=self.pause)
        self.process = process
        self.answer = answer
        self.after = after
        self.pauses: list[float] = []
        self.slept = 1.0
        self.user_code = ""

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.process.order("clock", ahead_ms=int(seconds * 1000 * self.slept))
        if self.answer and len(self.pauses) == self.after:
            self.process.order("type", user_code=self.user_code, answer=self.answer)

    async def grant(self):
        code = await self.device.begin()
        self.user_code = code.user_code
        assert code.device_code not in repr(code)
        return await self.device.grant(code)


async def test_a_device_waits_until_the_person_has_typed_the_code(process, app: App, http: Http):
    telly = Telly(process, app, http, "allow", after=3)
    grant = await telly.grant()
    assert telly.pauses == [5, 5, 5]
    assert await access_to(process, http, grant.refresh_token).token()


async def test_a_device_that_asks_too_often_slows_down(process, app: App, http: Http):
    telly = Telly(process, app, http, "allow", after=3)
    telly.slept = 0.9
    await telly.grant()
    assert telly.pauses[:2] == [5, 10]


async def test_a_device_is_denied_or_runs_out_of_time(process, app: App, http: Http):
    with pytest.raises(Refused, match="не разрешили"):
        await Telly(process, app, http, "deny").grant()
    process.options(device_lifetime=20)
    with pytest.raises(Refused, match="время кода вышло"):
        await Telly(process, app, http).grant()


# -- keeping it fresh ----------------------------------------------------------------------------------------------


async def test_many_at_once_share_one_refresh(account: Account, process):
    before = process.books()["refreshes"]
    tokens = await asyncio.gather(*(account.access.token() for _ in range(20)))
    assert len(set(tokens)) == 1
    assert process.books()["refreshes"] == before + 1


async def test_a_token_is_renewed_before_its_end(process, http: Http):
    now = [0.0]
    access = access_to(process, http, process.grant(), clock=lambda: now[0])
    first = await access.token()
    now[0] = 3600 - 61
    assert await access.token() == first
    now[0] = 3600 - 59
    assert await access.token() != first


async def test_a_token_that_ended_early_is_renewed_once(account: Account, process):
    identity = await account.google.make_calendar("Расписание", "UTC")
    before = process.books()["refreshes"]
    process.order("expire", what="access")
    calendar = account.google.calendar(identity)
    await asyncio.gather(*(calendar.put(name(number), event(number), None) for number in range(10)))
    assert process.books()["refreshes"] == before + 1
    assert len((await calendar.changes(None)).there) == 10


async def test_a_token_that_is_refused_again_and_again_asks_a_person(account: Account, process):
    identity = await account.google.make_calendar("Расписание", "UTC")
    account.asked()
    process.fault("fail", "list", times=None, status=401, reason="authError")
    with pytest.raises(Refused):
        await account.google.calendar(identity).changes(None)
    assert account.asked() == 2


async def test_an_access_that_was_withdrawn_is_asked_for_once_and_says_what_to_do(account: Account, process):
    process.order("forget", user=account.user)
    before = process.books()["counts"].get("token 400", 0)
    told = await asyncio.gather(*(account.access.token() for _ in range(5)), return_exceptions=True)
    assert all(isinstance(one, Refused) for one in told)
    with pytest.raises(Refused, match="invalid_grant") as caught:
        await account.access.token()
    assert "7 дней" in caught.value.hint
    assert "Production" in caught.value.hint
    assert process.books()["counts"]["token 400"] == before + 1, "no storm of refused requests"


async def test_a_withdrawn_access_is_noticed_in_the_middle_of_work(account: Account, process):
    identity = await account.google.make_calendar("Расписание", "UTC")
    process.order("forget", user=account.user)
    with pytest.raises(Refused, match="invalid_grant"):
        await account.google.calendar(identity).put(name(1), event(1), None)


async def test_a_wrong_secret_is_told_from_a_withdrawn_access(process, http: Http):
    with pytest.raises(Refused, match="не узнаёт приложение"):
        await access_to(process, http, process.grant(), App(process.app[0], "wrong")).token()


@pytest.mark.parametrize("kind", ["fail", "lose", "cut"])
async def test_a_refresh_that_fails_in_passing_is_tried_anew(account: Account, process, kind: str):
    process.fault(kind, "token")
    with pytest.raises(Unavailable):
        await account.access.token()
    assert await account.access.token()


@pytest.mark.parametrize("kind", ["html", "half"])
async def test_what_is_no_answer_gives_no_token_and_is_not_repeated(account: Account, process, kind: str):
    process.fault(kind, "token")
    with pytest.raises(Unexpected) as caught:
        await account.access.token()
    assert caught.value.raw == "", "half an answer holds a whole token"
    assert await account.access.token()


async def test_a_cancelled_refresh_leaves_the_next_one_free(account: Account, process):
    process.fault("slow", "token", seconds=30)
    task = asyncio.create_task(account.access.token())
    for _turn in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    process.behave()
    assert await account.access.token()


def test_a_limit_of_the_token_endpoint_is_a_limit():
    error = error_of("rate_limit_exceeded", Reply(403, {"retry-after": "9"}, b""))
    assert isinstance(error, Limited)
    assert error.after_ms == 9000


async def test_revoking_is_final_and_may_be_done_twice(account: Account, process):
    await account.access.token()
    await account.access.revoke()
    await account.access.revoke()
    with pytest.raises(Refused):
        await account.access.token()


# -- secrets -------------------------------------------------------------------------------------------------------


async def test_no_secret_stands_in_an_error_a_log_or_a_repr(process, http: Http, caplog: pytest.LogCaptureFixture):
    app, refresh = App(*process.app), process.grant()
    told: list[str] = [repr(app)]
    with caplog.at_level("DEBUG"):
        access = access_to(process, http, refresh)
        token = await access.token()
        for what in ("lose", "fail", "html", "half"):
            current = await access.token()
            process.fault(what, "token")
            told += said(await failure(access.renewed(current)))
        process.order("forget")
        told += said(await failure(access_to(process, http, refresh).token()))
        async with Loopback(http, app, endpoints=endpoints(process)) as loopback:
            await browse(await sent_back(loopback))
            grant = await loopback.grant()
            told += [repr(grant), repr(loopback), repr(access)]
    told += [record.getMessage() for record in caplog.records]
    secrets = (process.app[1], refresh, token, grant.refresh_token, grant.access_token)
    assert not [text for text in told if any(secret in text for secret in secrets)]


async def failure(asked) -> IdentsyncError:
    with pytest.raises(IdentsyncError) as caught:
        await asked
    return caught.value


def said(error: IdentsyncError) -> list[str]:
    return [str(error), repr(error), error.hint, error.raw]


def test_the_real_addresses_are_googles_and_encrypted():
    for url in (REAL.consent, REAL.token, REAL.device, REAL.revoke):
        assert urlsplit(url).scheme == "https"
        assert urlsplit(url).hostname in {"accounts.google.com", "oauth2.googleapis.com"}
