"""What can be typed after ``identsync``; each command imports what it needs when it is called."""

import enum
from pathlib import Path
from typing import Annotated

import typer

from identsync import files, places
from identsync.cli import DONE, ELSEWHERE, PROBLEMS
from identsync.cli.grammar import Commands
from identsync.cli.words import log_to_stderr, say, say_problems
from identsync.errors import Problem
from identsync.language import _
from identsync.places import Scope

FILE = Path(places.FILE)


class DialectName(enum.StrEnum):
    """Databases the clinic may have."""

    MSSQL = "mssql"
    POSTGRESQL = "postgresql"
    SQLITE = "sqlite"


class ServerName(enum.StrEnum):
    """Databases with logins and rights."""

    MSSQL = "mssql"
    POSTGRESQL = "postgresql"


class PartName(enum.StrEnum):
    """Databases that an administrator prepares: each is given a text of its own."""

    ENGINE = "engine"
    CLINIC = "clinic"


USUAL_SCHEMA = {ServerName.MSSQL: "dbo", ServerName.POSTGRESQL: "public"}

SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings", "-s", readable=False, help=_("файл настроек; без него - IDENTSYNC_SETTINGS или найденный")
    ),
]
SecretName = Annotated[str, typer.Argument(metavar=_("ИМЯ"), help=_("имя секрета: то, что в настройках после secret:"))]
OfMachine = Annotated[
    bool, typer.Option("--machine", help=_("для службы и всего компьютера; нужны права администратора"))
]
Login = Annotated[str, typer.Option(help=_("имя входа движка на сервере базы"))]
Schema = Annotated[str, typer.Option(help=_("схема таблиц движка, как в настройках"))]
Json = Annotated[bool, typer.Option("--json", help=_("ответ одним объектом JSON"))]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", readable=False, help=_("в какой файл записать; без него - напечатать"))
]


def application() -> typer.Typer:
    """Return the command line, described in the chosen language."""
    app = Commands(add_completion=False, pretty_exceptions_enable=False)
    app.callback(help=_("Движок интеграций стоматологической клиники."))(spoken)
    app.command(help=_("Создать файл настроек с пояснениями"))(init)
    app.command(help=_("Проверить настройки, базы, представления и все внешние сервисы"))(check)
    app.command(help=_("Испытать ограничитель на этой базе данных"))(doctor)
    app.command(help=_("Работать, пока не остановят (Ctrl-C)"))(run)
    app.command(help=_("Выполнить одну задачу сейчас"))(once)
    app.command(help=_("Показать состояние задач"))(status)
    app.command(help=_("Показать всё в действии на сгенерированной сети клиник"))(demo)
    app.command(help=_("Показать версию"))(version)
    clinic = Commands(help=_("База клиники"))
    clinic.command("views", help=_("Напечатать SQL представлений для проверки человеком"))(clinic_views)
    clinic.command("check", help=_("Проверить представления клиники"))(clinic_check)
    app.add_typer(clinic, name="clinic")
    database = Commands(help=_("База движка: что выполнить её администратору"))
    database.command("setup", help=_("Напечатать SQL: база, вход и права для него"))(database_setup)
    database.command("tables", help=_("Напечатать SQL таблиц, для тех, кто создаёт и меняет их сам"))(database_tables)
    app.add_typer(database, name="database")
    from identsync.cli import calendar, service

    app.add_typer(service.commands(), name="service")
    app.add_typer(calendar.commands(), name="calendar")
    secret = Commands(help=_("Ключи и пароли этого компьютера"))
    secret.command("set", help=_("Записать секрет: спросит значение, не показывая его, или прочтёт ввод"))(secret_set)
    secret.command("list", help=_("Показать имена секретов, чьи они и давно ли записаны; значений не показывает"))(
        secret_list
    )
    secret.command("remove", help=_("Удалить секрет"))(secret_remove)
    app.add_typer(secret, name="secret")
    return app


def spoken(
    lang: Annotated[  # noqa: ARG001
        str | None, typer.Option(metavar="ru|en", help=_("язык; можно и после команды"))
    ] = None,
) -> None:
    """Describe ``--lang``, which is taken from the arguments before they come here: help texts speak it, too.

    Nothing is logged on standard output, which belongs to the answer.
    """
    log_to_stderr("error")


