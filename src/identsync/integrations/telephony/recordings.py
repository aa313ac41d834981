"""Recordings: fetched when somebody listens, kept only where the clinic says so, thrown away after its days.

Links of PBXs serve once or for minutes, so none is ever stored: a recording is asked for by what the PBX calls it.
What was fetched is kept in memory for a while, so that moving the position asks nobody again.
"""

import asyncio
import hashlib
import random
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection, delete, func, insert, select

from identsync.engine.integration import Answer, Outcome, PageContext, Role, Status
from identsync.engine.pages import number
from identsync.errors import AskPerson, IdentsyncError, Unexpected
from identsync.integrations.telephony.books import of_line
from identsync.integrations.telephony.call import Audio
from identsync.integrations.telephony.lines import for_person, for_run
from identsync.spans import DAY_MS
from identsync.store.tables import phone_call, phone_recording

if TYPE_CHECKING:
    from identsync.engine.run import Run
    from identsync.integrations.telephony.settings import Line

KEEP_MS = 900_000
LATE_MS = 3 * DAY_MS  # a recording that was not to be had so long is not asked for again
AT_ONCE, OLD_AT_ONCE = 20, 500  # recordings fetched, and thrown away, in one run
MEMORY = 64 * 1024 * 1024  # bytes kept for listening
TYPES = {"audio/mpeg": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/ogg": "ogg", "audio/mp4": "m4a"}
_c, _r = phone_call.c, phone_recording.c


def _(text: str) -> str:
    return text


class Shelf:
    """The last recordings somebody listened to, up to a number of bytes."""

    def __init__(self, most: int = MEMORY) -> None:
        self._most = most
        self._size = 0
        self._kept: OrderedDict[tuple[int, ...], Audio] = OrderedDict()
        self._locks: dict[tuple[int, ...], asyncio.Lock] = {}

    async def get(self, name: tuple[int, ...], fetch: Callable[[], Awaitable[Audio]]) -> Audio:
        """Return a recording; several who ask at once fetch it once."""
        async with self._locks.setdefault(name, asyncio.Lock()):
            if name not in self._kept:
                self._put(name, await fetch())
            else:
                self._kept.move_to_end(name)
            self._locks.pop(name, None)
            return self._kept[name]

    def _put(self, name: tuple[int, ...], audio: Audio) -> None:
        self._kept[name] = audio
        self._size += len(audio.content)
        while self._size > self._most and len(self._kept) > 1:
            _name, old = self._kept.popitem(last=False)
            self._size -= len(old.content)


_shelf = Shelf()


async def audio(context: PageContext, query: Mapping[str, str]) -> Answer:
    """Return the recording ``n`` of the call ``call`` for the player; raises what keeps it from being heard."""
    if context.role is Role.DOCTOR:
        raise AskPerson(_("Записи разговоров слушают администратор и директор"))
    call, place = number(query.get("call")), number(query.get("n", "0"))
    if call is None or place is None:
        raise AskPerson(_("Записи этого разговора нет"))
    row, stored = await asyncio.to_thread(_look, context.store, call, place)
    lines: Mapping[str, Line] = context.settings or {}
    if row is None or row.line not in lines:
        raise AskPerson(_("Записи этого разговора нет"))
    line = lines[row.line]
    heard = await _shelf.get((id(context.store), call, place), lambda: _fetch(line, row, place, stored))
    return Answer(heard.content, heard.media_type, hashlib.sha256(heard.content).hexdigest()[:16])


async def keep(run: "Run", settings: Mapping[str, "Line"]) -> Outcome:
    """Fetch the recordings that are to be kept into their lines' folders; throw away what is older than its days.

    A line that cannot be opened keeps no other from its turn; what keeps the first one from it is raised at the end.
    """
    counts, trouble = Counter(kept=0, failed=0), list[IdentsyncError]()
    for name, line in settings.items():
        await _thrown_away(run, name, line)
        try:
            await _kept(run, name, line, counts)
        except IdentsyncError as error:
            trouble.append(error)
        run.progress(**counts)
    if trouble:
        raise trouble[0]
    return Outcome(Status.PARTIAL if counts["failed"] else Status.OK)


async def _thrown_away(run: "Run", name: str, line: "Line") -> None:
    """Throw away what is kept too long, the file before its row: one that cannot go now is tried again."""
    old = await run.read(partial(_old, name=name, line=line, now_ms=run.now_ms()))
    if not old:
        return
    gone = await asyncio.to_thread(unlink, Path(line.folder or ""), [row.file for row in old])
    await run.write(partial(forget_recordings, rows=[row for row in old if row.file in gone]))
    if len(gone) < len(old):
        run.log.warning("old recordings are not thrown away", line=name, count=len(old) - len(gone))


async def _kept(run: "Run", name: str, line: "Line", counts: Counter[str]) -> None:
    wanted = await run.read(partial(_wanted, name=name, now_ms=run.now_ms()))
    if not wanted:
        return
    # In no order: some that can never be had must not keep all others waiting until these are too late, too.
    some = random.sample(wanted, min(AT_ONCE, len(wanted)))
    async with AsyncExitStack() as stack:
        pbx = await stack.enter_async_context(await for_run(run, name, line, stack))
        for call_id, place, reference in some:
            try:
                await _keep(run, line, call_id, place, await pbx.recording(reference))
                counts["kept"] += 1
            except (IdentsyncError, OSError) as error:
                run.log.warning("a recording is not kept", call=call_id, error=type(error).__name__)
                counts["failed"] += 1


async def _keep(run: "Run", line: "Line", call_id: int, place: int, audio: Audio) -> None:
    name = f"{call_id}-{place}.{TYPES.get(audio.media_type, 'bin')}"
    await asyncio.to_thread(_write, line, name, audio.content)
    values = {"call_id": call_id, "place": place, "file": name, "media_type": audio.media_type[:60]}
    values |= {"size": len(audio.content), "stored_ms": run.now_ms()}
    await run.write(lambda connection: connection.execute(insert(phone_recording).values(values)))


def _write(line: "Line", name: str, content: bytes) -> None:
    """Write a file whole or not at all: it appears under its name when its last byte is there."""
    folder = Path(line.folder or "")
    part = folder / f"{name}.part"
    part.write_bytes(content)
    part.replace(folder / name)


def unlink(folder: Path, names: Iterable[str]) -> set[str]:
    """Throw files of recordings away; give those that are gone: none where the folder is away, not one in use."""
    gone = set[str]()
    for name in names if folder.is_dir() else ():
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
            gone.add(name)
    return gone


def _old(connection: Connection, name: str, line: "Line", now_ms: int) -> Sequence[Any]:
    """Return what is kept too long; looked for among the recordings, which are few, not among the calls."""
    old = select(_r.call_id, _r.place, _r.file).join(phone_call, _c.id == _r.call_id)
    here = of_line(name), func.coalesce(_c.start_ms, 0) < now_ms - line.keep * DAY_MS
    return connection.execute(old.where(*here).limit(OLD_AT_ONCE)).all()


def forget_recordings(connection: Connection, rows: Iterable[Any]) -> None:
    """Forget recordings whose files are gone (call, place)."""
    for row in rows:
        connection.execute(delete(phone_recording).where(_r.call_id == row.call_id, _r.place == row.place))


def _wanted(connection: Connection, name: str, now_ms: int) -> list[tuple[int, int, str]]:
    """Return (call, place, reference) of recordings that are not kept yet."""
    recent = of_line(name), _c.start_ms >= now_ms - LATE_MS, _c.recordings != "[]"
    calls = connection.execute(select(_c.id, _c.recordings).where(*recent)).all()
    kept = select(_r.call_id, _r.place).join(phone_call, _c.id == _r.call_id).where(*recent)
    here = {(row.call_id, row.place) for row in connection.execute(kept)}
    every = [(call.id, place, text) for call in calls for place, text in enumerate(orjson.loads(call.recordings))]
    return [each for each in every if each[:2] not in here]


def _look(store: Any, call_id: int, place: int) -> tuple[Any, Any]:
    with store.read() as connection:
        row = connection.execute(select(_c.line, _c.recordings).where(_c.id == call_id)).first()
        kept = select(_r.file, _r.media_type).where(_r.call_id == call_id, _r.place == place)
        return row, connection.execute(kept).first()


async def _fetch(line: "Line", row: Any, place: int, stored: Any) -> Audio:
    if stored is not None and line.folder is not None:
        path = Path(line.folder) / stored.file
        try:
            return Audio(stored.media_type, await asyncio.to_thread(path.read_bytes))
        except OSError as error:
            words = _("Сохранённая запись не читается")
            raise Unexpected(words, hint=_("Проверьте общую папку записей (folder).")) from error
    references = orjson.loads(row.recordings)
    if place >= len(references):
        raise AskPerson(_("Записи этого разговора нет"))
    async with for_person(line) as pbx:
        return await pbx.recording(references[place])
