"""The console's server inside a client: it listens at once, and becomes a web server at the first connection.

Most clients are never looked at. Until somebody connects there is a listening socket and nothing else; then Starlette,
uvicorn and Jinja are imported in a thread while the connection waits in the system's queue.
"""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from identsync.console.desk import Desk
from identsync.console.guard import Guard, Password, is_loopback
from identsync.engine.integration import Integration, Role, Task
from identsync.errors import Problem, SettingsError, Unavailable
from identsync.language import _

if TYPE_CHECKING:
    import uvicorn

    from identsync.clinic.source import ClinicSource
    from identsync.console.site import Site
    from identsync.store import Store

PORTS = 10  # the port of the settings and the nine after it, before any that is free
BACKLOG = 64
FAREWELL = 2  # seconds the answers under way get when the client ends
log = structlog.get_logger(__name__)


class Console:
    """Serves the pages to the browsers of this computer, and with a password to others.

    ``poke(kind, scope)`` tells the engine in this process to look at a task now; ``password()`` is called once, when it
    is first needed; ``ended(why)`` hears that the page has failed and its port is closed; ``stuck()``
    says why this client gets no answer from the limiter. All public methods belong to the thread of the running loop.
    """

    def __init__(
        self, store: "Store", clinic: "ClinicSource", *,
        rooms: Sequence[tuple[Integration, Any]] = (), tasks: Sequence[Task] = (),
        poke: Callable[[str, int], None] | None = None,
        host: str = "127.0.0.1", port: int = 8765, language: str = "ru", zone: str | None = None,
        password: Callable[[], str] | None = None, names: Sequence[str] = (), user: str = "",
        role: Role | None = None, branch: int | None = None, options: Any = None,
        ended: Callable[[str], None] | None = None, stuck: Callable[[], Exception | None] | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._clinic = clinic
        self._rooms = rooms
        self._tasks = tasks
        self._poke = poke
        self._host = host
        self._port = port
        self._language = language
        self._zone = zone
        self._password = password
        self._names = names
        self._user = user
        self._role = role
        self._branch = branch
        self._options = options
        self._ended = ended
        self._stuck = stuck
        self._desk = Desk()
        self._socket: socket.socket | None = None
        self._opening: asyncio.Task[None] | None = None
        self._site: Site | None = None
        self._server: uvicorn.Server | None = None
        self._ending = False

    async def start(self) -> tuple[str, int]:
        """Listen; return host and port. SettingsError for an open door, Unavailable where every port is taken."""
        if self._password is None and not is_loopback(self._host):
            what = _("адрес {host} виден другим компьютерам, а пароль не задан", host=self._host)
            raise SettingsError([Problem("console.host", what, _('задайте password = "keyring:identsync/console"'))])
        self._socket = listen(self._host, self._port)
        self._address = (self._host, int(self._socket.getsockname()[1]))
        self._loop = asyncio.get_running_loop()
        try:
            self._loop.add_reader(self._socket, self._knock)
        except NotImplementedError:  # Windows' own loop: the web server starts at once
            self._open_soon()
        return self._address

    @property
    def url(self) -> str:
        """The address for a browser on this computer."""
        if self._socket is None:
            raise RuntimeError("the console has not been started")
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104  compared, not bound
        bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return f"http://{bracketed}:{self._address[1]}/"

    async def stop(self) -> None:
        """Close the streams, finish the answers under way, free the port."""
        if self._socket is None:
            return
        self._ending = True
        if self._socket.fileno() >= 0:  # the page has not failed
            with contextlib.suppress(NotImplementedError):
                self._loop.remove_reader(self._socket)
        if self._site is not None:
            self._site.watch.close()
        if self._server is not None:
            self._server.should_exit = True
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        self._socket.close()
        self._desk.close()

    def _knock(self) -> None:
        assert self._socket is not None
        self._loop.remove_reader(self._socket)
        self._open_soon()

    def _open_soon(self) -> None:
        self._opening = self._loop.create_task(self._serve())

    async def _serve(self) -> None:
        assert self._socket is not None
        try:
            self._site, self._server = site, server = await asyncio.to_thread(self._build)
            if not self._ending:  # else stop() came while it was being built, and waits
                await server.serve(sockets=[self._socket])
            site.watch.close()
        except Exception as error:
            self._socket.close()  # or a browser would wait for an answer that nobody gives
            kind, module = type(error).__name__, error.name if isinstance(error, ImportError) else None
            log.error("console.ended", error=kind, module=module)  # noqa: TRY400  a text may quote anything
            if self._ended is not None:
                self._ended(_("не хватает модуля {name}", name=module) if module else kind)

    def _build(self) -> "tuple[Site, uvicorn.Server]":
        """Import what a web server is made of and put it together; done in a thread."""
        import uvicorn

        from identsync.console.door import Door
        from identsync.console.metrics import metrics
        from identsync.console.pages import entries
        from identsync.console.site import Site

        class Server(uvicorn.Server):
            @contextlib.contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield  # the host program's signals are its own

        pages = entries(self._rooms, self._tasks, self._poke_from_thread, self._stuck)
        site = Site(
            self._store, self._clinic, pages, desk=self._desk, language=self._language, role=self._role,
            branch=self._branch, options=self._options,
            zone=self._zone or "Europe/Moscow", metrics=metrics,
        )  # fmt: skip
        config = uvicorn.Config(
            self._guarded(site), loop="none", http=Door, ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, proxy_headers=False, timeout_graceful_shutdown=FAREWELL,
        )  # fmt: skip
        config.load()
        return site, Server(config)

    def _guarded(self, site: "Site") -> Guard:
        open_door = not is_loopback(self._host)
        names = {"localhost", self._host, *self._names} | ({socket.gethostname()} if open_door else set())
        password = Password(self._password) if self._password is not None else None
        return Guard(site.app, names=names, addresses=open_door, password=password, user=self._user)

    def _poke_from_thread(self, kind: str, scope: int) -> None:
        if self._poke is not None:
            self._loop.call_soon_threadsafe(self._poke, kind, scope)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket on the port, on the next free one of ten, else on any: more clients live on one server.

    0 = any port. Raises Unavailable where none is free or the address is not this computer's.
    """
    ports = (*range(port, min(port + PORTS, 65_536)), 0) if port else (0,)
    for candidate in ports:
        try:
            return _bind(host, candidate)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise _nowhere(host, port, error.strerror or type(error).__name__) from error
    raise _nowhere(host, port, _("заняты"))


def _nowhere(host: str, port: int, reason: str) -> Unavailable:
    what = _("страницу негде открыть: {host}:{port} ({reason})", host=host, port=port, reason=reason)
    return Unavailable(what, sent=False, hint=_("укажите другой порт или port = 0"))


def _bind(host: str, port: int) -> socket.socket:
    family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind, protocol)
    try:
        if os.name == "nt":  # there SO_REUSEADDR would let any program take the port away
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock
