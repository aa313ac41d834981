"""The site: addresses of the console, put together from the pages of all rooms.

``/<slug>`` a page, ``POST /<slug>/<action>``, ``/corner/<slug>`` its corner, ``/events`` the stream, ``/look`` language
and theme, ``/static``, ``/healthz``, ``/metrics``.
Imported at the first connection only: it brings Starlette and Jinja with it.
"""

import gzip
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from identsync.console import ranges
from identsync.console.clock import DatabaseClock
from identsync.console.corners import Corners
from identsync.console.desk import Desk
from identsync.console.drawing import Drawing, Visit, assets
from identsync.console.events import Sight, Watch
from identsync.console.guard import Token, is_loopback, policy
from identsync.console.i18n import LANGUAGES
from identsync.console.troubles import Trouble, explain, note
from identsync.engine.integration import Answer, Page, PageContext, Role

THEMES = ("auto", "light", "dark")
YEAR = 365 * 86_400
FORM_BYTES = 64 * 1024
PACKED = 4_096  # bytes from which an answer over the network is packed


def _(sentence: str) -> str:
    return sentence


STALE = Trouble(_("Страница устарела: обновите её и повторите."))


@dataclass(frozen=True, slots=True)
class Entry:
    """A page of the menu and the settings of its room."""

    page: Page
    settings: Any = None


