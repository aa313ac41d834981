"""What people are writing: kept in this program's memory until it is sent or saved, since an address must not hold it.

A draft belongs to a person and a place of the page ("write/12", "text/new"). The page is drawn from it while its form
is being filled in; nothing of it is in the database, in an address or in a log.
"""

import base64
import binascii
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PureWindowsPath
from typing import Any

from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.errors import IdentsyncError
from identsync.integrations.messaging.message import Attachment
from identsync.integrations.messaging.template import Mistake

MOST = 60
MOST_BYTES = 15 * 1024 * 1024
"""Of all files of one mail: on the way they grow by a third, and most mailboxes take 20 to 25 MB."""
TYPES = {
    "pdf": "application/pdf",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "odt": "application/vnd.oasis.opendocument.text",
    "rtf": "application/rtf",
}


def _(text: str) -> str:
    return text


@dataclass(slots=True)
class Draft:
    """What stands in a form. ``turn`` changes when the program itself writes into it, and with it the fields' ids."""

    fields: dict[str, str] = field(default_factory=dict)
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    turn: int = 0
    mistakes: Sequence[Mistake] = ()
    files: list[Attachment] = field(default_factory=list)
    coming: tuple[str, bytearray] | None = None  # a file of which not all pieces are here
    saved: bool = False  # what stood here is saved or sent
    pressed: Mapping[str, str] = field(default_factory=dict)  # the form that it was saved or sent from
    made: int = 0  # the number it was saved under
    shown: Any = None  # what was asked for: patients found, what a bulk would cost

    def get(self, name: str, otherwise: str = "") -> str:
        """Return what stands in a field."""
        return self.fields.get(name, otherwise)

    def fill(self, **values: str) -> None:
        """Write into fields; the page draws them anew even where somebody has typed."""
        self.fields |= values
        self.turn += 1


class Drafts:
    """The drafts of everybody who uses this program's console; the oldest are forgotten."""

    def __init__(self) -> None:
        self._drafts: OrderedDict[tuple[int, str, str], Draft] = OrderedDict()

    def of(self, context: PageContext, place: str) -> Draft:
        """Return a person's draft of a place, empty where there was none."""
        key = (id(context.store), context.user, place)
        draft = self._drafts.setdefault(key, Draft())
        self._drafts.move_to_end(key)
        while len(self._drafts) > MOST:
            self._drafts.popitem(last=False)
        return draft

    def told(self, context: PageContext, form: Mapping[str, str]) -> Draft:
        """Take what stands in the form of ``form["place"]``."""
        draft = self.of(context, form.get("place", ""))
        draft.fields = {name: text for name, text in form.items() if name not in ("place", "token")}
        draft.saved = False
        return draft

    def forget(self) -> None:
        """Forget everybody's drafts."""
        self._drafts.clear()

    def drop(self, context: PageContext, form: Mapping[str, str], made: int = 0) -> None:
        """Forget a draft that was saved or sent; the next one of this place draws its fields anew."""
        place = form.get("place", "")
        old = self._drafts.pop((id(context.store), context.user, place), None)
        new = self.of(context, place)
        new.turn, new.saved, new.pressed, new.made = (old.turn + 1 if old else 0), True, dict(form), made

    def is_done(self, context: PageContext, form: Mapping[str, str]) -> bool:
        """Tell whether this very form was saved or sent a moment ago: its button was pressed twice.

        Where the answer to the first press was lost, or in another window, the page is still as it was drawn. Its
        ``token`` tells it from a form that a person has filled in once more with the same words.
        """
        return self.of(context, form.get("place", "")).pressed == form


DRAFTS = Drafts()


def new() -> str:
    """Return the address's word for something new: another one each time, so that one that is saved is left behind."""
    return f"new-{secrets.token_hex(3)}"


def find(context: PageContext, form: Mapping[str, str]) -> None:
    """Look for a patient; who is found stands in the draft."""
    draft = DRAFTS.told(context, form)
    wanted = draft.get("q").strip()
    draft.shown = context.clinic.find_patients(wanted) if wanted else None


def found(context: PageContext, place: str) -> dict[str, Any]:
    """Return what the form that looks for a patient shows."""
    draft = DRAFTS.of(context, place)
    return {"place": place, "q": draft.get("q"), "found": draft.shown}


def tell(context: PageContext, form: Mapping[str, str]) -> None:
    """Take what is being typed, so that the page can show what it would be."""
    DRAFTS.told(context, form)


def attach(context: PageContext, form: Mapping[str, str]) -> None:
    """Take a piece of a file; with the last one the file is the draft's."""
    draft = DRAFTS.of(context, form.get("place", ""))
    name, at, size = (
        PureWindowsPath(form.get("name", "")).name[:200],
        pages.number(form.get("at")),
        pages.number(form.get("size")),
    )
    if at is None or not size:
        raise IdentsyncError(_("Файл пуст"))
    if sum(len(file.content) for file in draft.files) + size > MOST_BYTES:
        raise IdentsyncError(_("Файлы больше 15 МБ: такое письмо не дойдёт"))
    kind = TYPES.get(name.rpartition(".")[2].lower())
    if kind is None:
        raise IdentsyncError(_("Такой файл не отправить"), hint=_("Годятся PDF, JPG, PNG, DOC, DOCX, ODT, RTF."))
    buffer = bytearray() if at == 0 or draft.coming is None else draft.coming[1]
    if at != len(buffer) or (at and draft.coming and draft.coming[0] != name):
        raise IdentsyncError(_("Файл дошёл не весь: выберите его ещё раз"))
    buffer += _bytes(form.get("piece", ""))
    if len(buffer) > size:
        raise IdentsyncError(_("Файл дошёл не весь: выберите его ещё раз"))
    draft.coming = (name, buffer)
    if len(buffer) == size:
        draft.coming = None
        draft.files.append(Attachment(name, kind, bytes(buffer)))


def detach(context: PageContext, form: Mapping[str, str]) -> None:
    """Take a file out of a draft."""
    draft, at = DRAFTS.of(context, form.get("place", "")), pages.number(form.get("file"))
    if at is not None and at < len(draft.files):
        del draft.files[at]


def _bytes(piece: str) -> bytes:
    try:
        return base64.b64decode(piece.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise IdentsyncError(_("Файл дошёл не весь: выберите его ещё раз")) from None
