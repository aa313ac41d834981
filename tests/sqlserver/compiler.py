"""Microsoft's offline compiler of T-SQL, as a process: ``compiler.py FOLDER``, where ``fetching.py`` has put it.

Standard input: a JSON list of questions {"target": "Sql130", "database": [text...], "asked": {name: text}, "counting":
bool}. Each text is one statement CREATE; those that are asked about make dbo.name. Standard output: for each question
a JSON list of [name, "Error" or "Warning", number, message], where name is "" for a text of the database that cannot be
read. It is DacFx's TSqlModel: what is created is parsed, and what it refers to is looked for in what else was created.
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DLLS = (
    "Microsoft.SqlServer.TransactSql.ScriptDom",
    "Microsoft.Data.Tools.Schema.Sql",
    "Microsoft.SqlServer.Dac",
    "Microsoft.SqlServer.Dac.Extensions",
)
RUNTIME = {
    "tfm": "netcoreapp3.1",
    "framework": {"name": "Microsoft.NETCore.App", "version": "3.1.0"},
    "configProperties": {"System.Globalization.Invariant": False},  # DacFx compares names by a culture's rules
}
Fault = tuple[str, str, int, str]
_ELEMENT = re.compile(r"\[dbo\]\.\[(\w+)\]")


def load(folder: Path) -> None:
    """Start .NET in this process, with the compiler in it."""
    from pythonnet import load as start

    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as settings:
        json.dump({"runtimeOptions": RUNTIME}, settings)
        settings.flush()
        start("coreclr", runtime_config=settings.name, dotnet_root=str(folder / "dotnetcore2" / "bin"))
    import clr

    clr.AddReference("System.Runtime")
    from System.Reflection import Assembly

    for name in DLLS:
        path = str(folder / "mssqlcli" / "mssqltoolsservice" / "bin" / f"{name}.dll")
        Assembly.LoadFrom(path)
        clr.AddReference(path)


def compile_all(database: list[str], asked: dict[str, str], target: str, *, counting: bool) -> Iterator[Fault]:
    """Yield everything that the compiler says of the texts."""
    from counting import counter
    from Microsoft.SqlServer.TransactSql import ScriptDom
    from System.IO import StringReader

    parser = getattr(ScriptDom, target.replace("Sql", "TSql") + "Parser")(True)
    count = counter().found if counting else lambda _tree: ()
    texts = [*(("", text) for text in database), *asked.items()]
    readable = []  # a text that is not would spoil all that come after it
    for name, text in texts:
        tree, errors = parser.Parse(StringReader(text), None)
        yield from ((name, "Error", int(error.Number), f"{error.Message} {_where(text, error)!r}") for error in errors)
        if not errors.Count:
            yield from ((name, "Error", *fault) for fault in count(tree))
            readable.append((name, text))
    yield from _linked(readable, target)


def _linked(texts: list[tuple[str, str]], target: str) -> Iterator[Fault]:
    from Microsoft.SqlServer.Dac import Model

    built = Model.TSqlModel(getattr(Model.SqlServerVersion, target), Model.TSqlModelOptions())
    for at, (name, text) in enumerate(texts):
        try:
            built.AddObjects(text)
        except Model.DacModelException as error:  # nothing more can be done with this model
            yield from ((name, str(one.MessageType), int(one.Number), str(one.Message)) for one in error.Messages)
            yield from _linked(texts[:at] + texts[at + 1 :], target)
            return
    for said in built.Validate():
        element = _ELEMENT.search(message := str(said.Message))
        yield (element[1] if element else "", str(said.MessageType), int(said.Number), message)


def _where(text: str, error: Any) -> str:
    line, column = text.splitlines()[error.Line - 1], error.Column
    return line[max(0, column - 60) : column + 40]


def main() -> None:
    """Read the questions, print the answers."""
    questions = json.load(sys.stdin)
    load(Path(sys.argv[1]))
    json.dump([[*compile_all(**question)] for question in questions], sys.stdout)


if __name__ == "__main__":
    main()
