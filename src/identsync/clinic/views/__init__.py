"""SQL that maps a clinic program's own tables onto the contract, to be read by a person and then run by one.

A profile is a program (``ident``); its SQL lies beside this module as ``<profile>_<dialect>.sql``.
"""

from pathlib import Path

from identsync.clinic import contract, contract_cases
from identsync.store.rights import quoted

DIALECTS = ("mssql", "postgresql", "sqlite")
PROFILES = ("ident",)


def views(dialect: str, profile: str = "ident") -> str:
    """Give the SQL script for ``dialect``; ValueError names what there is where there is no such script."""
    if dialect not in DIALECTS or profile not in PROFILES:
        raise ValueError(f"no views for {profile!r} on {dialect!r}; there are {PROFILES} on {DIALECTS}")
    return (Path(__file__).parent / f"{profile}_{dialect}.sql").read_text("utf-8")


def reading(dialect: str, login: str, schema: str) -> str:
    """Give the script that lets ``login`` read the contract's relations in ``schema``: mssql or postgresql."""
    name, place = quoted(dialect, login), quoted(dialect, schema)
    names = [table.name for table in (*contract.RELATIONS, *contract_cases.RELATIONS)]
    grants = "\n".join(f"GRANT SELECT ON {place}.{each} TO {name};" for each in names)
    text = (Path(__file__).parent / f"reading_{dialect}.sql").read_text("utf-8")
    return text.format(name=name, schema=place, grants=grants)
