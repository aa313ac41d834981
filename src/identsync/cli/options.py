"""The options of ``identsync run``, read without typer, which a client that stays does not pay for."""

import argparse
from collections.abc import Sequence
from typing import Any

from identsync.cli.words import refuse
from identsync.engine.integration import Role
from identsync.language import _

COMMAND = "identsync run"


class _Help(argparse.HelpFormatter):
    """argparse's help with a usage line in the chosen language."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:  # noqa: ARG002
        super().add_usage(usage, actions, groups, _("Как вызвать: "))


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what was typed; what is wrong with it is told in words and ends the process."""
    roles = [role.name.lower() for role in Role]
    number = _("целое число")
    wanted = {
        "--role": _("одно из: {known}", known=", ".join(roles)),
        "--branch": number,
        "--with-parent": number,
        "--settings/-s": _("имя файла"),
    }
    parser = _parser(roles)
    usage = parser.format_usage().strip()
    try:
        given, rest = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        name = error.argument_name or ""
        told = _("{name}: нужно {what}", name=name, what=wanted[name]) if name in wanted else ""
        refuse(told or _("{name} пишется без значения", name=name), usage, f"{COMMAND} --help")
    if rest:
        refuse(_("лишнее: {what}", what=" ".join(rest)), usage, f"{COMMAND} --help")
    return given


def _parser(roles: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=_("Работать, пока не остановят (Ctrl-C)"), formatter_class=_Help,
        add_help=False, exit_on_error=False, allow_abbrev=False,
    )  # fmt: skip
    group = parser.add_argument_group(_("Ключи"))
    group.add_argument("--help", "-h", action="help", help=_("Показать эту справку"))
    group.add_argument("--role", choices=roles, help=_("роль программы; без неё - из настроек"))
    group.add_argument("--branch", type=int, metavar="N", help=_("номер филиала; без него - из настроек"))
    group.add_argument(
        "--settings", "-s", metavar=_("файл"), help=_("файл настроек; без него - IDENTSYNC_SETTINGS или найденный")
    )
    group.add_argument(
        "--with-parent", type=int, metavar="PID",
        help=_("закончить, когда закончится эта программа; журнал - в файл, в папку журналов пользователя"),
    )  # fmt: skip
    group.add_argument("--attached", action="store_true", help=argparse.SUPPRESS)
    return parser
