"""What is forgotten: old calls with their recordings, clicks and entries dealt with; nobody who still waits."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from identsync.engine.integration import Outcome, Status
from identsync.integrations.telephony import INTEGRATION, dialing, forgetting
from identsync.integrations.telephony import missed as worklist
from identsync.integrations.telephony.dialing import Seat
from identsync.integrations.telephony.settings import Line
from identsync.store.tables import outbox, outbox_event, phone_dial, phone_event, phone_recording

from . import desk_network
from .calls import LINE, answered, entries, missed, rows, tell
from .desk_network import Network

clinic_file, network = desk_network.clinic_file, desk_network.network
DAY = 86_400_000
YEARS = 1_200 * DAY
ANNA = "Анна (REG-1)"


@pytest.fixture
def now(network: Network) -> int:
    """The moment by the store's clock; the line remembers three years."""
    network.settings = {"pbx": LINE}
    return network.store.now_ms()


async def forget(network: Network) -> Outcome:
    return await network.once("telephony/forgetting")


def write(network: Network, *calls: Any, now: int, line: str = "pbx") -> None:
    with network.store.write() as connection:
        tell(connection, *calls, now=now, line=line)


def keys(network: Network) -> set[str]:
    return {row.e164[-1] for row in network.calls()}


async def test_old_calls_are_forgotten_and_the_others_stay(network: Network, now: int) -> None:
    write(network, answered("a", "89160000001", now - YEARS), answered("b", "89160000002", now - 900 * DAY), now=now)
    assert (await forget(network)).counts == {"calls": 1, "clicks": 0, "missed": 0}
    assert keys(network) == {"2"}


async def test_who_still_waits_is_never_forgotten_nor_are_his_calls(network: Network, now: int) -> None:
    long_ago = now - YEARS
    write(network, missed("a", "89160000001", long_ago), missed("b", "89160000002", long_ago), now=long_ago)
    with network.store.write() as connection:
        waits, done = entries(connection)
        worklist.note(connection, done.id, "просил утром", ANNA, long_ago)
        worklist.close(connection, done.id, "booked", "", ANNA, long_ago)
    assert (await forget(network)).counts == {"calls": 1, "clicks": 0, "missed": 1}
    assert keys(network) == {"1"}
    assert [entry.id for entry in network.read(entries)] == [waits.id]
    assert set(network.read(lambda c: c.execute(select(phone_event.c.missed_id)).scalars())) == {waits.id}
    write(network, answered("c", "89160000001", now), now=now)  # he is reached at last
    with network.store.write() as connection:
        assert [entry.state for entry in entries(connection)] == ["came"]


async def test_an_entry_is_old_from_the_day_it_was_dealt_with(network: Network, now: int) -> None:
    write(network, missed("a", at=now - YEARS), now=now - YEARS)
    with network.store.write() as connection:
        worklist.close(connection, entries(connection)[0].id, "asked", "", ANNA, now - DAY)
    assert (await forget(network)).counts["missed"] == 0


async def test_more_than_one_run_can_forget_is_gone_on_with(
    network: Network, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "PORTION", 3)
    monkeypatch.setattr("identsync.engine.keeping.BUDGET_MS", 0)
    write(network, *(answered(str(n), f"891600000{n:02}", now - YEARS + n) for n in range(8)), now=now)
    first = await forget(network)
    assert (first.status, first.counts["calls"], len(network.calls())) == (Status.PARTIAL, 3, 5)
    assert (await forget(network)).status is Status.PARTIAL
    third = await forget(network)
    assert (third.status, third.counts["calls"], network.calls()) == (Status.OK, 2, [])


async def test_each_line_remembers_as_long_as_it_says(network: Network, now: int) -> None:
    short, ever = Line(kind="ident", url="http://127.0.0.1:1", password="env:X", remember=40), LINE
    network.settings = {"pbx": short, "uis": ever}
    for n, line in enumerate(("pbx", "uis", "sold")):
        write(network, answered("a", f"8916000000{n}", now - 50 * DAY), now=now, line=line)
        write(network, answered("b", f"8916000001{n}", now - YEARS), now=now, line=line)
    await forget(network)
    left = {row.line for row in network.calls()}
    assert (left, len(network.calls())) == ({"uis", "sold"}, 2)  # a line no longer named: by the longest of the others


