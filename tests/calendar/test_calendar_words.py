"""Why a calendar stands still is kept by key and fields, and read in the reader's language."""

from collections.abc import Iterator
from pathlib import Path

import polib
import pytest
from calendar_network import visit
from calendar_world import NAME, TODAY, Shelf, World
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from identsync import language
from identsync.console.drawing import Drawing
from identsync.errors import AskPerson, IdentsyncError, Unavailable
from identsync.flows.answer import Asked, Reply
from identsync.integrations.calendar import books, seal
from identsync.integrations.calendar.books import PROBLEM, Link
from identsync.integrations.calendar.desks import Desk, Line, standing
from identsync.integrations.calendar.wire.dav import located, refused, unexpected
from identsync.language import keyed
from identsync.store.tables import mirror_item

SENTENCES = [
    entry.msgid
    for entry in polib.pofile(str(Path(language.__file__).with_name("locale") / "en.po"))
    if "{" not in entry.msgid
]
sentences = st.sampled_from(SENTENCES)
values = st.text(max_size=20) | st.integers()


@pytest.fixture(autouse=True)
def tongue() -> Iterator[None]:
    yield
    language.speak("ru")


def shown(stored: str, tongue: str) -> str:
    """What a page shows of a stored problem."""
    return str(Drawing(tongue, "Europe/Moscow")._environment.filters["said"](stored))


def stood(error: AskPerson) -> str:
    """What is kept of an error that stopped a doctor's calendar."""
    desk = Desk(Link(1, 1, "https://there.example/", own=True, state="on"), shared=False, line=Line())
    desk.stop(error)
    [(_old, new)] = standing([desk], 1, settled=False)
    assert new.problem is not None
    assert len(new.problem) <= PROBLEM
    return new.problem


def book_today(world: World) -> None:
    visit(world.sql, 1, 1, 1, TODAY * 1440 + 600)


@given(sentences, values, st.sampled_from(["ru", "en"]))
def test_what_was_kept_in_one_language_is_read_in_each(sentence: str, value: str | int, writer: str) -> None:
    language.speak(writer)
    stored = language.kept(language.keyed("{where}: {what}", where=value, what=language.keyed(sentence)), 10_000)
    language.speak("ru")
    assert language.said(stored) == language.said(stored, "ru") == f"{value}: {sentence}"
    assert language.said(stored, "en") == f"{value}: {language._known('en')[sentence]}"


@given(st.text(max_size=60), st.integers(1, 50))
def test_a_plain_text_is_kept_and_read_as_it_is(text: str, longest: int) -> None:
    assert language.said(language.kept(text, longest)) == text[:longest]


@pytest.mark.parametrize("text", ['{"say"', '{"say": 1}', '{"say": "{x}", "with": {}}', '{"say": "a", "with": 3}', ""])
def test_a_text_that_only_looks_like_kept_words_is_shown_as_it_is(text: str) -> None:
    assert language.said(text, "en") == (text if text != '{"say": "{x}", "with": {}}' else "{x}")


def test_words_too_long_for_the_column_are_kept_as_plain_ones() -> None:
    words = language.keyed("{where}: {what}", where="w" * 300, what="x" * 300)
    assert language.kept(words, 400) == str(words)[:400]


def test_a_refusal_is_shown_in_the_readers_language() -> None:
    reply = Reply(401, {}, b"")
    stored = stood(
        refused("PUT", "https://caldav.yandex.ru/x", reply, language.keyed("сервер не принимает имя и пароль (401)"))
    )
    assert shown(stored, "ru") == "PUT caldav.yandex.ru: сервер не принимает имя и пароль (401)"
    assert shown(stored, "en").startswith("PUT caldav.yandex.ru: the server")


@pytest.mark.parametrize(
    "error",
    [
        Unavailable(located("PUT", "https://caldav.yandex.ru/x", keyed("нет связи")), sent=False),
        Unavailable(located("PUT", "https://caldav.yandex.ru/x", keyed("ответ потерян")), sent=True),
        unexpected("PUT", "https://caldav.yandex.ru/x", keyed("нет связи")),
        Asked(method="PUT", host="caldav.yandex.ru", max_bytes=1).unexpected(
            keyed("запрос не принят ({status})", status=405)
        ),
    ],
)
def test_what_an_event_waits_for_is_kept_for_every_reader(
    error: IdentsyncError, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    world.sql("INSERT INTO clinic_branch VALUES (1, '', 'Europe/Moscow', NULL, NULL)")
    world.sql("INSERT INTO clinic_staff VALUES (1, 1, 'N', '')")
    book_today(world)

    async def fails(*_given: object) -> None:
        raise error

    monkeypatch.setattr(Shelf, "put", fails)
    world.go(1)
    with world.engine.connect() as connection:
        [answer] = connection.execute(select(mirror_item.c.answer)).scalars()
    world.close()
    assert shown(answer, "ru") == str(error)
    assert shown(answer, "en").startswith("PUT caldav.yandex.ru: ")
    assert shown(answer, "en").isascii()


def test_a_client_that_speaks_english_writes_what_others_read_in_russian() -> None:
    language.speak("en")
    with pytest.raises(AskPerson) as told:
        seal.seal("env:NOBODY_HAS_IT", "there", 1, "x")
    stored = stood(told.value)
    assert "NOBODY_HAS_IT" in shown(stored, "ru")
    assert shown(stored, "ru") != shown(stored, "en") == str(told.value)


def test_rows_of_older_clients_stay_readable() -> None:
    assert shown("календаря больше нет: подключите другой", "ru") == "календаря больше нет: подключите другой"
    assert shown("PUT host: сервер сказал 401", "en") == "PUT host: сервер сказал 401"
    assert shown("", "en") == ""


def test_a_calendar_of_his_own_that_was_deleted_is_told_of_in_both_languages() -> None:
    world = World()
    world.sql("INSERT INTO clinic_branch VALUES (1, '', 'Europe/Moscow', NULL, NULL)")
    world.sql("INSERT INTO clinic_staff VALUES (1, 1, 'N', '')")
    book_today(world)
    world.go(1)
    with world.engine.begin() as connection:
        books.set_link(connection, NAME, 1, {"own": 0})
    world.shelves.clear()
    world.hurry()
    world.go(1)
    problem = world.links()[1].problem
    world.close()
    assert problem is not None
    assert shown(problem, "ru") == "календаря больше нет: подключите другой"
    assert shown(problem, "en").isascii()
