"""The page with the map in Chromium, drawn in software: a hundred thousand patients, from load to cells, and a pan.

"Floor" is the same library with an empty ground and the same page around it: what no map could be faster than here.
"""

import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from benchmarks.harness import OURS, Result

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

TIMES = (
    "addEventListener('load', () => { window.loaded = performance.now(); });"
    "document.addEventListener('map-drawn', () => {"
    " cityMap.on('sourcedata', (e) => { if (e.sourceId === 'ground' && e.isSourceLoaded) window.given = true; });"
    " cityMap.on('render', () => { if (window.given) window.drawn ??= performance.now(); }); });"
)
PAN = """async () => {
  const times = []; let last = performance.now(); let going = true;
  const step = () => {
    const now = performance.now(); times.push(now - last); last = now;
    if (going) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
  for (const by of [[300, 100], [-300, -100]]) {
    cityMap.panBy(by, { duration: 1000, easing: (t) => t });
    await new Promise((done) => cityMap.once('moveend', done));
  }
  going = false;
  return times.slice(2);
}"""
BARE = """() => cityMap.getStyle().layers.slice(1).forEach(
  (layer) => cityMap.setLayoutProperty(layer.id, 'visibility', 'none'))"""


def run(*, quick: bool) -> Iterator[Result]:
    """Measure on SQLite."""
    from browser import BROWSERS, DRAWING, open_browser, serving
    from geocoding import map_seed
    from identsync.clinic.source import ClinicSource
    from identsync.console.server import Console
    from identsync.integrations.geocoding import INTEGRATION
    from identsync.store import open_store

    patients, turns = (10_000, 2) if quick else (50_000, 5)
    with tempfile.TemporaryDirectory() as folder:
        engine, store = create_engine(f"sqlite:///{folder}/clinic.db"), open_store(f"sqlite:///{folder}/store.db")
        store.migrate()
        map_seed.clinic(engine, branches=2, patients=patients)
        clinic = ClinicSource(engine)
        map_seed.places(store, clinic)
        with (
            serving(lambda: Console(store, clinic, rooms=[(INTEGRATION, {})], port=0)) as console,
            closing(BROWSERS),
        ):
            yield from _measured(open_browser(DRAWING), f"{console.url}map", turns, 2 * patients)
        store.close()
        engine.dispose()


def _measured(browser: Any, url: str, turns: int, patients: int) -> Iterator[Result]:
    drawn, frames, bare = list[float](), list[float](), list[float]()
    for turn in range(turns + 1):
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.add_init_script(TIMES)
        page.goto(url)
        page.locator("#geo-map[data-idle]:not([data-idle=''])").wait_for()
        page.wait_for_timeout(500)
        took = page.evaluate("drawn - loaded") / 1000
        pan = [each / 1000 for each in page.evaluate(PAN)]
        page.evaluate(BARE)
        floor = [each / 1000 for each in page.evaluate(PAN)]
        if turn:
            drawn, frames, bare = [*drawn, took], [*frames, statistics.mean(pan)], [*bare, statistics.mean(floor)]
        page.close()
    yield _result("cells drawn after the page's load", OURS, drawn, patients)
    yield _result("a frame of a pan", "floor", bare, 1)
    yield _result("a frame of a pan", OURS, frames, 1)


def _result(case: str, contender: str, seconds: list[float], items: int) -> Result:
    return {
        "benchmark": "map", "case": case, "contender": contender, "seconds": statistics.median(seconds),
        "runs": len(seconds), "items": items, "bytes": 0, "peak_bytes": 0,
    }  # fmt: skip
