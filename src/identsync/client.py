"""One client: store, clinic, rooms, engine and console put together from the settings.

::

    async with Client("identsync.toml", role=Role.ADMINISTRATOR) as client: ...
    with Client("identsync.toml").in_thread() as client: ...     # for a host program without an event loop
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from identsync import integrations
from identsync.engine.integration import Integration, Outcome, Role, Task
from identsync.errors import Problem, SettingsError
from identsync.language import _
from identsync.settings import Settings, load, secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import sqlalchemy

    from identsync.clinic.source import Branch, ClinicSource
    from identsync.console.server import Console
    from identsync.engine.loop import Engine
    from identsync.store import Store

HAND_OVER_S = 5.0
"""How long the end of a client waits for its running tasks, unless ``Client.hand_over_s`` is set to something else."""


class Client:
    """A running copy of the program, as the engine sees it; a client of role DOCTOR opens nothing and runs nothing.

    ``settings`` is a record or the path of a file. ``role`` and ``branch`` replace what the settings say. Errors
    when it is entered: SettingsError, SchemaError, ContractError (a person must act), Unavailable (try again later).
    """

    def __init__(
        self,
        settings: "Settings | str | Path",
        *,
        role: Role | None = None,
        branch: int | None = None,
        console: bool = True,
    ) -> None:
        self.settings = settings if isinstance(settings, Settings) else load(_path(settings))
        self.role = Role[self.settings.client.role.upper()] if role is None else role
        self.branch = self.settings.client.branch if branch is None else branch
        self.branch_name = ""  # as the clinic calls it, once the client is entered
        self.tasks: tuple[Task, ...] = ()
        self.hand_over_s = HAND_OVER_S
        self.say: Callable[[str], None] = _to_nobody
        self._with_console = console
        self._stack = AsyncExitStack()
        self._engine: Engine | None = None
        self._console: Console | None = None

    @property
    def url(self) -> str | None:
        """Address of this client's page; None where it has none."""
        return self._console.url if self._console else None

    async def __aenter__(self) -> "Client":
        if self.role is not Role.DOCTOR:
            async with AsyncExitStack() as stack:
                await self._open(stack)
                self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()
        self._engine = self._console = None

    @property
    def id(self) -> str | None:
        """Random id of this client, new for each start; None for a doctor's client."""
        return self._engine.client if self._engine else None

    def poke(self, kind: str, scope: int) -> None:
        """Look at a task again soon: a person has asked for it to run."""
        if self._engine:
            self._engine.poke(kind, scope)

    def snapshot(self) -> Any:
        """Return what the engine of this client does at the moment; None for a doctor's client."""
        return self._engine.snapshot() if self._engine else None

    @contextmanager
    def in_thread(self) -> "Iterator[Client]":
        """Run the client with a loop of its own in a background thread, from here to the end of the block."""
        with asyncio.Runner(loop_factory=loop_factory(self.settings.client.loop)) as runner:
            # The loop belongs to the thread from now on; only the two lines that use ``call`` reach into it.
            loop = runner.get_loop()
            thread = threading.Thread(target=loop.run_forever, name="identsync", daemon=True)
            thread.start()
            try:
                call(loop, self.__aenter__())
                try:
                    yield self
                finally:
                    call(loop, self.__aexit__())
            finally:
                loop.call_soon_threadsafe(loop.stop)
                thread.join()

    async def _open(self, stack: AsyncExitStack) -> None:
        closing = stack.enter_context(ExitStack())
        store = await asyncio.to_thread(opened_store, self.settings, closing)
        clinic = await asyncio.to_thread(opened_clinic, self.settings, closing)
        branches = await asyncio.to_thread(clinic.branches)
        rooms = integrations.loaded(self.settings.rooms)
        here = self._here(branches)
        self.branch_name = here.name
        self.tasks = tuple(integrations.tasks_of(rooms, branches, here.id))
        self._engine = await stack.enter_async_context(self._running(store, clinic))
        if self._with_console and self.settings.console.enabled:
            self._console = await stack.enter_async_context(self._page(store, clinic, rooms, branches))

    def _here(self, branches: "Sequence[Branch]") -> "Branch":
        for branch in branches:
            if branch.id == self.branch:
                return branch
        known = ", ".join(str(branch.id) for branch in branches[:20])
        hint = _("есть филиалы: {known}", known=known or "-")
        raise SettingsError([Problem("[client] branch", _("в клинике нет филиала {id}", id=self.branch), hint)])

    @asynccontextmanager
    async def _running(self, store: "Store", clinic: "ClinicSource") -> "AsyncIterator[Engine]":
        from identsync.engine.loop import Engine
        from identsync.engine.state import Policy

        engine = Engine(
            store=store,
            clinic=clinic,
            tasks=self.tasks,
            role=self.role,
            branch=self.branch,
            policy=Policy(seat_lease_ms=self.settings.client.lease),
        )
        await asyncio.to_thread(_introduce, store, engine.client)
        await engine.start()
        try:
            yield engine
        finally:
            await engine.stop(self.hand_over_s)

    @asynccontextmanager
    async def _page(
        self,
        store: "Store",
        clinic: "ClinicSource",
        rooms: Sequence[tuple[Integration, Any]],
        branches: "Sequence[Branch]",
    ) -> "AsyncIterator[Console]":
        from identsync.console.server import Console

        options = self.settings.console
        if options.map_file:
            options = replace(options, map_file=str(self.settings.folder / options.map_file))
        reference = options.password
        console = Console(
            store,
            clinic,
            rooms=rooms,
            tasks=self.tasks,
            poke=self.poke,
            host=options.host,
            port=options.port,
            language=options.language,
            zone=self._here(branches).zone,
            password=None if reference is None else lambda: secret(reference),
            user=options.user,
            role=self.role,
            branch=self.branch,
            options=options,
            ended=self._page_ended,
            stuck=self._engine.stuck if self._engine else None,
        )
        await console.start()
        try:
            yield console
        finally:
            await console.stop()

    def _page_ended(self, why: str) -> None:
        self._console = None
        self.say(_("Страницы больше нет: {why}. Задачи выполняются дальше.", why=why))
        self.say(_("Что делать: {hint}", hint=_("установите программу заново и запустите; подробности в журнале")))