class Site:
    """Everything behind the guard; ``app`` is the ASGI application."""

    def __init__(
        self, store: Any, clinic: Any, entries: Sequence[Entry], *, desk: Desk, language: str, zone: str,
        metrics: Callable[[PageContext], bytes], role: Role | None = None, branch: int | None = None,
        options: Any = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._clinic = clinic
        self._entries = {entry.page.slug: entry for entry in entries}
        self._menu = [entry.page for entry in entries]
        self._desk = desk
        self._clock = DatabaseClock(store.now_ms)
        self._language = language
        self._zone = zone
        self._metrics = metrics
        self._role = role
        self._branch = branch
        self._options = options
        self._drawings: dict[str, Drawing] = {}
        self._token = Token()
        self._boot = secrets.token_hex(8)
        self._corners = Corners(store, self._menu, lambda page, user: self._context(self._entries[page.slug], user))
        self.watch = Watch(self._look, self._beats if self._corners else None)
        self.app = Starlette(routes=self._routes())

    def _routes(self) -> list[Route]:
        return [
            Route("/", self._home),
            Route("/events", self._events),
            Route("/look", self._set_look, methods=["POST"]),
            Route("/static/{name}", _static),
            Route("/healthz", _healthz),
            Route("/metrics", self._show_metrics),
            Route("/favicon.ico", _no_icon),
            Route("/corner/{slug}", self._corner),
            Route("/{slug}", self._page),
            Route("/{slug}/{action}", self._act, methods=["POST"]),
            Route("/{slug}/{name}", self._tell),
        ]

    # -- pages -----------------------------------------------------------------------------------------------------

    async def _home(self, request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/{self._menu[0].slug}{query}", 303)

    async def _page(self, request: Request) -> Response:
        visit = self._visit(request)
        entry = self._entries.get(request.path_params["slug"])
        if entry is None:
            return await self._problem(visit, explain(LookupError()), 404)
        try:
            html, marks = await self._desk.call(lambda: self._draw(entry, visit))
        except Exception as error:
            note(error, page=entry.page.slug)
            return await self._problem(visit, explain(error), 503, entry.page)
        return self._html(html, visit, marks)

    def _draw(self, entry: Entry, visit: Visit) -> tuple[str, dict[str, str]]:
        self._clock.renew()
        context = self._context(entry, visit.user)
        version = entry.page.version(context)  # before the view: what changes between the two is drawn again
        values = entry.page.view(context, visit.query)
        given = self._frame(visit, context.now_ms) | {"version": version} | dict(values)
        marks = {"x-version": version, **_allowed(entry.page, context)}
        drawing = self._drawing(visit.language)
        if not visit.fragment:
            given["corners"] = self._corners.every(visit, drawing, given, note)
        return drawing.draw(entry.page.template, visit, entry.page, given), marks

    async def _problem(self, visit: Visit, trouble: Trouble, status: int, page: Page | None = None) -> Response:
        page = page or replace(self._menu[0], slug="", title="identsync", scripts=(), styles=(), allows=None)
        given = self._frame(visit, self._clock.now_ms()) | {"version": "", "trouble": trouble}
        html = self._drawing(visit.language).draw("problem.html", visit, page, given)
        marks = {"x-version": "", **_allowed(page, self._context(Entry(page), visit.user))}
        return self._html(html, visit, marks, status)

    def _frame(self, visit: Visit, now_ms: int) -> dict[str, Any]:
        sight = self.watch.sight
        attention = dict.fromkeys([*self._entries, ""], 0) | (sight.attention if sight else {})
        token = self._token.of(visit.visitor)
        frame = {"menu": self._menu, "attention": attention, "now_ms": now_ms, "token": token}
        return frame | {"corners": self._corners.empty()}

    def _html(self, html: str, visit: Visit, headers: Mapping[str, str], status: int = 200) -> Response:
        marks = {"x-token": self._token.of(visit.visitor), "x-now": str(self._clock.now_ms()), "x-boot": self._boot}
        response = Response(html, status, {**headers, **marks}, "text/html; charset=utf-8")
        _keep(response, "identsync_visitor", visit.visitor)
        if visit.query.get("lang") in LANGUAGES:
            _keep(response, "identsync_lang", visit.language)
        return response

    async def _corner(self, request: Request) -> Response:
        """Answer with a corner as a page answers with its fragment."""
        visit, slug = self._visit(request), request.path_params["slug"]
        if slug not in self._corners:
            return self._notice(visit, explain(LookupError()), 404)
        drawing, frame = self._drawing(visit.language), self._frame(visit, self._clock.now_ms())
        try:
            drawn = await self._desk.call(lambda: self._corners.draw(slug, visit, drawing, frame))
        except Exception as error:
            note(error, page=slug)
            return self._notice(visit, explain(error), 503)
        return self._html(drawn.html, visit, {"x-beat": drawn.beat})

    async def _tell(self, request: Request) -> Response:
        """Answer with a page's data."""
        visit = self._visit(request)
        entry = self._entries.get(request.path_params["slug"])
        name = request.path_params["name"]
        if entry is not None and name in entry.page.media:
            return await self._play(request, visit, entry, name)
        data = entry.page.data.get(name) if entry else None
        if entry is None or data is None:
            return self._notice(visit, explain(LookupError()), 404)
        try:
            answer = await self._desk.call(lambda: data(self._context(entry, visit.user), visit.query))
        except Exception as error:
            note(error, page=entry.page.slug)
            return self._notice(visit, explain(error), 503)
        return _answered(request, answer)

    async def _play(self, request: Request, visit: Visit, entry: Entry, name: str) -> Response:
        """Answer with what a page fetches from outside, or the part of it that is asked for."""
        try:
            answer = await entry.page.media[name](self._context(entry, visit.user), visit.query)
        except Exception as error:
            note(error, page=entry.page.slug)
            return self._notice(visit, explain(error), 503)
        return ranges.answered(request, answer)

    # -- actions ---------------------------------------------------------------------------------------------------

    async def _act(self, request: Request) -> Response:
        visit = self._visit(request)
        entry = self._entries.get(request.path_params["slug"])
        action = entry.page.actions.get(request.path_params["action"]) if entry else None
        if entry is None or action is None:
            return self._notice(visit, explain(LookupError()), 404)
        form = await self._form(request, visit)
        if form is None:
            return self._notice(visit, STALE, 403)
        return await self._do(entry, visit, action, form)

    async def _do(
        self, entry: Entry, visit: Visit, action: Callable[..., str | None], form: Mapping[str, str]
    ) -> Response:
        try:
            text = await self._desk.call(lambda: action(self._context(entry, visit.user), form))
        except Exception as error:
            note(error, page=entry.page.slug)
            return self._notice(visit, explain(error), 409)
        speech = self._drawing(visit.language).speech
        return JSONResponse({"notice": speech.say(text), "kind": "ok"})

    def _notice(self, visit: Visit, trouble: Trouble, status: int) -> Response:
        speech = self._drawing(visit.language).speech
        said = {"notice": speech.say(trouble.title), "todo": speech.say(trouble.todo), "kind": "bad"}
        return JSONResponse(said, status, {"x-token": self._token.of(visit.visitor)})

    async def _form(self, request: Request, visit: Visit) -> dict[str, str] | None:
        """Return the form's fields, or None where it does not carry the visitor's token or is too large."""
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > FORM_BYTES:
                    return None
        except ClientDisconnect:
            return None
        try:
            fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200))
        except ValueError:
            return None
        given = request.headers.get("x-token") or fields.pop("token", "")
        return fields if self._token.fits(visit.visitor, given) else None

    async def _set_look(self, request: Request) -> Response:
        visit = self._visit(request)
        form = await self._form(request, visit)
        if form is None:
            return self._notice(visit, STALE, 403)
        response = Response(status_code=204)
        if form.get("lang") in LANGUAGES:
            _keep(response, "identsync_lang", form["lang"])
        if form.get("theme") in THEMES:
            _keep(response, "identsync_theme", form["theme"])
        return response

    # -- the stream ------------------------------------------------------------------------------------------------

    async def _events(self, _request: Request) -> Response:
        return StreamingResponse(self.watch.follow(self._clock.now_ms, self._boot), media_type="text/event-stream")

    async def _look(self, last: Sight | None) -> Sight:
        try:
            return await self._desk.call(self._sight)
        except Exception as error:
            note(error, page="events")
            return replace(last or Sight({}, {}), trouble=True)

    async def _beats(self) -> dict[str, str] | None:
        try:
            return await self._desk.call(self._corners.beats)
        except Exception:
            return None  # the next look says that the database fails

    def _sight(self) -> Sight:
        self._clock.renew()
        corners, versions, attention = self._corners.beats(), {}, {}
        for slug, entry in self._entries.items():
            context = self._context(entry, "")
            versions[slug] = entry.page.version(context)
            attention[slug] = entry.page.attention(context) if entry.page.attention else 0
        return Sight(versions, attention, corners)

    # -- the rest --------------------------------------------------------------------------------------------------

    async def _show_metrics(self, request: Request) -> Response:
        context = PageContext(self._store, self._clinic, None, "", self._clock.now_ms())
        try:
            body = await self._desk.call(lambda: self._metrics(context))
        except Exception as error:
            note(error, page="metrics")
            return self._notice(self._visit(request), explain(error), 503)
        return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")

    def _context(self, entry: Entry, user: str) -> PageContext:
        now_ms = self._clock.now_ms()
        who = user, now_ms, self._role, self._options, self._branch
        return PageContext(self._store, self._clinic, entry.settings, *who)

    def _drawing(self, language: str) -> Drawing:
        if language not in self._drawings:
            self._drawings[language] = Drawing(language, self._zone)
        return self._drawings[language]

    def _visit(self, request: Request) -> Visit:
        query = dict(request.query_params)
        cookies = request.cookies
        wanted = [query.get("lang"), cookies.get("identsync_lang"), self._language]
        theme = cookies.get("identsync_theme", "")
        return Visit(
            language=next((language for language in wanted if language in LANGUAGES), "ru"),
            theme=theme if theme in THEMES else "auto",
            user=request.scope.get("state", {}).get("user", ""),
            visitor=cookies.get("identsync_visitor", "")[:64] or secrets.token_hex(16),
            query=query,
            fragment="x-fragment" in request.headers,
        )


