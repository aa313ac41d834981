"""From the first try to open the database to the last task handed over; told to end from any thread."""

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING

from identsync.engine.integration import Role
from identsync.errors import ContractError, NotHere, Unavailable
from identsync.language import _
from identsync.settings.secrets import unread_secrets

if TYPE_CHECKING:
    from identsync.client import Client

FIRST_RETRY_S, LAST_RETRY_S = 2.0, 60.0
HURRIED_S = 1.5
"""What running tasks get where the system ends us within five seconds, whatever we do."""
FAREWELL_S = 4.5
"""How long the system is kept waiting then: seats, leases and threads need some time as well."""

Say = Callable[[str], None]
Wrong = Callable[[ContractError | NotHere], None]


class Ending:
    """A client's end: asked for by a signal, the system, a person or the program beside it; from any thread.

    Made inside the loop that waits for it.
    """

    def __init__(self) -> None:
        self.hurried = False
        self._loop = asyncio.get_running_loop()
        self._asked = asyncio.Event()
        self._over = threading.Event()

    def ask(self, *, hurried: bool = False) -> None:
        """Let the client end; ``hurried`` = the system will kill it in five seconds."""
        self.hurried = self.hurried or hurried
        with suppress(RuntimeError):  # the loop has ended first
            self._loop.call_soon_threadsafe(self._asked.set)

    def ask_and_wait(self) -> None:
        """Ask in a hurry and return when the client has handed over; for threads whose return is the process's end."""
        self.ask(hurried=True)
        self._over.wait(FAREWELL_S)

    def over(self) -> None:
        """Say that everything has been handed over."""
        self._over.set()

    async def asked(self, within_s: float | None = None) -> bool:
        """Wait until the end has been asked for, at most ``within_s`` seconds; say whether it has been."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), within_s)
        return self._asked.is_set()


async def live(
    client: "Client", ending: Ending, *, say: Say, started: Callable[[], None], wrong: Wrong | None = None
) -> None:
    """Open the client, call ``started``, run it until it is asked to end, hand over.

    While the database does not answer it is tried again and that is said. ``wrong`` is for a program that nobody sits
    at: it is told that the clinic's views are not as promised, or that a secret is missing here, and that is looked at
    again until it is mended. Errors: whatever a person must act on.
    """
    client.say = say
    try:
        if await _entered(client, ending, say, wrong):
            started()
            for line in await asyncio.to_thread(lambda: list(_lacking(client))):
                say(line)
            await ending.asked()
            if ending.hurried:
                client.hand_over_s = HURRIED_S
            await client.__aexit__()
            say(_("Задачи переданы, работа закончена."))
    finally:
        ending.over()


def doctors() -> str:
    """Say why a doctor's client does nothing."""
    return _("Программы врачей задач не выполняют: этим заняты программы администраторов и директоров.")


def _lacking(client: "Client") -> Iterator[str]:
    """Say what this computer will not do: what needs a secret that it lacks waits, everything else works."""
    if client.role is Role.DOCTOR:
        yield doctors()
        return
    for problem in unread_secrets(client.settings):
        yield f"{problem.where}: {problem.what}"
        yield _("Что делать: {hint}", hint=problem.hint)


async def _entered(client: "Client", ending: Ending, say: Say, wrong: Wrong | None) -> bool:
    pause, told = FIRST_RETRY_S, ""
    while not await ending.asked(0):
        try:
            await client.__aenter__()
        except Unavailable as error:
            say(_("Пока не начать: {error}; повтор через {pause} с.", error=error, pause=round(pause)))
            if error.hint and error.hint != told:
                say(_("Что делать: {hint}", hint=error.hint))
                told = error.hint
        except (ContractError, NotHere) as error:
            if wrong is None:
                raise
            if str(error) != told:
                wrong(error)
                told = str(error)
        else:
            return True
        await ending.asked(pause)
        pause = min(pause * 2, LAST_RETRY_S)
    return False


def told(ending: Ending, parent: int | None) -> AbstractContextManager[None]:
    """Inside the block the ending is asked for by Ctrl-C, the console's and session's end, and that of ``parent``.

    ``parent`` is a process id; SettingsError where there is no such process. Main thread only.
    """
    if sys.platform == "win32":
        from identsync.service.windows.session import told as told_here
    else:
        from identsync.service.posix import told as told_here
    return told_here(ending, parent)
