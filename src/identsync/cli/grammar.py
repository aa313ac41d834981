"""What typer says by itself, in the chosen language: the usage line, the row of --help, and what was typed wrong.

A refusal is told by its class and fields: the sentences that typer and click write are English.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from identsync.cli import BROKEN_OFF, STOPPED
from identsync.cli.words import refuse, say
from identsync.language import _

_click: Any = import_module(typer.BadParameter.__module__)  # click's errors, which newer typers carry inside


class _Speaking:
    """A command or a group that names its parts in the chosen language."""

    options_metavar: str | None
    allow_extra_args = True  # refused in ``parse_args``, where they are still known

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _name_the_panels()
        super().format_help(ctx, formatter)  # type: ignore[misc]

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        pieces = " ".join(self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, pieces, prefix=_("Как вызвать: "))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        self.options_metavar = _("[КЛЮЧИ]")
        self.subcommand_metavar = _("КОМАНДА [ЧТО УКАЗАТЬ]...")
        pieces: list[str] = super().collect_usage_pieces(ctx)  # type: ignore[misc]
        return pieces

    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if param.param_type_name == "argument":
                param.display_type_rich = _unsaid  # its name says it
            elif param.metavar is None:
                param.metavar = "" if param.is_flag else _kind(param)
        return params

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            rest: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        except _click.BadOptionUsage as error:
            error.ctx = ctx  # click leaves it out
            raise
        return rest

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = _("Показать эту справку")
        return option


class Command(_Speaking, TyperCommand):
    """One command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse what is left over when everything has found its place."""
        rest = super().parse_args(ctx, args)
        if rest and not ctx.resilient_parsing:
            raise _click.UsageError(_("лишнее: {what}", what=" ".join(rest)), ctx)
        return rest


class Group(_Speaking, TyperGroup):
    """A command that has commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Name the commands that are there, where there is none of that name."""
        if self.get_command(ctx, args[0]) is None:
            known = ", ".join(self.list_commands(ctx))
            raise _click.UsageError(_("нет такой команды: {name}; есть {known}", name=args[0], known=known), ctx)
        return super().resolve_command(ctx, args)


class Commands(typer.Typer):
    """A typer whose commands and groups speak the chosen language."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(cls=Group, no_args_is_help=True, **settings)

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """See typer."""
        return super().command(name, cls=Command, **settings)


def run(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Run what was typed and return the exit code; a refusal is told in words."""
    try:
        return typer.main.get_command(app)(arguments, prog_name="identsync", standalone_mode=False) or 0
    except _click.NoArgsIsHelpError:  # the help has been shown
        return STOPPED
    except _click.UsageError as error:
        _refuse(error)
    except typer.Abort:
        say(_("Прервано."))
        return BROKEN_OFF


def _refuse(error: Any) -> NoReturn:
    ctx = error.ctx
    usage = ctx.get_usage() if ctx else ""
    refuse(_what(error), usage, f"{ctx.command_path} --help" if ctx else "")


def _what(error: Any) -> str:
    match error:
        case _click.NoSuchOption():
            alike = ", ".join(error.possibilities or ())
            told = _("нет такого ключа: {name}", name=error.option_name)
            return _("{told}; похожие: {known}", told=told, known=alike) if alike else told
        case _click.BadOptionUsage():
            return _bare(error.option_name, _option(error))
        case _click.MissingParameter():
            choices = _choices(error.param)
            told = _("не указано: {name}", name=_name(error.param))
            return _("{told}; есть {known}", told=told, known=", ".join(choices)) if choices else told
        case _click.BadParameter() if error.param is not None:
            return _("{name}: нужно {what}", name=_name(error.param), what=_wanted(error.param))
    return str(error.message)  # our own sentence


def _bare(name: str, option: Any) -> str:
    if option is not None and option.is_flag:
        return _("{name} пишется без значения", name=name)
    return _("после {name} нужно значение", name=name)


def _option(error: Any) -> Any:
    found = (param for param in error.ctx.command.get_params(error.ctx) if error.option_name in param.opts)
    return next(found, None)


def _name(param: Any) -> str:
    return str(param.metavar or param.name) if param.param_type_name == "argument" else "/".join(param.opts)


def _choices(param: Any) -> list[str]:
    return [str(getattr(choice, "value", choice)) for choice in param.type_descriptor.choices or ()]


def _wanted(param: Any) -> str:
    """Say what a parameter takes: one of some words, a number and its bounds."""
    if choices := _choices(param):
        return _("одно из: {known}", known=", ".join(choices))
    numbers = {int: _("целое число"), float: _("число")}
    told = numbers.get(param.type_descriptor.annotation, _("другое значение"))
    info = param.type_descriptor.parameter_info
    least, most = info.min, info.max
    if least is not None:
        told = _("{told} не меньше {least}", told=told, least=least)
    if most is not None:
        told = _("{told} и не больше {most}", told=told, most=most)
    return told


def _kind(param: Any) -> str:
    """Name the kind of value in the help."""
    if choices := _choices(param):
        return "|".join(choices)
    if param.type_descriptor.is_path:
        return _("файл")
    return _("число") if param.type_descriptor.annotation in (int, float) else _("текст")


def _unsaid(ctx: Any) -> str:  # noqa: ARG001
    return ""


def _name_the_panels() -> None:
    """Tell typer its own words in the chosen language; a command that needs no help does not load what draws it."""
    from typer import rich_utils

    rich_utils.ARGUMENTS_PANEL_TITLE = _("Что указать")
    rich_utils.OPTIONS_PANEL_TITLE = _("Ключи")
    rich_utils.COMMANDS_PANEL_TITLE = _("Команды")
    rich_utils.DEFAULT_STRING = _("[без него: {}]")
    rich_utils.REQUIRED_LONG_STRING = _("[обязательно]")
