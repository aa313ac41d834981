"""Microsoft's offline compiler of T-SQL, as a process: ``compiler.py FOLDER``, where ``fetching.py`` has put it.

Standard input: one JSON object {"target": "Sql130", "database": [text...], "asked": {name: text}}. Each text is one
statement CREATE; those that are asked about make dbo.name. Standard output: a JSON list of [name, "Error" or "Warning",
number, message], where name is "" for a text of the database that cannot be read. It is DacFx's TSqlModel: what is
created is parsed, and what it refers to is looked for in what else was created.
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


def compile_all(database: list[str], asked: dict[str, str], target: str) -> Iterator[Fault]:
    """Yield everything that the compiler says of the texts."""
    from Microsoft.SqlServer.TransactSql import ScriptDom

    parser = getattr(ScriptDom, target.replace("Sql", "TSql") + "Parser")(True)
    texts = [*(("", text) for text in database), *asked.items()]
    readable = []
    for name, text in texts:
        faults = [(name, "Error", *fault) for fault in _misspelled(parser, text)]
        yield from faults
        if not faults:
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


def _misspelled(parser: Any, text: str) -> Iterator[tuple[int, str]]:
    from System.IO import StringReader

    _tree, errors = parser.Parse(StringReader(text), None)
    for error in errors:
        line = text.splitlines()[error.Line - 1]
        yield int(error.Number), f"{error.Message} {line[max(0, error.Column - 60) : error.Column + 40]!r}"


def main() -> None:
    """Read the question, print the answer."""
    asked = json.load(sys.stdin)
    load(Path(sys.argv[1]))
    json.dump([*compile_all(asked["database"], asked["asked"], asked["target"])], sys.stdout)


if __name__ == "__main__":
    main()