async def _static(request: Request) -> Response:
    asset = assets().get(request.path_params["name"])
    if asset is None:
        return PlainTextResponse("", 404)
    headers = {"cache-control": "public, max-age=31536000, immutable", "etag": f'"{asset.tag}"'}
    if _far(request) and len(asset.body) > PACKED:
        return Response(asset.packed, 200, headers | {"content-encoding": "gzip"}, asset.media_type)
    return Response(asset.body, 200, headers, asset.media_type)


def _answered(request: Request, answer: Answer) -> Response:
    headers = {}
    if answer.tag:
        headers = {"cache-control": "private, no-cache", "etag": f'"{answer.tag}"'}
        if headers["etag"] == request.headers.get("if-none-match"):
            return Response(status_code=304, headers=headers)
    if answer.file:
        headers["content-disposition"] = f'attachment; filename="{answer.file}"'
    if _far(request) and len(answer.body) > PACKED:
        body = gzip.compress(answer.body, 1)
        return Response(body, 200, headers | {"content-encoding": "gzip"}, answer.media_type)
    return Response(answer.body, 200, headers, answer.media_type)


def _far(request: Request) -> bool:
    """Tell whether packing is worth its time: not for a browser on this computer."""
    here = request.client is not None and is_loopback(request.client.host)
    return not here and "gzip" in request.headers.get("accept-encoding", "")


def _allowed(page: Page, context: PageContext) -> dict[str, str]:
    """Return the policy of a page that allows more than the console's own; a page that failed may draw itself later."""
    return {"content-security-policy": policy(page.allows(context))} if page.allows else {}


async def _healthz(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _no_icon(_request: Request) -> Response:
    return Response(status_code=204)


def _keep(response: Response, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=YEAR, httponly=True, samesite="strict")
