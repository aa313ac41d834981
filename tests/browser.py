"""A real Chromium for the tests of pages, and a console for it to look at.

In a test module: ``from browser import Tab, browser, serving, tab`` and ``pytestmark = pytest.mark.browser``. It holds
plain functions only: playwright's loop runs in the test's thread, an ``async def`` test beside it could not.
"""

import asyncio
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome",
    "msedge",
)
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
DRAWING = [
    *(argument for argument in ARGUMENTS if argument != "--disable-gpu"),
    "--enable-unsafe-swiftshader", "--use-angle=swiftshader",
]  # fmt: skip
"""For pages that draw with WebGL: in software, so that no test needs a graphics card."""
MISSING = (
    "no Chromium on this computer: install one (Debian: chromium-headless-shell) or name it in IDENTSYNC_CHROMIUM "
    "to run the tests of the console's pages in a real browser"
)

expect.set_options(timeout=30_000)  # playwright's five seconds are not enough for a browser on a busy machine

# WCAG 2: a contrast of 4.5 is legible for everybody.
DIM = """() => {
  const parse = (text) => (text.match(/[0-9.]+/g) || []).map(Number);
  const linear = (v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
  const paper = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const said = (e) => e.nodeName !== "KBD" && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  const contrast = (e) => {
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(paper(e))].sort((a, b) => b - a);
    return (a + .05) / (b + .05);
  };
  return [...document.querySelectorAll("main *")]
    .filter((e) => e.checkVisibility({ opacityProperty: true }) && said(e) && contrast(e) < 4.5)
    .map((e) => `${e.className} ${e.textContent.trim().slice(0, 30)} ${contrast(e).toFixed(2)}`);
}"""


def find() -> str | None:
    """Return the path of a Chromium-like browser, or None."""
    named = os.environ.get("IDENTSYNC_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


class Browsers:
    """The browsers that are open, by their arguments; playwright's loop, in this very thread, lives as long as they."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, ...], Browser] = {}
        self._ends = ExitStack()

    def open(self, path: str, arguments: tuple[str, ...]) -> Browser:
        if not self._open:
            self._playwright = self._ends.enter_context(sync_playwright())
        if arguments not in self._open:
            launched = self._playwright.chromium.launch(executable_path=path, args=list(arguments))
            self._ends.callback(launched.close)
            self._open[arguments] = launched
        return self._open[arguments]

    def close(self) -> None:
        self._open.clear()
        self._ends.close()


BROWSERS = Browsers()


def open_browser(arguments: Sequence[str] = ARGUMENTS) -> Browser:
    """Return a headless browser; skips the test, saying why, where there is none.

    It stays open for the modules to come, until conftest closes it before a test that drives no browser.
    """
    path = find()
    if path is None:
        pytest.skip(MISSING)
    return BROWSERS.open(path, tuple(arguments))


@dataclass
class Tab:
    """A page in the browser and everything its console said; ``complaints`` must stay empty."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")


def dim(page: Page) -> list[str]:
    """Return the texts of a page that stand out too little from the paper behind them, each with its contrast."""
    return list(page.evaluate(DIM))


@contextmanager
def serving(make: Callable[[], Any]) -> Iterator[Any]:
    """Start ``make()``'s Console in a thread with a loop of its own; yield it, started; stop it at the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="console-under-test")
    thread.start()

    async def start() -> Any:
        console = make()
        await console.start()
        return console

    console = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield console
    finally:
        asyncio.run_coroutine_threadsafe(console.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="module")
def browser() -> Browser:
    """One browser for all modules."""
    return open_browser()


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    """A fresh tab, 1366x768, light, Russian, without cookies; fails the test if the page's console complained."""
    context = browser.new_context(viewport={"width": 1366, "height": 768}, color_scheme="light", locale="ru-RU")
    tab = Tab(context.new_page())
    yield tab
    context.close()
    assert tab.complaints == []
