"""Page "Календари": what it says of each doctor, and what its buttons do, on SQLite and PostgreSQL."""

import asyncio
import base64
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
import zxingcpp
from calendar_network import NAME, Network, generated
from calendar_scene import REFUSED, UNLIKED, WAYS, Scene, build, played
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, select, update

from identsync.clinic.source import ClinicSource
from identsync.engine.integration import PageContext, Status
from identsync.errors import AskPerson
from identsync.flows.mirror_book import DOUBT, load
from identsync.integrations.calendar import books, orders
from identsync.integrations.calendar.books import Account, Link
from identsync.integrations.calendar.chosen import stream_of
from identsync.integrations.calendar.day import HOUR, LEAST, Slip, _side_by_side
from identsync.integrations.calendar.handout import code, handout_of
from identsync.integrations.calendar.page import attention, version, view
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.shown import Line
from identsync.store import Store, open_store, slots
from identsync.store.tables import calendar_link, mirror_item, mirror_stream, task_slot

YANDEX = CalendarDestination(
    kind="caldav", url="https://caldav.yandex.ru", seal="env:X", title="Яндекс", days=12, back_days=2
)
GOOGLE = CalendarDestination(
    kind="google", client_id="c", client_secret="env:X", seal="env:X", branches=[1], days=12, back_days=2
)


@pytest.fixture(scope="session")
def scene_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "clinic.db"
    build(path, days=24).dispose()
    return path


@pytest.fixture
def scene(dialect: str, filled: Callable[..., Any], scene_file: Path) -> Iterator[Scene]:
    engine = create_engine(f"sqlite:///{scene_file}")
    settings = {"yandex": YANDEX, "google": GOOGLE}
    scene = played(filled, dialect, "every state of a calendar", ClinicSource(engine), settings)
    yield scene
    engine.dispose()


def lines(scene: Scene, **query: str) -> dict[str, Line]:
    """Return the page's lines by the way in which each doctor was left."""
    found = sorted(view(scene.context(), query)["lines"], key=lambda line: -line.doctor.id)
    return {scene.ways["yandex"][line.doctor.id]: line for line in found}  # of several the first, as form() has it


def form(scene: Scene, way: str, to: str = "yandex") -> dict[str, str]:
    doctor = next(doctor for doctor, left in scene.ways[to].items() if left == way)
    return {"to": to, "branch": "1", "doctor": str(doctor)}


def link_of(scene: Scene, way: str, to: str = "yandex") -> Link:
    with scene.store.read() as connection:
        return books.links(connection, to)[int(form(scene, way, to)["doctor"])]


def due(scene: Scene) -> bool:
    with scene.store.read() as connection:
        (slot,) = slots.overview(connection)
    return slot.eligible_ms <= scene.now_ms


# -- what it says ----------------------------------------------------------------------------------------------------


def test_every_doctor_is_in_a_state(scene: Scene):
    said = {way: line.state.name for way, line in lines(scene).items()}
    assert said == {
        "ok": "ok", "refused": "refused", "updating": "updating", "filling": "filling", "rejected": "rejected",
        "edited": "ok", "paused": "paused", "absent": "absent", "stubborn": "ok", "making": "making", "off": "off",
    }  # fmt: skip


def test_what_waits_for_a_person_stands_first_then_names(scene: Scene):
    found = view(scene.context(), {})["lines"]
    assert [line.state.name for line in found][:2] == ["refused", "rejected"]
    rest = [line.doctor.name for line in found[2:]]
    assert rest == sorted(rest)


def test_differences_are_counted_named_and_told_apart(scene: Scene):
    line = lines(scene)["updating"]
    assert sorted(one.kind for one in line.differences) == ["add", "add", "change", "remove", "unsure"]
    assert (line.in_step, line.there) == (line.wanted - 4, line.wanted - 2)  # two are not there, one too many is
    coming = line.upcoming(scene.now_ms)
    assert coming is not None
    assert coming.start_ms == min(one.start_ms for one in line.differences if one.start_ms >= scene.now_ms)
    for way in ("ok", "edited", "stubborn"):
        assert (lines(scene)[way].differences, lines(scene)[way].there) == ([], lines(scene)[way].wanted)


def test_a_first_fill_says_how_far_it_is(scene: Scene):
    page, line = view(scene.context(), {}), lines(scene)["filling"]
    there, wanted, until = page["filling"]
    assert (there, wanted) == (line.there, line.wanted)
    assert there == line.wanted // 3
    assert until == line.until(scene.now_ms) == line.differences[0].start_ms


