"""Draws pages: Jinja environments, one a language, with the words, moments and links that templates use."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from identsync import language
from identsync.console.i18n import Catalog, catalog
from identsync.console.moments import Moments, hhmm, iso, phone
from identsync.console.troubles import of_note
from identsync.console.words import said_counts
from identsync.engine.integration import Page

HERE = Path(__file__).parent
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Visit:
    """Who looks and how: language, theme (auto, light, dark), the cookie's random name, the address's parameters."""

    language: str
    theme: str
    user: str
    visitor: str
    query: Mapping[str, str]
    fragment: bool = False


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file, read once; ``tag`` changes with its bytes."""

    body: bytes
    media_type: str
    tag: str

    @property
    def packed(self) -> bytes:
        """The same, by gzip."""
        return _packed(self.body)


@cache
def _packed(body: bytes) -> bytes:
    return gzip.compress(body, 6, mtime=0)


@cache
def assets() -> dict[str, Asset]:
    """Return the static files by name; nothing else is ever served from the disk."""
    found = {}
    for path in sorted((HERE / "static").rglob("*.*")):  # vendor/ is put there by setup.py
        if path.suffix in TYPES:
            body = path.read_bytes()
            found[path.name] = Asset(body, TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:12])
    return found


def static(name: str) -> str:
    """Return the address of a static file; it changes with its bytes, so browsers may keep it for ever."""
    return f"/static/{name}?v={assets()[name].tag}"


class Query(dict[str, str]):
    """The address's parameters; one that is not there is empty."""

    def __missing__(self, _name: str) -> str:
        return ""


class Drawing:
    """Templates in one language; ``zone`` is the zone of this client's branch."""

    def __init__(self, language: str, zone: str) -> None:
        self.speech = catalog(language)
        self.moments = Moments(self.speech, zone)
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
        self._environment.filters.update(_filters(self.moments, self.speech))
        self._environment.globals.update(
            _=self.speech,
            say=self.speech.say,
            plural=self.speech.plural,
            static=static,
            lang=self.speech.language,
            zone=zone,
            words=self.moments.words() | _script_words(self.speech),
        )

    def draw(self, template: str, visit: Visit, page: Page, values: Mapping[str, Any]) -> str:
        """Return the page's HTML, or its content alone for a visit that asks for the fragment."""
        corners = values.get("corners", ())
        given = {
            "page": page,
            "styles": list(dict.fromkeys([*(style for corner in corners for style in corner.styles), *page.styles])),
            "query": Query(visit.query),
            "user": visit.user,
            "theme": visit.theme,
            "fragment": visit.fragment,
            "link": partial(_link, page.slug, visit.query),
        }
        return self._environment.get_template(template).render(given | dict(values))


def _link(slug: str, query: Mapping[str, str], **changes: object) -> str:
    wanted = {**query, **{name: None if value is None else str(value) for name, value in changes.items()}}
    kept = {name: value for name, value in wanted.items() if value is not None and name != "lang"}
    return f"/{slug}?{urlencode(kept)}" if kept else f"/{slug}"


def _(sentence: str) -> str:
    return sentence


def _script_words(speech: Catalog) -> dict[str, str]:
    """Return what ``console.js`` says about the connection."""
    return {
        "live": speech(_("на связи")),
        "lost": speech(_("нет связи")),
        "banner": speech(_("Нет связи с программой. На странице то, что было в {time}. Соединяемся снова…")),
        "trouble": speech(_("База данных не отвечает. На странице то, что было раньше; обновится само.")),
        "failed": speech(_("Не получилось: программа не ответила. Попробуйте ещё раз.")),
        "copied": speech(_("Скопировано")),
        "next": speech(_("следующая строка")),
        "previous": speech(_("предыдущая строка")),
        "open": speech(_("открыть")),
        "close": speech(_("закрыть, снять выбор")),
        "keys": speech(_("эта подсказка")),
    }


def _filters(moments: Moments, speech: Catalog) -> dict[str, Any]:
    @pass_context
    def ago(context: Context, ms: int) -> str:
        return moments.ago(ms, context["now_ms"])

    @pass_context
    def until(context: Context, ms: int) -> str:
        return moments.until(ms, context["now_ms"])

    @pass_context
    def span(context: Context, since_ms: int) -> str:
        return moments.span(context["now_ms"] - since_ms)

    @pass_context
    def short(context: Context, ms: int, zone: str | None = None) -> str:
        return moments.short(ms, context["now_ms"], zone)

    def told(note: str | None) -> str:
        trouble, detail = of_note(note or "")
        return ": ".join(text for text in (speech.say(trouble.title) if trouble else "", speech.say(detail)) if text)

    def said(text: str | None) -> str:
        """Say what a room has kept by key and fields; other texts as far as the console knows them."""
        words = language.said(text or "", speech.language)
        return speech.say(words) if words == text else words

    plain = {
        "clock": moments.clock,
        "day": moments.day,
        "moment": moments.moment,
        "took": moments.length,
        "atmost": moments.atmost,
    }
    return plain | {
        "ago": ago,
        "until": until,
        "span": span,
        "short": short,
        "told": told,
        "said": said,
        "counts": partial(said_counts, speech),
        "number": moments.number,
        "iso": iso,
        "hhmm": hhmm,
        "phone": phone,
    }