def init(
    file: Annotated[Path, typer.Argument(metavar=_("ФАЙЛ"), readable=False, help=_("какой файл создать"))] = FILE,
    force: Annotated[bool, typer.Option("--force", help=_("заменить файл, если он уже есть"))] = False,
    machine: OfMachine = False,
    user: Annotated[
        bool, typer.Option("--user", help=_("в папке этого пользователя, для работы в его сеансе"))
    ] = False,
) -> None:
    """Write the commented settings file, here or where a service or a session looks for it."""
    from identsync.settings.template import template

    database = None
    if machine or user:
        from identsync.vault import furnish

        here = furnish(_scope(machine))
        file, database = here.settings, f"sqlite:///{(here.data / 'identsync.db').as_posix()}"
    if file.exists() and not force:
        say(_("Файл {file} уже есть; --force заменит его.", file=file))
        raise typer.Exit(PROBLEMS)
    _write(file, template(database), "utf-8", with_folder=True)
    say(_("Создан {file}. Дальше: впишите своё и выполните identsync check.", file=file))


def check(settings: SettingsFile = None, json: Json = False) -> None:
    """Try everything the settings name and list all problems together."""
    import asyncio

    from identsync.cli.checking import problems, report
    from identsync.settings import load

    file = places.settings_file(settings)
    if not json:
        report(_("Настройки: {file}", file=file))
    found = asyncio.run(problems(load(file), report if not json else lambda _line: None))
    if json:
        from identsync.cli.show import problems_json

        typer.echo(problems_json(found))
    elif found:
        say_problems(found)
    else:
        say(_("Всё в порядке."))
    raise typer.Exit(PROBLEMS if found else DONE)


def doctor(
    database: Annotated[bool, typer.Option("--database", help=_("испытать базу данных из настроек"))],
    settings: SettingsFile = None,
    report: Annotated[
        Path | None, typer.Option(readable=False, help=_("куда записать отчёт; без него - файл с датой в имени"))
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=600, help=_("сколько секунд длится состязание"))] = 5.0,
    json: Json = False,
) -> None:
    """Prove the limiter on the database of the settings, in scratch tables that are removed, and write a report."""
    from identsync.cli.doctor import examine
    from identsync.settings import load

    if not database:
        raise typer.BadParameter(_("пока испытывается только база: --database"))
    raise typer.Exit(DONE if examine(load(places.settings_file(settings)), report, seconds, json=json) else PROBLEMS)


def run() -> None:
    """Listed here for the help only: ``identsync run`` is read by cli.running, without this module."""
    raise AssertionError


def once(
    task: Annotated[str, typer.Argument(metavar=_("ЗАДАЧА"), help=_("задача, например timetable/site"))],
    branch: Annotated[int | None, typer.Option(min=0, help=_("филиал задачи; 0 - вся сеть"))] = None,
    settings: SettingsFile = None,
) -> None:
    """Run one task now, under the limiter like any other run."""
    from identsync.cli.running import run_once
    from identsync.settings import load

    outcomes = run_once(load(places.settings_file(settings)), task, branch)
    if not all(outcomes):
        raise typer.Exit(ELSEWHERE)
    raise typer.Exit(DONE if all(o is not None and o.status == "ok" for o in outcomes) else PROBLEMS)


def status(settings: SettingsFile = None, json: Json = False) -> None:
    """Show every task of the database: state, last run, next run, holder."""
    from identsync.cli.show import status_json, status_table
    from identsync.settings import load

    (status_json if json else status_table)(load(places.settings_file(settings)))


def clinic_views(
    dialect: Annotated[DialectName, typer.Option(help=_("вид базы данных"))] = DialectName.MSSQL,
    profile: Annotated[str, typer.Option(help=_("чьи таблицы отображать"))] = "ident",
    output: Output = None,
) -> None:
    """Print the SQL of the clinic's views."""
    from identsync.clinic.views import PROFILES, views

    if profile not in PROFILES:
        raise typer.BadParameter(_("таких таблиц нет; есть {known}", known=", ".join(PROFILES)))
    _put_out(views(dialect.value, profile), output)


def clinic_check(settings: SettingsFile = None) -> None:
    """Say which views or columns are missing or of the wrong type."""
    from identsync.cli.checking import clinic_problems
    from identsync.settings import load

    found = clinic_problems(load(places.settings_file(settings)))
    if found:
        say_problems(found)
        raise typer.Exit(PROBLEMS)
    say(_("Представления клиники в порядке."))