def test_edits_by_hand_strangers_and_stubborn_ones_are_told(scene: Scene):
    found = lines(scene)
    assert (found["edited"].link.repaired, found["edited"].link.strange, found["edited"].stubborn) == (4, 2, 0)
    assert found["stubborn"].stubborn == 1


def test_another_branch_shows_its_own_doctors_and_nothing_of_this_one(scene: Scene):
    here = {line.doctor.id for line in view(scene.context(), {"branch": "1"})["lines"]}
    there = {line.doctor.id for line in view(scene.context(), {"branch": "2"})["lines"]}
    assert len(here) == len(there) == len(WAYS)
    assert not here & there
    page = view(scene.context(), {"to": "google", "branch": "2"})  # this destination has branch 1 alone
    assert page["branch"].id == 1


def test_groups_filter_the_list(scene: Scene):
    page = view(scene.context(), {"show": "ask"})
    assert {line.state.kind for line in page["lines"]} == {"bad", "warn"}
    assert {name: count for name, _word, count in page["groups"]}["ask"] == len(page["lines"]) == 2
    assert sum(count for _name, _word, count in page["groups"]) == page["all"] == len(WAYS)


def test_the_day_is_drawn_as_it_stands_there(scene: Scene):
    doctor = form(scene, "updating")["doctor"]
    line = lines(scene)["updating"]
    first = min(one.start_ms for one in line.differences if one.kind == "change")
    zone = scene.clinic.branches()[0].zone
    iso = datetime.fromtimestamp(first / 1000, ZoneInfo(zone)).date().isoformat()
    page = view(scene.context(), {"doctor": doctor, "date": iso})
    slips = {block.slip.state: block.slip for block in page["day"].blocks}
    assert {"add", "change", "unsure", "remove"} <= set(slips)
    assert slips["change"].was_ms == first - 3_600_000
    assert {block.slip.summary for block in page["day"].blocks} <= {"Занято", "Резерв", ""}, "no word of a patient"
    assert {block.slip.location for block in page["day"].blocks} == {""}
    assert [day.chosen for day in page["day"].week].count(True) == 1


def test_a_refused_event_says_why(scene: Scene):
    line = lines(scene)["rejected"]
    page = view(scene.context(), {"doctor": form(scene, "rejected")["doctor"]})
    assert [page["answers"][one.key] for one in line.differences] == [UNLIKED, UNLIKED]


def test_a_day_outside_the_window_says_so(scene: Scene):
    for days, inside in ((-4, False), (0, True), (14, False), (4000, False)):
        iso = time.strftime("%Y-%m-%d", time.gmtime(scene.now_ms / 1000 + days * 86_400))
        page = view(scene.context(), {"doctor": form(scene, "ok")["doctor"], "date": iso})
        assert page["day"].inside is inside, days


def test_nonsense_in_the_address_shows_the_list(scene: Scene):
    for query in ({"doctor": "x"}, {"doctor": "999999"}, {"branch": "-1"}, {"date": "13.12"}, {"to": "?"}):
        assert view(scene.context(), query)["line"] is None, query


def test_a_clinic_without_calendars_or_branches_gets_a_calm_word(scene: Scene):
    context = scene.context()
    assert view(PageContext(context.store, context.clinic, {}, "", 0), {})["branch"] is None
    assert attention(PageContext(context.store, context.clinic, None, "", context.now_ms)) == 0


# -- when it is drawn anew, and what waits ----------------------------------------------------------------------------


def test_attention_counts_refusals_brakes_and_branches_with_rejected_events(scene: Scene):
    assert attention(scene.context()) == 1  # refused
    scene.brake("yandex", 2)
    scene.ran("yandex", 1, 7, '{"rejected": 2}')
    assert attention(scene.context()) == 3
    assert {branch.id: n for branch, n in view(scene.context(), {})["asking"]} == {1: 2, 2: 1}
    scene.ran("yandex", 1, 6, '{"rejected": 0}')  # an older run has no say
    assert attention(scene.context()) == 3


def test_a_run_that_goes_on_is_not_the_newest_that_ended(scene: Scene):
    scene.ran("yandex", 1, 6, '{"rejected": 2}')
    assert attention(scene.context()) == 2


def change_links(scene: Scene) -> None:
    orders.pause(scene.context(), form(scene, "ok"))


