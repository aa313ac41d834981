"""The command line: init, check, run, once, status, clinic, service, secret, demo, version.

Exit codes: 0 = done, 1 = problems were found or the task failed, 2 = the settings are wrong or the client must not
start, 3 = another client holds the task, 130 = broken off.
"""

import sys
from collections.abc import Sequence

from identsync.language import LANGUAGES, _, speak

DONE, PROBLEMS, STOPPED, ELSEWHERE, BROKEN_OFF = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code; an expected error is told in words, without traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _use_utf8()
    language = _language(given)
    speak(language if language in LANGUAGES else None)
    from identsync.cli.words import say, told

    if language is not None and language not in LANGUAGES:
        say(_("--lang: нет такого языка; есть {known}", known=", ".join(LANGUAGES)))
        sys.exit(STOPPED)
    with told():
        if given[:1] == ["run"]:  # the one command that stays: it does not pay for typer, pydantic and rich
            from identsync.cli.running import run

            run(given[1:])
        else:
            from identsync.cli import grammar
            from identsync.cli.commands import application  # help texts take the language when they are made

            sys.exit(grammar.run(application(), given))


def _language(arguments: list[str]) -> str | None:
    """Take ``--lang X`` / ``--lang=X`` from anywhere in the arguments, so that the help is in that language too."""
    for place, argument in enumerate(arguments):
        name, sign, value = argument.partition("=")
        if name == "--lang":
            chosen = value if sign else "".join(arguments[place + 1 : place + 2])
            del arguments[place : place + (1 if sign else 2)]
            return chosen
    return None


def _use_utf8() -> None:
    """A console of Windows may be set to a code page that has no Cyrillic; never die of a character."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
