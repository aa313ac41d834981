"""How many values there are where so many columns are: what the compiler leaves to the server, read from its tree."""

from collections.abc import Iterator
from typing import Any

Miscount = tuple[int, str]


def counter() -> Any:
    """Return a visitor: ``found(tree)`` gives the number 0 and a message for each miscount. .NET must run already."""
    from Microsoft.SqlServer.TransactSql import ScriptDom

    class Counter(ScriptDom.TSqlFragmentVisitor):  # type: ignore[misc]
        __namespace__ = "identsync.tests"

        def found(self, tree: Any) -> list[Miscount]:
            self.miscounts: list[Miscount] = []
            tree.Accept(self)
            return self.miscounts

        def ExplicitVisit(self, node: Any) -> None:  # noqa: N802
            rule = RULES.get(node.GetType().Name)
            if rule is not None:
                self.miscounts += [(0, f"line {node.StartLine}: {told}") for told in rule(node)]
            node.AcceptChildren(self)

    return Counter()


def _insert(node: Any) -> Iterator[str]:
    columns, source = node.Columns.Count, node.InsertSource
    kind = source.GetType().Name
    if kind == "ValuesInsertSource":
        given = {row.ColumnValues.Count for row in source.RowValues}
    else:
        given = {_width(source.Select)} if kind == "SelectInsertSource" else set()
    yield from (f"INSERT of {each} values into {columns} columns" for each in given - {columns, None} if columns)
    if node.OutputIntoClause is not None:
        yield from _output(node.OutputIntoClause)


def _changed(node: Any) -> Iterator[str]:
    if node.OutputIntoClause is not None:
        yield from _output(node.OutputIntoClause)


def _output(node: Any) -> Iterator[str]:
    given, columns = node.SelectColumns.Count, node.IntoTableColumns.Count
    if columns and given != columns:
        yield f"OUTPUT of {given} values into {columns} columns"


def _both(node: Any) -> Iterator[str]:
    first, second = _width(node.FirstQueryExpression), _width(node.SecondQueryExpression)
    if None not in {first, second} and first != second:
        yield f"{first} columns above UNION, {second} below"


def _width(query: Any) -> int | None:
    """Count the columns of a query; None = it has a star."""
    kind = query.GetType().Name
    if kind == "QueryParenthesisExpression":
        return _width(query.QueryExpression)
    if kind == "BinaryQueryExpression":
        return _width(query.FirstQueryExpression)
    star = any(element.GetType().Name == "SelectStarExpression" for element in query.SelectElements)
    return None if star else int(query.SelectElements.Count)


RULES = {
    "InsertSpecification": _insert,
    "UpdateSpecification": _changed,
    "DeleteSpecification": _changed,
    "BinaryQueryExpression": _both,
}