def change_slots(scene: Scene) -> None:
    with scene.store.write() as connection:
        connection.execute(update(task_slot).values(fence=8))


def pause_task(scene: Scene) -> None:
    with scene.store.write() as connection:
        slots.pause(connection, stream_of("yandex"), 1, True)


def brake(scene: Scene) -> None:
    scene.brake("yandex")


@pytest.mark.parametrize("change", [change_links, change_slots, pause_task, brake])
def test_the_version_changes_with_what_the_page_shows(scene: Scene, change: Callable[[Scene], None]):
    context = scene.context()
    before = version(context)
    assert version(context) == before
    change(scene)
    assert version(context) != before


# -- what its buttons do -----------------------------------------------------------------------------------------------


def test_the_brake_stops_all_and_is_allowed_once(scene: Scene):
    scene.brake("yandex")
    page = view(scene.context(), {})
    assert page["shrunk"] == [(6000, 900)], "said once, however many weights there are"
    assert lines(scene)["updating"].state.name == "braked"
    assert lines(scene)["ok"].state.name == "ok", "his calendar is as it shall be"
    assert orders.allow(scene.context(), {"to": "yandex", "branch": "1"}).startswith("Разрешено")
    assert view(scene.context(), {})["brakes"].allowed
    assert due(scene)
    with scene.store.write() as connection:
        connection.execute(update(mirror_stream).values(asked_weight=None, approved_weight=None))
    assert orders.allow(scene.context(), {"to": "yandex", "branch": "1"}) == "Решение уже не нужно."


def test_a_doctor_who_waits_alone_is_shown_and_allowed_alone(scene: Scene):
    doctor = form(scene, "updating")["doctor"]
    before = attention(scene.context())
    scene.brake_alone("yandex", int(doctor))
    found = lines(scene)
    assert (found["updating"].state.name, found["filling"].state.name) == ("braked", "filling")
    assert attention(scene.context()) == before + 1
    page = view(scene.context(), {"doctor": doctor})
    assert (page["shrunk_alone"].accepted, page["shrunk_alone"].asked, page["brakes"].asked) == (40, 3, ())
    assert orders.allow(scene.context(), form(scene, "filling")) == "Решение уже не нужно."
    assert orders.allow(scene.context(), form(scene, "updating")).startswith("Разрешено")
    assert (lines(scene)["updating"].state.name, attention(scene.context())) == ("updating", before)
    assert due(scene)


def test_pause_and_resume(scene: Scene):
    orders.pause(scene.context(), form(scene, "ok"))
    assert (lines(scene)["ok"].state.name, due(scene)) == ("paused", True)
    with pytest.raises(AskPerson):
        orders.pause(scene.context(), form(scene, "ok"))
    orders.resume(scene.context(), form(scene, "ok"))
    assert lines(scene)["ok"].state.name == "ok"
    assert link_of(scene, "ok").looked_ms is None, "it is looked at soon"


def test_a_refused_calendar_is_tried_again(scene: Scene):
    assert link_of(scene, "refused").problem == REFUSED
    orders.look(scene.context(), form(scene, "refused"))
    link = link_of(scene, "refused")
    assert (link.state, link.problem, link.looked_ms, due(scene)) == ("on", None, None, True)


def test_one_doctors_events_are_sent_anew_and_nobody_elses(scene: Scene):
    doctor = form(scene, "rejected")["doctor"]
    orders.again(scene.context(), form(scene, "rejected"))
    line, other = lines(scene)["rejected"], lines(scene)["ok"]
    assert len(line.differences) == line.wanted
    assert (line.there, line.rejected, other.differences) == (line.wanted - 2, 2, [])
    with scene.store.read() as connection:
        doubted = [digest for digest in load(connection, stream_of("yandex"), 1).confirmed.digests if digest == DOUBT]
        waiting = select(mirror_item.c.key).where(
            mirror_item.c.state == "rejected", mirror_item.c.retry_ms.is_not(None)
        )
        assert connection.execute(waiting).all() == []
    assert len(doubted) == line.wanted - 2 + 1, f"doctor {doctor}, and the one that was in doubt before"


def test_the_whole_branch_is_sent_anew(scene: Scene):
    orders.everything(scene.context(), {"to": "yandex", "branch": "1"})
    assert len(lines(scene)["ok"].differences) == lines(scene)["ok"].wanted
    assert due(scene)


