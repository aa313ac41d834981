"""What the compiler says of statements, each as the body of a procedure with its parameters."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from sqlserver import fetching
from sqlserver.database import texts

TARGET = "Sql130"  # SQL Server 2016, the oldest that we promise
_ELSEWHERE = ((r"\bidentsync\.(?=clinic_)", "dbo."), (r"\bsys\.", "server."), (r"\btrial_[0-9a-f]{8}_", ""))
"""What stands under another name in the compiler's database: views, what is the server's own, scratch tables."""
_PLAIN = re.compile(r"('(?:[^']|'')*'|\[[^\]]*\]|--[^\n]*)|\?")
_LIST = re.compile(r"\(\?(, \?)+\)")
_ROWS = re.compile(r"(\([^()]*\?[^()]*\))(, \1)+")


@dataclass(frozen=True)
class Statement:
    """A text with its parameters marked by ``?``, the types of these as far as known, and where it stands."""

    text: str
    kinds: tuple[str, ...]
    place: str


@dataclass(frozen=True)
class Question:
    """Statements, and the database that they are asked about: ours unless another is given.

    ``counting``: how many values there are is looked at too. SQLAlchemy never errs in that, and it takes as long again.
    """

    statements: Iterable[Statement] = ()
    database: Iterable[str] | None = None
    counting: bool = False

    def named(self) -> dict[str, Statement]:
        """Return the statements by the names of their procedures; texts that differ in the length of a list are one."""
        return {f"s{number}": statement for number, statement in enumerate(distinct(self.statements))}

    def told(self, named: Mapping[str, Statement]) -> dict[str, object]:
        """Return what the compiler is told."""
        asked = {name: procedure(name, statement) for name, statement in named.items()}
        there = [*(texts() if self.database is None else self.database)]
        return {"target": TARGET, "database": there, "asked": asked, "counting": self.counting}


def judge(*questions: Question) -> list[list[str]]:
    """Return what the compiler finds fault with in each question; it is started once, which takes seconds."""
    named = [question.named() for question in questions]
    answers = _answers([question.told(names) for question, names in zip(questions, named, strict=True)])
    return [[*dict.fromkeys(_told(answer, names))] for answer, names in zip(answers, named, strict=True)]


def distinct(statements: Iterable[Statement]) -> list[Statement]:
    """Leave one of the texts that differ only in how many values are in a list, or how many rows are written."""
    shortest: dict[str, Statement] = {}
    for statement in sorted(statements, key=lambda each: (len(each.text), each.text)):
        shortest.setdefault(_ROWS.sub(r"\1", _LIST.sub("(?)", _renamed(statement.text))), statement)
    return [*shortest.values()]


def procedure(name: str, statement: Statement) -> str:
    """Make a procedure of a statement."""
    numbers, kinds = count(1), iter(statement.kinds)
    declared: list[str] = []

    def mark(found: re.Match[str]) -> str:
        if found[1] is not None:
            return found[1]
        declared.append(f"@p{next(numbers)} {next(kinds, 'nvarchar(4000)')}")
        return declared[-1].split()[0]

    body = _PLAIN.sub(mark, _renamed(statement.text))
    return f"CREATE PROCEDURE dbo.{name} {', '.join(declared)} AS\n{body}"


def _renamed(text: str) -> str:
    for name, other in _ELSEWHERE:
        text = re.sub(name, other, text)
    return text


def _answers(questions: list[dict[str, object]]) -> list[list[tuple[str, str, int, str]]]:
    command = [sys.executable, str(Path(__file__).with_name("compiler.py")), str(fetching.compiler())]
    run = subprocess.run(
        command, input=json.dumps(questions), capture_output=True, text=True, check=False, env=fetching.environment()
    )
    if run.returncode:
        raise RuntimeError(f"the compiler broke off with {run.returncode}: {run.stderr[-2000:]}")
    return [[tuple(each) for each in answer] for answer in json.loads(run.stdout)]


def _told(answer: list[tuple[str, str, int, str]], named: Mapping[str, Statement]) -> Iterator[str]:
    for name, kind, number, message in answer:
        said = f"{kind} SQL{number}: {message.partition('SqlProcedure: ')[2] or message}"
        statement = named.get(name)
        yield f"{statement.place}: {said}\n    {statement.text[:600]}" if statement else f"the database: {said}"
