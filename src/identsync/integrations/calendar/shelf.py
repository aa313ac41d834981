"""Where published feeds lie: a folder that a web server shows, or a WebDAV that others read from."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from identsync import files
from identsync.errors import AskPerson, NotHere, Unavailable
from identsync.flows.verdict import Confirmed, Later, Rejected, Verdict
from identsync.language import _

if TYPE_CHECKING:
    from identsync.integrations.calendar.wire.dav import Dav

TYPE = "text/calendar; charset=utf-8"
_GONE = frozenset({404, 410})
_NO_FOLDER = frozenset({404, 405, 409})
_UNLIKED = frozenset({400, 406, 411, 412, 413, 415, 422, 423})


class Shelf(Protocol):
    """A place for files named ``<token>.ics``; no error and no word of it ever holds a token."""

    async def put(self, token: str, content: bytes) -> Verdict:
        """Put a file there whole or not at all, in place of an older one; AskPerson where nothing can be put."""
        ...

    async def remove(self, token: str) -> Verdict:
        """Take a file away; one that is not there is as good."""
        ...


class Folder:
    """A folder of this computer or of the network."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, token: str, content: bytes) -> Verdict:
        """Replace the file at once; a reader sees the old one or the new one."""
        return await self._done(lambda: files.write(self._file(token), content, everyone=True))

    async def remove(self, token: str) -> Verdict:
        """Remove the file; where the folder itself is not there, a share may be away: that is no removal."""

        def act() -> None:
            if not files.remove(self._file(token)) and not files.reachable(self._folder).is_dir():
                raise NotADirectoryError

        return await self._done(act)

    def _file(self, token: str) -> Path:
        return self._folder / f"{token}.ics"

    async def _done(self, act: Callable[[], object]) -> Verdict:
        try:
            await asyncio.to_thread(act)
        except files.FileBusy as error:
            return Later(files.reason(error)[0])
        except (FileNotFoundError, NotADirectoryError):
            words = _("нет папки для подписок: {folder}", folder=self._folder)
            raise NotHere(words, hint=_("создайте её или исправьте folder")) from None
        except PermissionError as error:
            what, hint = files.reason(error)
            raise NotHere(f"{self._folder}: {what}", hint=hint) from None
        except OSError as error:
            raise Unavailable(f"{self._folder}: {files.reason(error)[0]}", sent=False) from None
        return Confirmed()


class Cloud:
    """A folder of a WebDAV server, written with PUT under the account of the settings."""

    def __init__(self, dav: "Dav", url: str) -> None:
        self._dav = dav
        self._url = url.rstrip("/")

    async def put(self, token: str, content: bytes) -> Verdict:
        """Write the file; a repetition is harmless."""
        headers = {"Content-Type": TYPE}
        reply = await self._dav.ask("PUT", self._file(token), headers, content, passing=_NO_FOLDER | _UNLIKED)
        if reply.status in _NO_FOLDER:
            words = _("по адресу url нет папки, в которую можно писать ({status})", status=reply.status)
            raise AskPerson(words, hint=_("создайте её на сервере или исправьте url"))
        if reply.status in _UNLIKED:
            return Rejected(_("сервер не принимает файл ({status})", status=reply.status))
        return Confirmed()

    async def remove(self, token: str) -> Verdict:
        """Delete the file."""
        reply = await self._dav.ask("DELETE", self._file(token), passing=_GONE | {405, 409, 423})
        if reply.status in {405, 409, 423}:
            return Rejected(_("сервер не даёт удалить файл ({status})", status=reply.status))
        if reply.status in _GONE:
            await self._still_there()
        return Confirmed()

    async def _still_there(self) -> None:
        """See that the folder is known to who says that a file is gone: a proxy knows neither."""
        if (reply := await self._dav.absent(f"{self._url}/")) is not None:
            words = _("сервер не находит ни файла, ни папки, в которой он лежит: похоже, отвечает не он")
            raise Unavailable(words, sent=False, raw=reply.text)

    def _file(self, token: str) -> str:
        return f"{self._url}/{token}.ics"
