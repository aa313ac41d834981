"""What mail servers say, as people may read it: addresses masked, the cause as words."""

import re

LONGEST = 1_000
_ADDRESS = re.compile(r"[^\s<>\"'(),;:=]+@")
_CODE = re.compile(r"[2-5]\d\d[ -]")
_DIGITS = re.compile(r"\+?\d(?:[ ()-]*\d){9,}")  # as many as a phone has
_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")


def _(text: str) -> str:
    return text


TOO_BIG = _("письмо слишком велико для сервера")
NO_ADDRESS = _("такого адреса нет")
FULL = _("почтовый ящик получателя переполнен")
NOT_WANTED = _("сервер не принял письмо: счёл его нежелательным или запрещённым")
ROUTE = _("почтовый сервер получателя не найден или не отвечает")
NOT_TAKEN = _("сервер не принял письмо")
LATER = _("сервер просит попробовать позже")
BROKEN = _("связь с сервером оборвалась раньше, чем ушло письмо")
ODD = _("сервер ответил непонятно раньше, чем ушло письмо")
NO_ANSWER = _("сервер не ответил, принял ли он письмо")
ODD_ANSWER = _("сервер ответил непонятно, принял ли он письмо")


def masked(text: str) -> str:
    """Return what a server said in one line, cut, with the names of mailboxes and long numbers taken out."""
    said = " ".join(text.encode("utf-8", "replace").decode().split())
    code = said[:4] if _CODE.match(said) else ""  # with a number after it, it would look like a phone
    return (code + _DIGITS.sub("…", _ADDRESS.sub("…@", said[len(code) :])))[:LONGEST]


def enhanced(text: str) -> tuple[int, int] | None:
    """Return subject and detail of the most telling enhanced status (RFC 3463): '552 5.2.2' beats '5.3.0'."""
    found = [(int(match[2]), int(match[3])) for match in _ENHANCED.finditer(text)]
    return min(found, key=lambda pair: (pair[1] == 0, pair[0] == 0)) if found else None


def cause(text: str, code: int = 0) -> str:
    """Return the words for a final refusal: by the enhanced status in the text, else by the reply code."""
    subject, detail = enhanced(text) or (0, 0)
    if (subject, detail) in {(2, 3), (3, 4)}:
        return TOO_BIG
    if (subject, detail) == (2, 2):
        return FULL
    if (subject, detail) in {(4, 4), (4, 7), (4, 1)} or (subject, detail) == (1, 2):
        return ROUTE
    if subject == 7:
        return NOT_WANTED
    if subject == 1 or (subject, detail) == (2, 1):
        return NO_ADDRESS
    return NO_ADDRESS if not subject and code in {550, 551, 553} else NOT_TAKEN
