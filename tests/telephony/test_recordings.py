"""Recordings: heard through the engine, kept only where the clinic says so, thrown away after their days."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from identsync.demo.cloudpbx.process import CloudProcess
from identsync.engine.integration import PageContext, Role, Status
from identsync.errors import AskPerson, IdentsyncError, Unexpected
from identsync.integrations.telephony import recordings
from identsync.integrations.telephony.call import Audio
from identsync.integrations.telephony.recordings import Shelf
from identsync.spans import DAY_MS
from identsync.store.tables import phone_call, phone_recording

from . import clouds_desk, desk_network
from .clouds_desk import line
from .desk_network import Network

cloud_process, clouds = clouds_desk.cloud_process, clouds_desk.clouds
clinic_file, network = desk_network.clinic_file, desk_network.network


@pytest.fixture(autouse=True)
def nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "_shelf", Shelf())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "calls"
    folder.mkdir()
    return folder


def files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def moved(folder: Path, to: Path) -> Path:
    return folder.rename(to)


def context(network: Network, role: Role = Role.ADMINISTRATOR) -> PageContext:
    return PageContext(network.store, network.clinic, network.settings, "Анна", time.time_ns() // 1_000_000, role)


async def recorded(network: Network, clouds: CloudProcess, **how: Any) -> int:
    """Let a call with a recording come by history; give its number."""
    clouds.finished("ident", ago=300.0, recorded=True, **how)
    await network.once("telephony/pbx.history")
    return int(network.calls()[-1].id)


async def test_a_recording_is_heard_and_fetched_once(network: Network, clouds: CloudProcess) -> None:
    network.settings = {"pbx": line(clouds, "ident", first_days=1)}
    call = str(await recorded(network, clouds))
    before = sum(clouds.books()["counts"].values())
    answers = await asyncio.gather(*(recordings.audio(context(network), {"call": call}) for _each in range(5)))
    assert answers[0].body.startswith(b"RIFF")
    assert answers[0].media_type.startswith("audio/")
    assert len({answer.tag for answer in answers}) == 1
    assert sum(clouds.books()["counts"].values()) == before + 1


@pytest.mark.parametrize("query", [{"call": "99999"}, {"call": "x"}, {}, {"call": "1", "n": "7"}, {"call": "9" * 30}])
async def test_what_is_not_there_is_told(network: Network, clouds: CloudProcess, query: dict[str, str]) -> None:
    network.settings = {"pbx": line(clouds, "ident", first_days=1)}
    await recorded(network, clouds)
    with pytest.raises(AskPerson):
        await recordings.audio(context(network), query)


async def test_a_doctor_hears_none(network: Network, clouds: CloudProcess) -> None:
    network.settings = {"pbx": line(clouds, "ident", first_days=1)}
    call = await recorded(network, clouds)
    with pytest.raises(AskPerson):
        await recordings.audio(context(network, Role.DOCTOR), {"call": str(call)})


async def test_a_pbx_that_fails_is_asked_again_by_the_next_listener(network: Network, clouds: CloudProcess) -> None:
    network.settings = {"pbx": line(clouds, "ident", first_days=1)}
    call = str(await recorded(network, clouds))
    clouds.fault("fail", status=503, times=1)
    with pytest.raises(IdentsyncError):
        await recordings.audio(context(network), {"call": call})
    assert (await recordings.audio(context(network), {"call": call})).body.startswith(b"RIFF")


async def test_nothing_is_kept_unless_the_clinic_says_so(network: Network, clouds: CloudProcess) -> None:
    from identsync.integrations.telephony import INTEGRATION

    network.settings = {"pbx": line(clouds, "ident")}
    kinds = [task.kind for task in INTEGRATION.tasks(network.settings, network.clinic.branches())]
    assert "telephony/recordings" not in kinds


async def test_recordings_are_kept_heard_without_the_pbx_and_thrown_away(
    network: Network, clouds: CloudProcess, folder: Path
) -> None:
    network.settings = {"pbx": line(clouds, "ident", first_days=1, keep=30, folder=str(folder))}
    call = await recorded(network, clouds)
    assert (await network.once("telephony/recordings")).counts == {"kept": 1, "failed": 0}
    assert (await network.once("telephony/recordings")).counts == {"kept": 0, "failed": 0}
    (file,) = files(folder)
    before = sum(clouds.books()["counts"].values())
    assert (await recordings.audio(context(network), {"call": str(call)})).body == file.read_bytes()
    assert sum(clouds.books()["counts"].values()) == before
    with network.store.write() as connection:
        connection.execute(update(phone_call).values(start_ms=phone_call.c.start_ms - 31 * DAY_MS))
    await network.once("telephony/recordings")
    assert files(folder) == []
    assert network.read(lambda c: c.execute(select(phone_recording)).all()) == []


async def test_a_folder_that_is_away_costs_nothing_and_is_tried_again(
    network: Network, clouds: CloudProcess, tmp_path: Path
) -> None:
    folder = tmp_path / "not-mounted"
    network.settings = {"pbx": line(clouds, "ident", first_days=1, keep=30, folder=str(folder))}
    await recorded(network, clouds)
    outcome = await network.once("telephony/recordings")
    assert (outcome.status, outcome.counts) == (Status.PARTIAL, {"kept": 0, "failed": 1})
    folder.mkdir()
    assert (await network.once("telephony/recordings")).counts == {"kept": 1, "failed": 0}


async def test_a_file_that_cannot_be_thrown_away_now_is_thrown_away_later(
    network: Network, clouds: CloudProcess, folder: Path
) -> None:
    network.settings = {"pbx": line(clouds, "ident", first_days=1, keep=30, folder=str(folder))}
    await recorded(network, clouds)
    await network.once("telephony/recordings")
    with network.store.write() as connection:
        connection.execute(update(phone_call).values(start_ms=phone_call.c.start_ms - 31 * DAY_MS))
    away = moved(folder, folder.with_name("the-share-is-away"))
    assert (await network.once("telephony/recordings")).status is Status.OK
    moved(away, folder)
    assert len(files(folder)) == 1
    await network.once("telephony/recordings")
    assert files(folder) == []
    assert network.read(lambda c: c.execute(select(phone_recording)).all()) == []


async def test_recordings_that_can_never_be_had_keep_no_other_from_being_kept(
    network: Network, clouds: CloudProcess, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "AT_ONCE", 2)
    network.settings = {"pbx": line(clouds, "ident", first_days=1, keep=30, folder=str(folder))}
    for number in range(4):
        await recorded(network, clouds, phone=f"+7916123450{number}")
    gone = [call.id for call in network.calls()[:3]]
    with network.store.write() as connection:
        dead = update(phone_call).where(phone_call.c.id.in_(gone))
        connection.execute(dead.values(recordings='["http://127.0.0.1:9/gone.wav"]'))
    for _run in range(40):
        if files(folder):
            break
        await network.once("telephony/recordings")
    assert [file.name for file in files(folder)] == [f"{network.calls()[-1].id}-0.wav"]


async def test_a_line_without_its_key_keeps_no_other_line_s_recordings_from_being_kept(
    network: Network, clouds: CloudProcess, folder: Path
) -> None:
    good = line(clouds, "ident", first_days=1, keep=30, folder=str(folder))
    network.settings = {"pbx": good}
    await recorded(network, clouds)
    with network.store.write() as connection:
        row = connection.execute(select(phone_call)).one()
        values = dict(row._mapping) | {"line": "dumb", "key": "0" * 64, "phone_key": None}
        del values["id"]
        connection.execute(phone_call.insert().values(values))
    network.settings = {
        "dumb": line(clouds, "ident", password="env:TEST_NOWHERE", keep=30, folder=str(folder)),
        "pbx": good,
    }
    assert (await network.once("telephony/recordings")).status is Status.ASK
    assert len(files(folder)) == 1


async def test_a_kept_recording_that_was_lost_is_told(network: Network, clouds: CloudProcess, folder: Path) -> None:
    network.settings = {"pbx": line(clouds, "ident", first_days=1, keep=30, folder=str(folder))}
    call = await recorded(network, clouds)
    await network.once("telephony/recordings")
    files(folder)[0].unlink()
    with pytest.raises(Unexpected):
        await recordings.audio(context(network), {"call": str(call)})


async def test_what_was_heard_is_kept_within_its_bytes() -> None:
    shelf, fetched = Shelf(most=25), []

    async def fetch() -> Audio:
        fetched.append(1)
        return Audio("audio/wav", b"x" * 10)

    for call in (1, 2, 1, 3, 1, 2):
        await shelf.get((call, 0), fetch)
    assert len(fetched) == 4  # 1 stays, for it was asked for again; 2 had to go for 3
