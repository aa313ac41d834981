"""``identsync doctor``: tries the limiter on the customer's own database and writes a report that can be mailed."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import orjson
import typer

from identsync import __version__
from identsync.cli.clocks import clock_problems
from identsync.cli.words import say, say_problems
from identsync.client import opened_store
from identsync.errors import Problem
from identsync.language import _
from identsync.settings import Settings
from identsync.store.trial import Finding, Trial, Verdict, run_trial

SIGNS = {Verdict.GOOD: "+", Verdict.NOTE: " ", Verdict.BAD: "!"}  # every code page has these


def examine(settings: Settings, report: Path | None, seconds: float, *, json: bool) -> bool:
    """Try the database, tell each finding as it is made, write the report; True where nothing bad was found."""
    with ExitStack() as stack:
        store = opened_store(settings, stack)  # the schema is there, and the tables are of this version
        clocks = list(clock_problems(settings, store))
    say(_("Испытание ограничителя: восемь соединений, временные таблицы будут удалены…"))
    trial = run_trial(
        settings.database_url(), schema=settings.database.schema, seconds=seconds, heard=lambda f: say(_line(f))
    )
    now = datetime.now(UTC)
    file = report or Path(f"identsync-doctor-{now:%Y%m%d-%H%M%S}.txt")
    file.write_text("\n".join(_report(trial, clocks, now)) + "\n", encoding="utf-8")
    say(_("Годится.") if trial.passed else _("Не годится: строки с «!» объясняют, почему."))
    if clocks:  # the limiter does not mind
        say_problems(clocks)
    say(_("Отчёт: {file}. В нём нет ни имён, ни адресов, ни паролей.", file=file))
    if json:
        typer.echo(orjson.dumps({"passed": trial.passed, **asdict(trial)}, option=orjson.OPT_INDENT_2).decode())
    return trial.passed


def _line(finding: Finding) -> str:
    figures = ", ".join(f"{name} {value}" for name, value in finding.figures.items())
    return f"{SIGNS[finding.verdict]} {finding.title}: {finding.told}" + (f" ({figures})" if figures else "")


def _report(trial: Trial, clocks: Sequence[Problem], now: datetime) -> Iterator[str]:
    yield f"identsync {__version__} doctor --database, {now:%Y-%m-%d %H:%M} UTC, {trial.dialect}"
    yield _("Итог: {word}", word=_("годится") if trial.passed else _("НЕ ГОДИТСЯ"))
    yield ""
    for finding in trial.findings:
        yield _line(finding)
    for problem in clocks:
        yield f"  {problem.what}"