async def test_a_line_that_remembers_for_ever_forgets_nothing(network: Network, now: int) -> None:
    network.settings = {"pbx": Line(kind="ident", url="http://127.0.0.1:1", password="env:X", remember=0)}
    assert "telephony/forgetting" not in [task.kind for task in INTEGRATION.tasks(network.settings, [])]
    network.settings["uis"] = LINE
    write(network, answered("a", "89160000001", now - YEARS), now=now, line="pbx")
    write(network, answered("a", "89160000002", now - YEARS), now=now, line="sold")
    assert (await forget(network)).counts["calls"] == 0


async def test_a_call_of_two_lines_stays_in_sight_where_one_forgets_it(network: Network, now: int) -> None:
    network.settings = {"pbx": Line(kind="ident", url="http://127.0.0.1:1", password="env:X", remember=40), "uis": LINE}
    at = now - 60 * DAY
    write(network, answered("a", at=at), now=now, line="pbx")
    write(network, answered("b", at=at + 1_000), now=now, line="uis")
    assert network.calls()[1].same_as == network.calls()[0].id
    await forget(network)
    (row,) = network.calls()
    assert (row.line, row.same_as) == ("uis", None)


async def test_recordings_go_with_their_call_and_wait_for_their_folder(
    network: Network, now: int, tmp_path: Path
) -> None:
    folder = tmp_path / "calls"
    network.settings = {"pbx": Line(kind="ident", url="http://127.0.0.1:1", password="env:X", folder=str(folder))}
    write(network, answered("a", at=now - YEARS), now=now)
    values = {"place": 0, "file": "1-0.wav", "media_type": "audio/wav", "size": 1, "stored_ms": 0}
    with network.store.write() as connection:
        (call,) = rows(connection)
        connection.execute(insert(phone_recording).values(call_id=call.id, **values))
    assert (await forget(network)).status is Status.PARTIAL
    assert len(network.calls()) == 1
    folder.mkdir()
    (folder / "1-0.wav").write_bytes(b"x")
    assert (await forget(network)).counts["calls"] == 1
    assert list(folder.iterdir()) == []
    assert network.read(lambda c: c.execute(select(phone_recording.c.file)).all()) == []


@pytest.mark.parametrize("named", [True, False])
async def test_a_recording_that_cannot_go_keeps_its_own_call_alone(
    network: Network, now: int, tmp_path: Path, named: bool
) -> None:
    """One file in use, or one of a line that was taken out of the settings, kept all old calls of its line for ever."""
    line = Line(kind="ident", url="http://127.0.0.1:1", password="env:X", folder=str(tmp_path / "away"))
    network.settings = {"old" if named else "pbx": line}
    both = answered("a", "89160000001", now - YEARS), answered("b", "89160000002", now - YEARS)
    write(network, *both, now=now, line="old")
    values = {"place": 0, "file": "1-0.wav", "media_type": "audio/wav", "size": 1, "stored_ms": 0}
    with network.store.write() as connection:
        kept, _other = rows(connection)
        connection.execute(insert(phone_recording).values(call_id=kept.id, **values))
    outcome = await forget(network)
    assert (outcome.status, outcome.counts["calls"]) == (Status.PARTIAL if named else Status.OK, 1)
    assert [row.id for row in network.calls()] == [kept.id]


async def test_clicks_are_forgotten_with_all_that_was_written_of_them(network: Network, now: int) -> None:
    with network.store.write() as connection:
        for nonce, at in (("old", now - YEARS), ("new", now)):
            seat = Seat("pbx", "101" if nonce == "old" else "102")
            dialing.order(connection, network.settings, seat, "89160000002", nonce, ANNA, at)
    assert (await forget(network)).counts["clicks"] == 1
    for table, column in ((outbox, outbox.c.id), (phone_dial, phone_dial.c.outbox_id)):
        assert len(network.read(lambda c, each=column: c.execute(select(each)).all())) == 1, table.name
    assert len(set(network.read(lambda c: c.execute(select(outbox_event.c.outbox_id)).scalars()))) <= 1


@pytest.mark.parametrize("more", [{"remember": 20}, {"remember": 100, "first_days": 200}, {"remember": 40, "keep": 60}])
def test_a_term_shorter_than_what_is_kept_is_a_mistake(more: dict[str, int]) -> None:
    line = Line(kind="ident", url="http://127.0.0.1:1", password="env:X", folder="x", **more)  # type: ignore[arg-type]
    assert [key for key, _what, _hint in line.mistakes()] == ["remember"]
