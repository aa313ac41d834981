"""``identsync check`` of the sites: each is knocked at, no timetable is changed."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from identsync.engine import pages
from identsync.errors import IdentsyncError, Problem
from identsync.integrations.timetable import wire
from identsync.integrations.timetable.settings import Destination
from identsync.language import _
from identsync.values import secret

if TYPE_CHECKING:
    from identsync.flows.http import Http


async def check(settings: Mapping[str, Destination], context: Any) -> list[Problem]:
    """Knock at every site with a body that is no timetable; returns what is wrong with each, never raises.

    No site can take such a body for an empty timetable; one that knows the key complains of the body.
    """
    from identsync.flows.http import Http

    problems = []
    async with Http() as http:
        for name, site in settings.items():
            problem = await _try(http, f"timetable.{name}", site, context)
            if problem is not None:
                problems.append(problem)
    return problems


def _knock() -> Iterator[memoryview]:
    yield memoryview(b"identsync check")


async def _try(http: "Http", where: str, site: Destination, context: Any) -> Problem | None:
    try:
        missing = pages.unknown_branches(context, site.branches)
        key = secret(site.key)
        headers = {wire.KEY_HEADER: key}
        answer = await http.post_chunks(
            f"{site.url}/{wire.METHOD}", headers, _knock, content_type="text/plain; charset=utf-8", deadline=15
        )
    except IdentsyncError as error:
        return Problem(where, f"{error} {error.raw[:200]}".strip(), error.hint)
    if answer.status in {404, 405, 410}:
        return Problem(where, _("по этому адресу нет службы ({status})", status=answer.status), _("проверьте url"))
    if missing:
        ids = ", ".join(map(str, missing))
        return Problem(where, _("таких филиалов нет: {ids}", ids=ids), _("исправьте branches"))
    return None
