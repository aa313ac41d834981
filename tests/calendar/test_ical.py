"""Our events as iCalendar: read back the same, by us and by the icalendar library, whatever stands in the texts."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import icalendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync.integrations.calendar.event import Event, Name
from identsync.integrations.calendar.text import clean
from identsync.integrations.calendar.wire.ical import LONGEST, dump, feed, parse

NAME = Name("0123456789abcdefghijklmnopqrstuv")
EVENT = Event(NAME.name, 1_767_250_800_000, 1_767_252_600_000, "Занято", "Лечение; кариес, 2\\3\nК зубу", "Кабинет 4")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = 253_370_764_800
WEIRD = st.text(st.one_of(st.sampled_from(',;:\\\n\r\t"n \x00\x0b\x85\u2028\ufeff\ufffeя😀\ud800'), st.characters()))


@st.composite
def events(draw: st.DrawFn) -> Event:
    start, length = draw(st.integers(0, LAST)), draw(st.integers(1, 1_000_000))
    changed = draw(st.integers(-(2**63), 2**63 - 1))
    texts = (draw(WEIRD) for _ in range(3))
    return Event(NAME.name, start * 1000, (start + length) * 1000, *texts, draw(st.booleans()), changed)


def cleaned(event: Event) -> Event:
    texts = {name: clean(getattr(event, name)) for name in ("summary", "description", "location")}
    return replace(event, **texts)


def object_of(*lines: str, end: str = "\r\n") -> bytes:
    return end.join(["BEGIN:VCALENDAR", *lines, "END:VCALENDAR", ""]).encode()


def vevent(*more: str, without: Iterable[str] = ()) -> bytes:
    """Return EVENT as lines, with some left out and others added."""
    lines = dump(NAME, EVENT).decode().split("\r\n")[3:-2]
    kept = [line for line in lines if line.split(":")[0].split(";")[0] not in without]
    return object_of(*kept[:-1], *more, kept[-1])


@given(events(), st.integers(1, 12))
def test_an_event_comes_back_as_it_was_whatever_its_texts(event: Event, generation: int) -> None:
    assert parse(dump(Name(NAME.name, generation), event)) == cleaned(event)


@given(events(), st.integers(1, 12))
def test_icalendar_reads_the_same(event: Event, generation: int) -> None:
    name = Name(NAME.name, generation)
    read = icalendar.Calendar.from_ical(dump(name, event)).walk("VEVENT")[0]
    times = [(read.decoded(one) - EPOCH) // timedelta(milliseconds=1) for one in ("DTSTART", "DTEND")]
    texts = [str(read.get(one, "")) for one in ("SUMMARY", "DESCRIPTION", "LOCATION")]
    wanted = cleaned(event)
    assert times == [event.start_ms, event.end_ms]
    assert texts == [wanted.summary, wanted.description, wanted.location]
    assert str(read["UID"]) == str(name)
    assert read["TRANSP"] == ("TRANSPARENT" if event.free else "OPAQUE")


@given(events())
def test_what_icalendar_writes_again_is_read_as_the_same(event: Event) -> None:
    """Xandikos does this to every object."""
    assert parse(icalendar.Calendar.from_ical(dump(NAME, event)).to_ical()) == cleaned(event)


@given(events())
def test_no_line_is_over_75_octets_or_ends_within_a_character_or_an_escape(event: Event) -> None:
    lines = dump(NAME, event).split(b"\r\n")
    assert lines[-1] == b""
    for line, after in pairwise(lines):
        assert len(line) <= 75
        assert not {*b"\r\n"} & {*line}
        line.decode()
        if after.startswith(b" "):
            assert (len(line) - len(line.rstrip(b"\\"))) % 2 == 0


@given(WEIRD)
def test_clean_text_is_clean_and_fit_for_xml(text: str) -> None:
    done = clean(text)
    assert clean(done) == done
    assert done.encode().decode() == done
    assert not set(done) & {chr(c) for c in (*range(10), *range(11, 32), *range(127, 160), 0x2028, 0xFFFE, 0xFFFF)}


def test_an_event_of_zero_or_negative_length_or_outside_the_calendar_is_refused() -> None:
    for start, end in ((0, 0), (1000, 0), (0, 500), (0, 2**62), (-(2**62), 0)):
        with pytest.raises(ValueError):
            dump(NAME, replace(EVENT, start_ms=start, end_ms=end))


def test_dtstamp_is_when_the_clinic_changed_it_so_that_a_retry_is_the_same_bytes() -> None:
    stamped = replace(EVENT, changed_ms=1_767_225_600_999)
    assert b"DTSTAMP:20260101T000000Z\r\n" in dump(NAME, stamped)
    assert dump(NAME, stamped) == dump(NAME, stamped)
    assert b"DTSTAMP:19700101T000000Z\r\n" in dump(NAME, EVENT)


def test_nothing_makes_a_server_send_mail_or_hide_the_event() -> None:
    for word in (b"ORGANIZER", b"ATTENDEE", b"CLASS", b"METHOD"):
        assert word not in dump(NAME, EVENT)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(dump(NAME, EVENT).replace(b"\r\n", b"\n"), id="LF only"),
        pytest.param(dump(NAME, EVENT).replace(b"\r\n", b"\r"), id="CR only"),
        pytest.param(b"\xef\xbb\xbf" + dump(NAME, EVENT), id="BOM"),
        pytest.param(dump(NAME, EVENT).replace(b"\r\n", b"\r\n\r\n"), id="blank lines"),
        pytest.param(dump(NAME, EVENT).rstrip(), id="no last line end"),
        pytest.param(vevent("dtend:20260101t073000z", without=["DTEND"]), id="lower case"),
        pytest.param(vevent("DURATION:PT30M", without=["DTEND"]), id="DURATION"),
        pytest.param(vevent("DURATION:+P0DT0H30M0S", without=["DTEND"]), id="a long DURATION"),
        pytest.param(vevent("STATUS:CONFIRMED", "SEQUENCE:7", "X-A;B=C:D", "CREATED:20200101T000000Z"), id="more"),
        pytest.param(vevent(without=["TRANSP", "DTSTAMP"]), id="a default left out"),
        pytest.param(vevent('SUMMARY;LANGUAGE=ru;X-A="a:b;c":Занято', without=["SUMMARY"]), id="quoted parameters"),
        pytest.param(
            vevent(
                "DTSTART;TZID=Europe/Moscow:20260101T100000",
                'DTEND;TZID="Europe/Moscow":20260101T103000',
                without=["DTSTART", "DTEND"],
            ),
            id="a zone of the same instant",
        ),
        pytest.param(
            vevent("BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:Звонок", "DURATION:PT5M", "END:VALARM"),
            id="an alarm of the doctor's own",
        ),
    ],
)
def test_read_as_the_same_where_people_see_the_same(data: bytes) -> None:
    assert parse(data) == EVENT


def test_a_zone_defined_beside_the_event_is_not_the_event() -> None:
    zone = ("BEGIN:VTIMEZONE", "TZID:X", "BEGIN:STANDARD", "DTSTART:19700101T000000", "RRULE:FREQ=YEARLY")
    inner = dump(NAME, EVENT).decode().split("\r\n")[3:-2]
    assert parse(object_of(*zone, "END:STANDARD", "END:VTIMEZONE", *inner)) == EVENT


def test_folding_within_a_character_is_put_together_again() -> None:
    line = "DESCRIPTION:Лечение\\; кариес\\, 2\\\\3\\NК зубу".encode()
    folded = b"\r\n\t".join(line[i : i + 7] for i in range(0, len(line), 7))
    assert parse(vevent("DESCRIPTION:?", without=["DESCRIPTION"]).replace(b"DESCRIPTION:?", folded)) == EVENT


HALF = dump(NAME, EVENT)[:-40]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(HALF, id="half a file"),
        pytest.param(b"\x00" * 100, id="NUL"),
        pytest.param(b"<html>login</html>", id="a page"),
        pytest.param(object_of("BEGIN:VTODO", "UID:x", "SUMMARY:Занято", "END:VTODO"), id="a task"),
        pytest.param(vevent("END:VEVENT", "BEGIN:VEVENT", "UID:2"), id="two events"),
        pytest.param(dump(NAME, EVENT) * 2, id="two calendars"),
        pytest.param(vevent("RRULE:FREQ=DAILY"), id="a series"),
        pytest.param(vevent("EXDATE:20260101T070000Z"), id="a gap in a series"),
        pytest.param(vevent("RECURRENCE-ID:20260101T070000Z"), id="one of a series"),
        pytest.param(vevent("STATUS:CANCELLED"), id="cancelled"),
        pytest.param(vevent("status:tentative"), id="tentative"),
        pytest.param(vevent("SUMMARY:Другое"), id="two summaries"),
        pytest.param(vevent("DURATION:PT30M"), id="end and duration"),
        pytest.param(vevent("DURATION:-PT30M", without=["DTEND"]), id="a negative duration"),
        pytest.param(vevent("DURATION:P" + "9" * 5000 + "W", without=["DTEND"]), id="a monstrous duration"),
        pytest.param(vevent(without=["DTEND"]), id="no end"),
        pytest.param(vevent(without=["DTSTART"]), id="no start"),
        pytest.param(vevent("DTEND:20251231T000000Z", without=["DTEND"]), id="ends before it starts"),
        pytest.param(vevent("DTSTART;VALUE=DATE:20260101", without=["DTSTART"]), id="a whole day"),
        pytest.param(vevent("DTSTART:20260101T100000", without=["DTSTART"]), id="a floating time"),
        pytest.param(vevent("DTSTART:20261399T990000Z", without=["DTSTART"]), id="no such day"),
        pytest.param(vevent("DTSTART;TZID=Nowhere/At all:20260101T100000", without=["DTSTART"]), id="no such zone"),
        pytest.param(vevent("DTSTART;TZID=../../etc:20260101T100000", without=["DTSTART"]), id="a path for a zone"),
        pytest.param(vevent("DTSTART;TZID=\x00:00010101T000000", without=["DTSTART"]), id="NUL for a zone"),
        pytest.param(vevent("X:" + "a" * LONGEST), id="over the limit"),
    ],
)
def test_what_is_not_as_we_wrote_it_is_none_of_ours(data: bytes) -> None:
    assert parse(data) is None


@pytest.mark.parametrize(
    "changed",
    [
        vevent("SUMMARY:Занято!", without=["SUMMARY"]),
        vevent(without=["SUMMARY"]),
        vevent("DTEND:20260101T080000Z", without=["DTEND"]),
        vevent("LOCATION:Дом", without=["LOCATION"]),
        vevent("TRANSP:TRANSPARENT", without=["TRANSP"]),
        vevent("UID:другое", without=["UID"]),
        vevent("DTSTART;TZID=Asia/Omsk:20260101T100000", without=["DTSTART"]),
    ],
)
def test_a_hand_edit_compares_unequal(changed: bytes) -> None:
    assert parse(changed) not in (EVENT, None)


@given(st.lists(st.one_of(st.binary(), st.sampled_from(dump(NAME, EVENT).splitlines(keepends=True)))))
def test_garbage_is_read_without_a_crash(pieces: list[bytes]) -> None:
    parse(b"".join(pieces))


@pytest.mark.parametrize("piece", [b'X;A="', b"BEGIN:VEVENT\n", b"\\", b"a:b\r\n ", b";", b'"', b"P1"])
def test_a_megabyte_of_spite_costs_no_more_than_a_megabyte(piece: bytes) -> None:
    """Where a regular expression took quadratic time, these would run for hours, and the suite's clock stops them."""
    data = vevent("X:?").replace(b"X:?", piece * ((LONGEST - 1000) // len(piece)))
    parse(data)
    parse(data + b"a" * 10_000_000)


def test_a_feed_is_one_calendar_of_all_events_and_tells_what_was_cancelled() -> None:
    gone = replace(EVENT, name="v" * 32, summary="Отменено")
    data = b"".join(feed([EVENT, replace(EVENT, name="1" * 32)], name="Иванов И. И.", cancelled=[gone]))
    read = icalendar.Calendar.from_ical(data)
    found = {str(one["UID"]): one.get("STATUS") for one in read.walk("VEVENT")}
    assert found == {NAME.name: None, "1" * 32: None, "v" * 32: "CANCELLED"}
    assert read["X-WR-CALNAME"] == "Иванов И. И."
    assert b"REFRESH-INTERVAL;VALUE=DURATION:PT15M\r\n" in data
    assert b"X-PUBLISHED-TTL:PT15M\r\n" in data
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))


def test_an_empty_feed_is_still_a_calendar() -> None:
    assert icalendar.Calendar.from_ical(b"".join(feed([], name="Пусто"))).walk("VEVENT") == []
