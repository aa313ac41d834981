"""What a database administrator is given to read and run once: the engine's database, its login, its rights, no more.

The scripts lie beside this module. ``own``: the engine makes and changes its tables; ``fixed``: the administrator does.
"""

from pathlib import Path

from identsync.store.migrate import script

_QUOTES = {"mssql": ("[", "]"), "postgresql": ('"', '"')}


def rights(dialect: str, login: str, schema: str, *, fixed: bool) -> str:
    """Give the script for mssql or postgresql; ``fixed``: with the tables, which the login may not change."""
    names = {"login": login, "name": quoted(dialect, login), "schema": quoted(dialect, schema)}
    if not fixed:
        return _text(dialect, names) + "\n" + _text(f"{dialect}_own", names)
    return "\n".join((_text(dialect, names), script(dialect, schema), _text(f"{dialect}_fixed", names)))


def quoted(dialect: str, name: str) -> str:
    """Spell a name as an identifier of the dialect, whatever is in it."""
    opening, closing = _QUOTES[dialect]
    return opening + name.replace(closing, 2 * closing) + closing


def _text(name: str, names: dict[str, str]) -> str:
    return (Path(__file__).parent / f"{name}.sql").read_text("utf-8").format(**names)
