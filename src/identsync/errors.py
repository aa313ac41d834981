"""Every error of the engine, grouped by what the engine does next.

::

    IdentsyncError
    ├── Stop                  the client does not start, or ends: a person must change something first
    │   ├── SettingsError     every mistake of the settings at once
    │   ├── ContractError     the clinic's views are missing or have other columns
    │   └── SchemaError       the engine's tables are too new for this client, or could not be upgraded
    ├── AskPerson             this task waits until a person has decided
    │   ├── NotHere           this computer lacks something that the task needs; others may have it and do the task
    │   │   └── NoSecret      a secret is not kept on this computer, or cannot be read here
    │   ├── Refused           the other side refused our key or rights (401, 403)
    │   └── SuspiciousChange  the clinic's data shrank so much that a failed read is likelier than the truth
    ├── Later                 the same thing is tried again, by itself
    │   ├── Unavailable       no answer, a time-out, 5xx; ``sent`` says whether the request may have arrived
    │   │   ├── Untrusted     this computer does not trust the other side's certificate; others may
    │   │   └── NoDatabase    the engine's database, or the clinic's, does not answer: nobody outside has to do with it
    │   └── Limited           429 or a full channel; ``after_ms`` says how long to wait
    ├── Unexpected            the answer is not what the protocol promises; kept raw, shown to a person
    └── StaleFence            another client holds the task now: stop quietly, write nothing

``str(error)`` never holds a name, a phone, a token or an address of a patient.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class IdentsyncError(Exception):
    """An error of the engine: ``key`` names the sentence in the user's language, ``hint`` says what to do.

    ``elsewhere`` = it is for what this computer lacks, and another one may do the same thing at once.
    """

    key = "error"
    elsewhere = False

    def __init__(self, message: str, *, hint: str = "", raw: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.raw = raw


class Stop(IdentsyncError):
    """The client does not start, or ends."""

    key = "error.stop"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is (table and key, view and column), what is wrong, what to do."""

    where: str
    what: str
    hint: str = ""


class _Problems(Stop):
    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(f"{p.where}: {p.what}" for p in problems))
        self.problems = tuple(problems)


class SettingsError(_Problems):
    """Every mistake of the settings, by table and key."""

    key = "error.settings"


class ContractError(_Problems):
    """Views or columns of the clinic's contract that are missing or of the wrong type."""

    key = "error.contract"


class SchemaError(Stop):
    """The engine's tables are too new for this client, or could not be brought to what it needs."""

    key = "error.schema"


class AskPerson(IdentsyncError):
    """This task waits until a person has decided."""

    key = "error.ask"


class NotHere(AskPerson):
    """This computer lacks what the task needs: a secret, a library, a folder. Another one may have it."""

    key = "error.not_here"
    elsewhere = True


class NoSecret(NotHere):
    """A secret is not kept on this computer, or cannot be read here."""

    key = "error.secret"


class Refused(AskPerson):
    """The other side refused our key or rights."""

    key = "error.refused"


class SuspiciousChange(AskPerson):
    """The desired side shrank suspiciously: from ``before`` to ``after`` (the flow's own unit of weight)."""

    key = "error.suspicious"

    def __init__(self, before: int, after: int) -> None:
        super().__init__(f"desired data shrank from {before} to {after}")
        self.before = before
        self.after = after


class Later(IdentsyncError):
    """Tried again by itself, not before ``after_ms`` milliseconds where that is known."""

    key = "error.later"

    def __init__(self, message: str, *, after_ms: int | None = None, hint: str = "", raw: str = "") -> None:
        super().__init__(message, hint=hint, raw=raw)
        self.after_ms = after_ms


class Unavailable(Later):
    """No usable answer; ``sent`` is True where the request may have arrived all the same."""

    key = "error.unavailable"

    def __init__(
        self, message: str, *, sent: bool = True, after_ms: int | None = None, hint: str = "", raw: str = ""
    ) -> None:
        super().__init__(message, after_ms=after_ms, hint=hint, raw=raw)
        self.sent = sent


class Untrusted(Unavailable):
    """This computer does not trust the other side's certificate, for want of an authority or of the right date."""

    key = "error.untrusted"
    elsewhere = True


class NoDatabase(Unavailable):
    """The engine's database, or the clinic's, does not answer."""

    key = "error.database"


class Limited(Later):
    """The other side, or our own channel, asks for a slower pace."""

    key = "error.limited"


class Unexpected(IdentsyncError):
    """An answer that the protocol does not allow."""

    key = "error.unexpected"


class StaleFence(IdentsyncError):
    """The fence of this run is no longer the newest: another client has taken the task over."""

    key = "error.fence"
