"""One message composed by a person, and a treatment plan: written to the outbox as they shall go out."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert

from identsync.flows.outbox_book import Draft, plan
from identsync.integrations.messaging import template as texts
from identsync.integrations.messaging.consent import normal
from identsync.integrations.messaging.message import Attachment, Kind, Medium, Rank
from identsync.integrations.messaging.rules import Mistaken
from identsync.spans import DAY_MS
from identsync.store.tables import message, message_file

GOOD_FOR = {"single": DAY_MS, "plan": 7 * DAY_MS}
RANK = {"single": Rank.SINGLE, "plan": Rank.PLAN}
MOST_BYTES = 20 * 1024 * 1024
"""Of all files of a mail: what most mailboxes take."""


def _(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a person sends: to a patient (his address as it will be then) or, where there is none, to ``address``.

    ``purpose`` 'single' or 'plan' (of treatment: a mail with a file to a confirmed address). ``token`` is the form's
    own: sent twice by an impatient finger it is one message. ``urgent`` = even at night, because a person says so.
    """

    token: str
    medium: Medium
    text: str
    subject: str = ""
    patient_id: int | None = None
    address: str = ""
    branch_id: int | None = None
    kind: Kind = Kind.SERVICE
    purpose: str = "single"
    urgent: bool = False
    files: Sequence[Attachment] = ()
    due_ms: int = 0  # not before; 0 = at once

    def mistakes(self) -> list[texts.Mistake]:
        """Say everything that is wrong with it."""
        found = texts.mistakes(_plain(self.text), self.medium, self.kind, _plain(self.subject))
        if self.patient_id is None and not normal(self.medium, self.address):
            found.append(texts.Mistake(_("некому отправлять"), field="address"))
        if self.files and self.medium is not Medium.EMAIL:
            found.append(texts.Mistake(_("файл можно отправить только письмом"), field="files"))
        if sum(len(file.content) for file in self.files) > MOST_BYTES:
            found.append(texts.Mistake(_("файлы больше 20 МБ"), field="files"))
        if self.purpose == "plan" and not self.files:
            found.append(texts.Mistake(_("нет файла с планом лечения"), field="files"))
        if self.purpose == "plan" and self.patient_id is None:
            found.append(texts.Mistake(_("план лечения отправляется только пациенту"), field="address"))
        return found


def send(connection: Connection, letter: Letter, *, by: str, now_ms: int) -> int | None:
    """Plan a message and give its outbox id, None where it is planned already; raises Mistaken."""
    if wrong := letter.mistakes():
        raise Mistaken(wrong)
    key = hashlib.sha256(f"{letter.purpose}|{letter.token}".encode()).hexdigest()
    address = None if letter.patient_id is not None else normal(letter.medium, letter.address)
    due = max(now_ms, letter.due_ms)
    draft = Draft(
        key=key, due_ms=due, until_ms=due + GOOD_FOR[letter.purpose], rank=RANK[letter.purpose], address=address
    )
    made = plan(connection, f"messaging/{letter.medium}", 0, [draft], now_ms).get(key)
    if made is not None:
        connection.execute(insert(message).values(outbox_id=made, **_columns(letter, by)))
        if letter.files:
            connection.execute(insert(message_file), [_file(made, file) for file in letter.files])
    return made


def _plain(text: str) -> str:
    """A person's text is sent as written: its braces are no places."""
    return text.replace("{", "{{").replace("}", "}}")


def _columns(letter: Letter, by: str) -> dict[str, object]:
    return {
        "medium": str(letter.medium),
        "kind": str(letter.kind),
        "purpose": letter.purpose,
        "patient_id": letter.patient_id,
        "branch_id": letter.branch_id,
        "subject": texts.one_line(letter.subject) or None,
        "text": letter.text.strip(),
        "made_by": by[:100],
        "urgent": int(letter.urgent),
    }


def _file(outbox_id: int, file: Attachment) -> dict[str, object]:
    name = texts.one_line(file.name) or _("файл")
    return {"outbox_id": outbox_id, "name": name, "media_type": file.media_type[:100], "content": file.content}
