"""Every sentence of the console and the rooms' pages that is marked for translation.

``python tests/console/strings.py`` prints those without an English one as entries for ``locale/en.po``.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import polib
from jinja2 import Environment
from jinja2.ext import extract_from_ast

SOURCE = Path(__file__).parents[2] / "src" / "identsync"
PO = SOURCE / "console" / "locale" / "en.po"


def of_templates() -> Iterator[tuple[str, str]]:
    """Yield (sentence, file) of each ``_("…")`` and ``plural(n, "…")`` of the templates."""
    environment = Environment(autoescape=True)
    for path in sorted((SOURCE / "console" / "templates").rglob("*.html")):
        tree = environment.parse(path.read_text("utf-8"))
        for _line, _function, said in extract_from_ast(tree, ("_", "plural")):
            texts = said if isinstance(said, tuple) else (said,)
            yield from ((text, str(path.relative_to(SOURCE))) for text in texts if isinstance(text, str))


def of_modules() -> Iterator[tuple[str, str]]:
    """Yield (sentence, file) of each ``_("…")`` in modules that mark their sentences for the console."""
    for path in sorted([*(SOURCE / "console").rglob("*.py"), *(SOURCE / "integrations").rglob("*.py")]):
        text = path.read_text("utf-8")
        tree = ast.parse(text if "def _(" in text else "")  # most modules have nothing to say
        marks = any(isinstance(node, ast.FunctionDef) and node.name == "_" for node in tree.body)
        if marks:
            yield from ((text, str(path.relative_to(SOURCE))) for text in _marked(tree))


def _marked(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name == "_" and isinstance(node.args[0].value, str):
            yield node.args[0].value


def of_rooms() -> Iterator[tuple[str, str]]:
    """Yield the rooms' titles: the part before the colon of a task's title."""
    from identsync.integrations import ROOMS, load

    yield from ((load(room).title, room) for room in ROOMS)


@cache
def sentences() -> dict[str, str]:
    """Return every sentence and a file where it stands."""
    return dict([*of_templates(), *of_modules(), *of_rooms()])


def untranslated() -> dict[str, str]:
    """Return the sentences without an English one."""
    known = {entry.msgid for entry in polib.pofile(str(PO)) if entry.msgstr}
    return {sentence: place for sentence, place in sentences().items() if sentence not in known}


if __name__ == "__main__":
    for sentence, place in untranslated().items():
        print(polib.POEntry(msgid=sentence, occurrences=[(place, "")]))
