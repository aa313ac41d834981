"""A corner is on every page, drawn anew when its pulses beat, and never costs the page; sounds are given in parts."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import httpx
import orjson
import pytest
from corner_room import SOUND, Room, place, room
from hypothesis import given
from hypothesis import strategies as st
from seed import town

from identsync.console.desk import Desk
from identsync.console.events import Sight, Watch
from identsync.console.guard import Guard
from identsync.console.metrics import metrics
from identsync.console.pages import entries
from identsync.console.ranges import part
from identsync.console.site import Site
from identsync.store import Store, pulse

__all__ = ["place", "room"]  # fixtures


@pytest.fixture
async def client(place: Store, room: Room) -> AsyncIterator[httpx.AsyncClient]:
    desk = Desk()
    listed = entries(room.rooms(), [], lambda *_: None)
    site = Site(place, town(1), listed, desk=desk, language="ru", zone="Europe/Moscow", metrics=metrics, branch=3)
    guard = Guard(site.app, names=["localhost"], addresses=False, password=None, user="Ира")
    transport = httpx.ASGITransport(guard, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client:
        yield client
    site.watch.close()
    desk.close()


def ring(place: Store, name: str = "news") -> None:
    with place.write() as connection:
        pulse.ring(connection, name)


async def test_a_corner_is_in_every_page_that_is_drawn_whole(client: httpx.AsyncClient, room: Room) -> None:
    room.news = "Звонок"
    for path in ("/room", "/overview", "/journal", "/nowhere"):
        html = (await client.get(path)).text
        assert 'id="corner-room"' in html
        assert ("<h2>Звонок</h2>" in html) is (path != "/nowhere"), path
    assert "Звонок" not in (await client.get("/overview", headers={"x-fragment": "1"})).text


async def test_a_corner_tells_its_beat_which_changes_with_any_of_its_pulses(
    client: httpx.AsyncClient, place: Store
) -> None:
    beats = []
    for name in (None, "news", "more", "other"):
        if name:
            ring(place, name)
        answer = await client.get("/corner/room")
        beats.append(answer.headers["x-beat"])
        assert answer.headers["x-token"]
        assert answer.text.startswith('<p id="said" role="status">Ира: ')
    assert beats == ["0.0", "1.0", "1.1", "1.1"]


async def test_a_broken_corner_costs_nothing_but_itself(client: httpx.AsyncClient, room: Room) -> None:
    room.broken = True
    answer = await client.get("/room")
    assert answer.status_code == 200
    assert 'data-corner="room" data-beat=""' in answer.text  # so that the browser asks for it again
    assert (await client.get("/corner/room")).status_code == HTTPStatus.SERVICE_UNAVAILABLE


async def test_a_page_knows_the_branch_of_its_client(client: httpx.AsyncClient, room: Room) -> None:
    await client.get("/corner/room")
    assert room.branch == 3


async def test_a_page_without_a_corner_has_no_address_for_one(client: httpx.AsyncClient) -> None:
    assert (await client.get("/corner/overview")).status_code == HTTPStatus.NOT_FOUND


# -- the watch --------------------------------------------------------------------------------------------------------


async def test_a_beat_goes_out_without_waiting_for_the_next_look() -> None:
    looks, beat = 0, {"room": "0"}

    async def look(_last: Sight | None) -> Sight:
        nonlocal looks
        looks += 1
        return Sight({"room": "1"}, {}, dict(beat))

    async def beats() -> dict[str, str] | None:
        return dict(beat)

    watch = Watch(look, beats, period=3_600, quick=0.001)
    stream = watch.follow(lambda: 0, "boot")
    told = []
    async for event in stream:
        if event.startswith(b"event"):
            told.append(orjson.loads(event.partition(b"data: ")[2])["corners"]["room"])
            beat["room"] = str(len(told))
        if len(told) == 4:
            break
    await stream.aclose()  # type: ignore[attr-defined]
    assert told == ["0", "1", "2", "3"]
    assert looks == 1
    watch.close()


async def test_nobody_is_asked_for_beats_when_no_browser_listens() -> None:
    asked = asyncio.Event()

    async def look(_last: Sight | None) -> Sight:
        return Sight({}, {})

    async def beats() -> dict[str, str] | None:
        asked.set()
        return None  # the database fails: what was seen stays

    watch = Watch(look, beats, period=3_600, quick=0.001)
    stream: Any = watch.follow(lambda: 0, "boot")
    assert (await anext(stream)).startswith(b"retry")
    assert (await anext(stream)).startswith(b"event")
    await asked.wait()
    assert watch.sight == Sight({}, {})
    await stream.aclose()
    task = watch._task
    assert task is not None
    await task  # it ends by itself


# -- parts of a sound -------------------------------------------------------------------------------------------------


async def test_a_sound_is_given_whole_in_parts_or_refused_by_its_range(client: httpx.AsyncClient) -> None:
    whole = await client.get("/room/sound")
    assert (whole.status_code, whole.content, whole.headers["accept-ranges"]) == (200, SOUND, "bytes")
    assert whole.headers["content-type"] == "audio/wav"
    some = await client.get("/room/sound", headers={"range": "bytes=10-19"})
    assert (some.status_code, some.content) == (206, SOUND[10:20])
    assert some.headers["content-range"] == "bytes 10-19/1024"
    behind = await client.get("/room/sound", headers={"range": "bytes=1024-"})
    assert (behind.status_code, behind.headers["content-range"]) == (416, "bytes */1024")


@pytest.mark.parametrize(("known", "status"), [('"v1"', 206), ('"v0"', 200)])
async def test_a_part_is_only_added_to_the_same_sound(client: httpx.AsyncClient, known: str, status: int) -> None:
    answer = await client.get("/room/sound", headers={"range": "bytes=1-1", "if-range": known})
    assert answer.status_code == status


async def test_a_sound_that_cannot_be_had_says_so_in_words(client: httpx.AsyncClient) -> None:
    answer = await client.get("/room/gone")
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert answer.json()["kind"] == "bad"
    assert answer.json()["notice"]


async def test_the_policy_lets_a_page_play_its_own_sounds(client: httpx.AsyncClient) -> None:
    assert "media-src 'self'" in (await client.get("/room")).headers["content-security-policy"]


@pytest.mark.parametrize(
    "header",
    ["", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "items=0-1", "bytes=a-b", "bytes=" + "9" * 40 + "-"],
)
def test_what_is_no_single_range_is_answered_with_the_whole(header: str) -> None:
    assert part(header, 100) is None


@given(st.integers(0, 60), st.integers(0, 80), st.integers(0, 80))
def test_a_part_is_what_the_range_says(size: int, first: int, last: int) -> None:
    sound = bytes(range(size))
    for header, wanted in (
        (f"bytes={first}-", sound[first:]),
        (f"bytes=-{last}", sound[-last:] if last else b""),
        (f"bytes={first}-{last}", sound[first : last + 1]),
    ):
        try:
            found = part(header, size)
        except ValueError:
            assert wanted == b""
            continue
        if found is None:
            assert last < first
        else:
            assert sound[slice(*found)] == wanted != b""