def _to_nobody(_sentence: str) -> None:
    """A host program that does not set ``Client.say`` reads the log."""


def opened_store(settings: Settings, stack: ExitStack) -> "Store":
    """Open the engine's database and bring its tables up to date; blocking. ``stack`` closes it."""
    from identsync.store import open_store

    store = open_store(settings.database_url, schema=settings.database.schema)
    stack.callback(store.close)
    store.migrate()
    return store


def _introduce(store: "Store", client: str) -> None:
    from identsync.store.clients import introduce

    with store.write() as connection:
        introduce(connection, client)


def opened_clinic(settings: Settings, stack: ExitStack) -> "ClinicSource":
    """Open the clinic's database on connections of its own, even where it is the engine's; blocking."""
    from identsync.clinic.source import ClinicSource

    return ClinicSource(clinic_engine(settings, stack), settings.clinic.schema)


def clinic_engine(settings: Settings, stack: ExitStack) -> "sqlalchemy.Engine":
    """Return SQLAlchemy's engine for the clinic's database; nothing is connected yet. ``stack`` closes it."""
    from identsync.clinic import session

    engine = session.clinic_engine(settings.clinic_url)
    stack.callback(engine.dispose)
    return engine


def loop_factory(choice: str) -> "Callable[[], asyncio.AbstractEventLoop]":
    """Return what makes the event loop: 'fast' = uvloop or winloop where installed, 'standard' = Python's own."""
    from identsync.engine.loops import new_loop

    return partial(new_loop, "auto" if choice == "fast" else "asyncio")


def call(loop: asyncio.AbstractEventLoop, work: "Coroutine[Any, Any, Any]") -> Any:
    """Return the result of a coroutine that runs in another thread's loop."""
    return asyncio.run_coroutine_threadsafe(work, loop).result()


def _path(given: "str | Path") -> "Path":
    from pathlib import Path

    return Path(given)


__all__ = ["Client", "Outcome", "Role"]