def test_orders_about_what_is_not_there_are_refused(scene: Scene):
    for order in (orders.pause, orders.resume, orders.look, orders.again, orders.rotate):
        for wrong in ({"to": "?"}, {"doctor": "0"}, {"doctor": "x"}, {}):
            with pytest.raises(AskPerson):
                order(scene.context(), form(scene, "absent") | wrong)


def test_only_a_feed_has_a_new_link(scene: Scene):
    with pytest.raises(AskPerson):
        orders.rotate(scene.context(), form(scene, "ok"))


# -- feeds, as the real task publishes them ----------------------------------------------------------------------------


@pytest.fixture
def feeds(store: Store, tmp_path: Path) -> Iterator[Network]:
    (tmp_path / "out").mkdir()
    generated(tmp_path / "clinic.db", time.time_ns() // 86_400_000_000_000)
    engine = create_engine(f"sqlite:///{tmp_path / 'clinic.db'}")
    to = CalendarDestination(
        kind="feed", folder=str(tmp_path / "out"), public_url="https://clinic.example/ical", days=9, back_days=1
    )
    yield Network(store, ClinicSource(engine), engine, to)
    engine.dispose()


def go(network: Network) -> Any:
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(lambda: asyncio.run(network.go())).result()


def seen(network: Network, **query: str) -> dict[str, Any]:
    settings = {NAME: network.destination}
    return view(PageContext(network.store, network.clinic, settings, "", network.now_ms()), query)


def test_feeds_are_compared_with_what_was_published(feeds: Network):
    assert {line.state.name for line in seen(feeds)["lines"]} == {"making"}
    assert go(feeds).status is Status.OK
    found = seen(feeds)["lines"]
    assert {(line.state.name, line.there == line.wanted > 0) for line in found} == {("ok", True)}
    day = feeds.now_ms() // 86_400_000 * 1440
    near = f"branch_id = 1 AND start_minute BETWEEN {day + 1440} AND {day + 6 * 1440}"
    moved, whose = feeds.ask(f"SELECT appointment_id, doctor_id FROM clinic_appointment WHERE {near}")[0]
    feeds.sql("UPDATE clinic_appointment SET length_minutes = length_minutes + 5 WHERE appointment_id = :id", id=moved)
    differ = {line.doctor.id: [one.kind for one in line.differences] for line in seen(feeds)["lines"]}
    assert differ == {line.doctor.id: (["change"] if line.doctor.id == whose else []) for line in found}
    assert go(feeds).status is Status.OK
    assert {line.state.name for line in seen(feeds)["lines"]} == {"ok"}


def test_a_new_link_ends_the_old_one(feeds: Network):
    go(feeds)
    doctor = seen(feeds)["lines"][0].doctor.id
    old = seen(feeds, doctor=str(doctor))["handout"].typed[0].text
    context = PageContext(feeds.store, feeds.clinic, {NAME: feeds.destination}, "", feeds.now_ms())
    assert orders.rotate(context, {"to": NAME, "branch": "1", "doctor": str(doctor)}).startswith("Ссылка новая")
    new = seen(feeds, doctor=str(doctor))["handout"].typed[0].text
    assert new != old
    go(feeds)
    folder = Path(feeds.destination.folder or "")
    assert not (folder / old.rpartition("/")[2]).exists()
    assert (folder / new.rpartition("/")[2]).exists()


# -- what a doctor is given ------------------------------------------------------------------------------------------


def read_code(made: Any) -> str:
    """Decode a code by another library, from its path drawn as pixels."""
    scale = 6
    side = made.size * scale
    pixels = bytearray(b"\xff" * side * side)
    for run in made.path.split("M")[1:]:
        place, _h, rest = run.partition("h")
        x, y = (int(part) for part in place.split())
        width = int(rest.partition("v")[0])
        for row in range(y * scale, (y + 1) * scale):
            pixels[row * side + x * scale : row * side + (x + width) * scale] = bytes(width * scale)
    (found,) = zxingcpp.read_barcodes(memoryview(pixels).cast("B", shape=[side, side]))
    return str(found.text)


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=200))
def test_a_code_reads_back_to_its_address(token: str):
    url = f"webcal://clinic.example/{token}.ics"
    assert read_code(code("iPhone", url)) == url


