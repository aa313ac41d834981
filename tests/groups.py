"""Which tests one worker of xdist runs one after another, while others run beside them."""

import pytest


def join(item: pytest.Item) -> None:
    """Put a test into its group, if it belongs to one and its module says none.

    A crowd of processes never runs beside another, and one worker has the browser. What a module makes for all its
    tests, a process or a filled database, is made once and not by every worker.
    """
    if item.get_closest_marker("xdist_group"):
        return
    marks = [marker for marker in ("processes", "browser") if item.get_closest_marker(marker)]
    for group in marks or ([item.location[0]] if _shares(item) else ()):
        item.add_marker(pytest.mark.xdist_group(group))


def _shares(item: pytest.Item) -> bool:
    """Say whether a test uses what is made once for its module, or a copy of what is filled once."""
    given = getattr(item, "_fixtureinfo", None)
    made = given.name2fixturedefs.items() if given else ()
    return any(name == "filled" or fixtures[-1].scope == "module" for name, fixtures in made)
