"""Texts from outside as the columns of every database take them."""


def printable(text: str) -> str:
    """Return a text every database takes: no NUL (PostgreSQL), no half of a surrogate pair (no UTF-8)."""
    text = text.replace("\0", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def cut(text: str, units: int) -> str:
    """Cut a text to so many UTF-16 units, as SQL Server counts them, never through a character."""
    if len(text) * 2 <= units:
        return text
    return text.encode("utf-16-le")[: units * 2].decode("utf-16-le", "ignore")


def fitting(text: str, units: int) -> str:
    """Return as much of any text as a column of so many units takes."""
    return cut(printable(text), units)
