"""A room of a test: a page with a corner, and with sounds that are fetched from outside."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from jinja2 import ChoiceLoader, DictLoader, FileSystemLoader

from identsync.console import drawing
from identsync.engine.integration import Answer, Corner, Integration, Page, PageContext
from identsync.errors import Unavailable
from identsync.store import Store, open_store

TEMPLATES = {
    "test/page.html": '{% extends "base.html" %}{% block content %}<h1>Комната</h1><input id="low">{% endblock %}',
    "test/corner.html": (
        '{% import "ui.html" as ui with context %}<p id="said" role="status">{{ user }}: {{ news }}</p>'
        '{% if news %}<div class="card" id="card"{% if until %} data-until="{{ until }}"{% endif %}><h2>{{ news }}</h2>'
        '<input id="typed">{{ ui.button("Скрыть", "hide", key="z") }}'
        '<button type="button" id="close" data-close data-post="/room/hide">Закрыть</button></div>{% endif %}'
    ),
}
SOUND = bytes(range(256)) * 4


class Room:
    """What the corner says now; ``broken`` makes it fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.news = ""
        self.until = 0
        self.broken = False
        self.branch: int | None = None

        def loader(path: Any) -> Any:
            return ChoiceLoader([DictLoader(TEMPLATES), FileSystemLoader(path)])

        monkeypatch.setattr(drawing, "FileSystemLoader", loader)

    def rooms(self) -> list[tuple[Integration, Any]]:
        """The rooms of a console that has this one alone."""
        return [(Integration("room", "Комната", dict, lambda *_: [], pages=lambda: (self.page(),)), None)]

    def page(self) -> Page:
        return Page(
            "room",
            "Комната",
            "test/page.html",
            view=lambda _context, _query: {},
            version=lambda _context: "1",
            actions={"hide": self._hide},
            media={"sound": _sound, "gone": _gone},
            corner=Corner("test/corner.html", self._view, lambda _context: ("news", "more")),
        )

    def _view(self, context: PageContext, _query: Mapping[str, str]) -> dict[str, Any]:
        self.branch = context.branch
        if self.broken:
            raise RuntimeError("the corner is broken")
        return {"news": self.news, "until": self.until}

    def _hide(self, _context: PageContext, _form: Mapping[str, str]) -> str:
        self.news = ""
        return "Скрыто"


async def _sound(_context: PageContext, _query: Mapping[str, str]) -> Answer:
    return Answer(SOUND, "audio/wav", "v1")


async def _gone(_context: PageContext, _query: Mapping[str, str]) -> Answer:
    raise Unavailable("the recording is not ready", sent=False)


@pytest.fixture
def place(clone: Callable[[str], str]) -> Iterator[Store]:
    store = open_store(clone("sqlite"))
    yield store
    store.close()


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    return Room(monkeypatch)
