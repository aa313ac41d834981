"""Errors and problems in words, for people at a terminal."""

import errno
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from identsync.cli import BROKEN_OFF, PROBLEMS, STOPPED
from identsync.errors import ContractError, IdentsyncError, Problem, SettingsError, Stop
from identsync.language import _


@contextmanager
def told() -> Iterator[None]:
    """Turn the errors that this package expects into sentences on standard error and an exit code."""
    try:
        yield
    except (SettingsError, ContractError) as error:
        say_problems(error.problems)
        sys.exit(STOPPED)
    except IdentsyncError as error:
        say(_("Ошибка: {error}", error=error))
        if error.hint:
            say(_("Что делать: {hint}", hint=error.hint))
        sys.exit(STOPPED if isinstance(error, Stop) else PROBLEMS)
    except KeyboardInterrupt:
        sys.exit(BROKEN_OFF)
    except OSError as error:
        if not _reader_left(error):
            raise
        sys.stderr.close()
        sys.exit(PROBLEMS)


def _reader_left(error: OSError) -> bool:
    """``identsync status | head``; Windows' C library calls that an invalid argument."""
    unnamed = error.errno == errno.EINVAL and error.filename is None
    return isinstance(error, BrokenPipeError) or (sys.platform == "win32" and unnamed)


def say(sentence: str) -> None:
    """Write one line to standard error."""
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201  a command speaks


def refuse(what: str, usage: str, help_: str) -> NoReturn:
    """Say what was typed wrong and how it is typed right, and end."""
    say(_("Ошибка: {error}", error=what))
    for line in filter(None, (usage, help_ and _("Подробно: {command}", command=help_))):
        say(line)
    sys.exit(STOPPED)


def say_problems(problems: Sequence[Problem]) -> None:
    """List every problem: where, what, and what to do about it."""
    say(_("Найдено проблем: {count}", count=len(problems)))
    for problem in problems:
        say(f"  • {problem.where}: {problem.what}")
        if problem.hint:
            say(f"      → {problem.hint}")


def log_to_stderr(level: str) -> None:
    """Write the journal of this process to standard error from ``level`` on, a line an event."""
    from identsync.service.journal import Terminal, log_to

    log_to(Terminal(sys.stderr), level)