def test_what_is_given_for_a_feed():
    to = CalendarDestination(kind="feed", folder="x", public_url="https://clinic.example/ical/")
    given = handout_of(to, Link(1, 1, "ab12", own=True, state="on", token="old1 old2"), None)
    assert given is not None
    assert [read_code(one) for one in given.codes] == [one.url for one in given.codes]
    iphone, google = given.codes
    assert iphone.url == "webcal://clinic.example/ical/ab12.ics"
    assert parse_qs(urlsplit(google.url).query) == {"cid": [iphone.url]}
    assert given.typed[0].text == "https://clinic.example/ical/ab12.ics"
    assert "8–24" in given.note
    assert "old1" not in repr(given)


def test_what_is_given_for_google():
    given = handout_of(GOOGLE, Link(1, 1, "c_1@group.calendar.google.com", own=True, state="on"), None)
    assert given is not None
    cid = parse_qs(urlsplit(given.typed[0].text).query)["cid"][0]
    assert base64.urlsafe_b64decode(cid + "=" * (-len(cid) % 4)) == b"c_1@group.calendar.google.com"


def test_what_is_given_for_caldav_never_holds_a_password():
    link = Link(1, 1, "https://caldav.yandex.ru/x/", own=True, state="on")
    given = handout_of(YANDEX, link, Account(1, "doctor@yandex.ru", None, b"sealed"))
    assert given is not None
    assert [one.text for one in given.typed][:2] == ["https://caldav.yandex.ru", "doctor@yandex.ru"]
    assert "sealed" not in repr(given)
    clinic = handout_of(YANDEX, link, Account(0, "clinic@yandex.ru", None, None))
    assert clinic is not None
    assert "clinic@yandex.ru" not in repr(clinic), "whoever logs in there sees everybody's"


@pytest.mark.parametrize("link", [None, Link(1, 1, "", own=True, state="on"), Link(1, 1, "a", own=True, state="off")])
def test_nothing_is_given_of_what_is_not_there(link: Link | None):
    assert handout_of(YANDEX, link, None) is None


# -- the drawing -----------------------------------------------------------------------------------------------------

SPANS = st.lists(st.tuples(st.integers(0, 1430), st.integers(1, 300)), max_size=30)


@given(SPANS)
def test_blocks_never_cover_each_other(spans: list[tuple[int, int]]):
    slips = [
        Slip(key, start, min(start + length, 1440), "", "", "", free=False, state="there")
        for key, (start, length) in enumerate(spans)
    ]
    blocks = list(_side_by_side(slips, (0, 24)))
    assert sorted(block.slip.key for block in blocks) == list(range(len(slips)))
    for at, one in enumerate(blocks):
        assert one.x >= 0
        assert one.x + one.width <= 100.1
        assert one.height >= LEAST * HOUR // 60
        for other in blocks[:at]:
            beside = one.x + one.width <= other.x + 0.01 or other.x + other.width <= one.x + 0.01
            apart = one.y + one.height <= other.y or other.y + other.height <= one.y
            assert beside or apart, (one, other)


def test_events_without_overlap_take_the_whole_width():
    slips = [Slip(key, 540 + 15 * key, 555 + 15 * key, "", "", "", free=False, state="there") for key in range(9)]
    assert {(block.x, block.width) for block in _side_by_side(slips, (9, 18))} == {(0, 100)}


def test_a_calendar_that_another_destination_keeps_too_is_told(scene: Scene):
    link = link_of(scene, "ok")
    assert view(scene.context(), {})["shared"] == []
    with scene.store.write() as connection:
        books.put_link(connection, "google", link, scene.now_ms)
    assert [(line.doctor.id, other) for line, other in view(scene.context(), {})["shared"]] == [(link.doctor, "google")]


def test_links_of_other_destinations_are_not_touched(scene: Scene):
    scene.play("google")
    before = link_of(scene, "ok", "google")
    orders.pause(scene.context(), form(scene, "ok"))
    assert link_of(scene, "ok", "google") == before
    with scene.store.read() as connection:
        paused = select(calendar_link.c.destination).where(calendar_link.c.state == "paused")
        assert sorted(connection.execute(paused).scalars()) == ["google", "yandex", "yandex"]


def test_the_key_is_not_needed_before_the_first_run(clone: Callable[[str], str], scene_file: Path):
    store, engine = open_store(clone("sqlite")), create_engine(f"sqlite:///{scene_file}")
    page = view(PageContext(store, ClinicSource(engine), {"yandex": YANDEX}, "", int(store.now_ms())), {})
    assert {line.state.name for line in page["lines"]} == {"absent"}
    with store.read() as connection:
        assert books.find_key(connection) is None, "looking writes nothing"
    store.close()
    engine.dispose()
