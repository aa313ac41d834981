"""SQL that maps a clinic program's own tables onto the contract, to be read by a person and then run by one.

A profile is a program (``ident``); its SQL lies beside this module as ``<profile>_<dialect>.sql``.
"""

from pathlib import Path

DIALECTS = ("mssql", "postgresql", "sqlite")
PROFILES = ("ident",)


def views(dialect: str, profile: str = "ident") -> str:
    """Give the SQL script for ``dialect``; ValueError names what there is where there is no such script."""
    if dialect not in DIALECTS or profile not in PROFILES:
        raise ValueError(f"no views for {profile!r} on {dialect!r}; there are {PROFILES} on {DIALECTS}")
    return (Path(__file__).parent / f"{profile}_{dialect}.sql").read_text("utf-8")
