"""The corners: what rooms show on every page. Their beats are asked often, by key; they are drawn when one changed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from identsync.console.drawing import Drawing, Visit
from identsync.engine.integration import Corner, Page, PageContext
from identsync.store import pulse


@dataclass(frozen=True, slots=True)
class Drawn:
    """A corner as it stands in a page; an unknown ``beat`` has the browser ask for it at once."""

    slug: str
    title: str
    styles: Sequence[str]
    html: str = ""
    beat: str = ""


class Corners:
    """The corners of the pages that have one; everything here is done in the database thread."""

    def __init__(self, store: Any, pages: Iterable[Page], context: Callable[[Page, str], PageContext]) -> None:
        self._store = store
        self._context = context
        self._corners = {page.slug: (page, page.corner) for page in pages if page.corner is not None}

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self._corners)

    def __contains__(self, slug: str) -> bool:
        """Tell whether the page ``slug`` has one."""
        return slug in self._corners

    def beats(self) -> dict[str, str]:
        """Return each corner's beat, which changes when one of its pulses was rung: one look by key."""
        if not self._corners:
            return {}
        names = {slug: corner.pulses(self._context(page, "")) for slug, (page, corner) in self._corners.items()}
        with self._store.read() as connection:
            found = pulse.beats(connection, sorted({name for some in names.values() for name in some}))
        return {slug: ".".join(str(found[name]) for name in some) for slug, some in names.items()}

    def draw(self, slug: str, visit: Visit, drawing: Drawing, frame: Mapping[str, Any]) -> Drawn:
        """Draw a corner; its beat is read before its view, so that what changes between the two is drawn again."""
        page, corner = self._corners[slug]
        beat = self.beats()[slug]
        values = corner.view(self._context(page, visit.user), visit.query)
        html = self._html(page, corner, visit, drawing, {**frame, **values})
        return Drawn(slug, page.title, page.styles, Markup(html), beat)  # noqa: S704  drawn with autoescape

    def every(
        self, visit: Visit, drawing: Drawing, frame: Mapping[str, Any], failed: Callable[[Exception, str], None]
    ) -> list[Drawn]:
        """Draw all of them for a page that is drawn whole; one that cannot be drawn never costs the page."""
        found = []
        for slug, (page, _corner) in self._corners.items():
            try:
                found.append(self.draw(slug, visit, drawing, frame))
            except Exception as error:
                failed(error, slug)
                found.append(Drawn(slug, page.title, page.styles))
        return found

    def empty(self) -> list[Drawn]:
        """Return them undrawn, for a page that could not be drawn itself."""
        return [Drawn(slug, page.title, page.styles) for slug, (page, _corner) in self._corners.items()]

    def _html(
        self, page: Page, corner: Corner, visit: Visit, drawing: Drawing, given: Mapping[str, Any]
    ) -> str:  # fmt: skip
        return drawing.draw(corner.template, replace(visit, query={}, fragment=True), page, given)