def database_setup(
    dialect: Annotated[ServerName, typer.Option(help=_("вид базы данных"))] = ServerName.MSSQL,
    part: Annotated[
        PartName, typer.Option(help=_("чья база: движка или, после неё и представлений, клиники"))
    ] = PartName.ENGINE,
    login: Login = "identsync",
    schema: Schema = "identsync",
    views: Annotated[str | None, typer.Option(help=_("схема представлений клиники; без неё - обычная"))] = None,
    fixed: Annotated[bool, typer.Option("--fixed", help=_("вход не может менять таблицы: их меняет человек"))] = False,
    output: Output = None,
) -> None:
    """Print the SQL that gives the engine its place, or its right to read the clinic's views, for an administrator."""
    from identsync.clinic.views import reading
    from identsync.store.rights import rights

    if part is PartName.CLINIC:
        sql = reading(dialect.value, login, views or USUAL_SCHEMA[dialect])
    else:
        sql = rights(dialect.value, login, schema, fixed=fixed)
    _put_out(sql.rstrip(), output)


def database_tables(
    dialect: Annotated[ServerName, typer.Option(help=_("вид базы данных"))] = ServerName.MSSQL,
    schema: Schema = "identsync",
    since: Annotated[str | None, typer.Option(help=_("версия, которая уже есть: печатать то, что после неё"))] = None,
    output: Output = None,
) -> None:
    """Print the SQL of the engine's tables, or of what has changed since a revision."""
    from identsync.store.migrate import script
    from identsync.store.migrations import REVISIONS

    if since is not None and since not in REVISIONS:
        raise typer.BadParameter(_("такой версии нет; есть {known}", known=", ".join(REVISIONS)))
    _put_out(script(dialect.value, schema, since), output)


def _put_out(sql: str, file: Path | None) -> None:
    """Print, or write as UTF-8 that SQL Server's programs recognise: PowerShell's ``>`` would spoil Cyrillic."""
    if file is None:
        typer.echo(sql)
        return
    _write(file, f"{sql}\n", "utf-8-sig")
    say(_("Записано: {file}", file=file))


def _write(file: Path, text: str, encoding: str, *, with_folder: bool = False) -> None:
    try:
        if with_folder:
            file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding)
    except OSError as error:
        what, hint = files.reason(error)
        say_problems([Problem(str(file), _("файл не записать: {what}", what=what), hint)])
        raise typer.Exit(PROBLEMS) from None


def secret_set(name: SecretName, machine: OfMachine = False) -> None:
    """Keep a secret; its value is never taken from the command line, which other programs can read."""
    from identsync.cli.secrets import keep

    keep(name, _scope(machine))


def secret_list(json: Json = False) -> None:
    """Show which secrets there are."""
    from identsync.cli.secrets import show

    show(json=json)


def secret_remove(name: SecretName, machine: OfMachine = False) -> None:
    """Forget a secret."""
    from identsync.cli.secrets import forget

    forget(name, _scope(machine))


def _scope(machine: bool) -> Scope:
    return Scope.MACHINE if machine else Scope.USER


def demo(
    branches: Annotated[int, typer.Option(min=1, max=100, help=_("сколько филиалов"))] = 3,
    doctors: Annotated[int, typer.Option(min=1, max=50, help=_("сколько врачей в филиале"))] = 5,
    clients: Annotated[
        int | None, typer.Option(min=1, max=64, help=_("сколько программ-клиентов; без числа - по одной на филиал"))
    ] = None,
    kill: Annotated[bool, typer.Option("--kill", help=_("то и дело убивать программу, которая ведёт работу"))] = False,
    kill_every: Annotated[float, typer.Option(min=1, help=_("как часто убивать, секунд"))] = 5.0,
    seconds: Annotated[float | None, typer.Option(min=1, help=_("закончить через столько секунд"))] = None,
    folder: Annotated[
        Path | None, typer.Option(readable=False, help=_("где держать базу; без неё - временная папка"))
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help=_("порт страницы"))] = 8765,
    seed: Annotated[int, typer.Option(help=_("зерно генератора"))] = 1,
    postgresql: Annotated[bool, typer.Option("--postgresql", help=_("на PostgreSQL вместо SQLite"))] = False,
    json: Json = False,
) -> None:
    """Show a whole network at work."""
    from identsync.demo.run import Plan, show

    plan = Plan(
        branches=branches, doctors=doctors, clients=clients or branches, kill_every=kill_every if kill else None,
        seconds=seconds, folder=folder, port=port, seed=seed, postgresql=postgresql, json=json,
    )  # fmt: skip
    raise typer.Exit(show(plan))


def version() -> None:
    """Print the version."""
    from identsync import __version__

    typer.echo(__version__)
