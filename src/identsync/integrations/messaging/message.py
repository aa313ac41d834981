"""A message as a gateway gets it, what a gateway may say of it, and what a gateway is: the room's inner border.

A gateway makes ONE attempt and never decides anything. ``submit`` returns a verdict of ``flows.sending``:

- ``Accepted``: the other side said that it has the message;
- ``Refused``: it said that it will never take this one (bad number, forbidden text): certainly not sent;
- ``NotTaken``: certainly not accepted, the same thing may be tried again (throttled, queue full, connection refused
  before the first byte);
- ``Lost``: it may have been accepted: time-out, connection lost after a byte went out, an answer that makes no sense.

It may also raise errors of the tree: ``Refused`` and ``AskPerson`` (key, money, blocked: certainly not sent, the
channel rests until a person has acted), ``Limited`` and ``Unavailable(sent=False)`` (not sent, it rests a while);
``Unavailable(sent=True)`` and ``Unexpected`` count as ``Lost``. In doubt: Lost, never NotTaken.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import TracebackType
from typing import Protocol, Self

from identsync.flows.sending import Receipt, Verdict

Permit = Callable[[], Awaitable[None]]
"""Awaited before each request: the channel's rate, shared by all clients. May raise Limited."""
Keep = Callable[[Sequence[Receipt]], Awaitable[None]]
"""Writes receipts down; a gateway acknowledges pushed ones only after this has returned."""


class Medium(StrEnum):
    """What carries a message: the address is a phone number or an e-mail address."""

    SMS = "sms"
    EMAIL = "email"


class Kind(StrEnum):
    """What a message is to the law: about a visit the person has asked for, or advertising."""

    SERVICE = "service"
    AD = "ad"


class Rank(IntEnum):
    """Which of two messages that are due goes first."""

    SINGLE = 1
    PLAN = 2
    REMINDER = 3
    BULK = 7


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of an e-mail: its name as people see it, its media type, its bytes."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is to be sent once."""

    token: str  # our own id of this attempt: 32 lower hex digits, never used twice
    to: str  # '+79161234567' (E.164) or an e-mail address
    text: str
    until_ms: int  # epoch ms UTC: not to be delivered later
    at_ms: int = 0  # epoch ms UTC when it leaves, by the same clock as ``until_ms``: the database's, not the computer's
    sender: str = ""  # alpha name or from-address; '' = the channel's own
    kind: Kind = Kind.SERVICE
    subject: str = ""  # e-mail
    html: str = ""  # e-mail: the same as a page; '' = text only
    name: str = ""  # e-mail: whom it is addressed to
    attachments: tuple[Attachment, ...] = ()
    unsubscribe: str = ""  # e-mail: https or mailto address of List-Unsubscribe


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that the other side has accepted and of which more is to be heard."""

    provider_id: str
    token: str
    to: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A message of which nobody knows whether it was accepted: what can be used to look for it."""

    token: str
    to: str
    text: str
    at_ms: int  # when it was submitted


@dataclass(frozen=True, slots=True)
class Absent:
    """The other side answered and does not know the message of this token."""

    token: str


@dataclass(frozen=True, slots=True)
class Balance:
    """Money left, kopecks (None where the contract is post-paid); ``words`` as the other side says it."""

    kopecks: int | None
    words: str = ""


class Gateway(Protocol):
    """One channel, opened for a run: an async context manager, used by one run at a time."""

    window: int  # messages that may be on their way at once

    async def __aenter__(self) -> Self:
        """Get ready; may connect (errors: Refused, Unavailable(sent=False))."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave in order: unbind, close."""

    async def submit(self, message: Message) -> Verdict:
        """Send once; see the module's text. Safe to call ``window`` times at once."""

    async def status(self, sent: Sequence[Sent]) -> Sequence[Receipt]:
        """Ask what became of messages; those without news are left out. Pushed news come by ``Keep``."""

    async def find(self, lost: Sequence[Missing]) -> Sequence[Receipt | Absent]:
        """Look for lost messages; where the other side cannot be asked a message is left out."""

    async def listen(self, quiet_ms: int) -> None:
        """Take pushed receipts and replies until none came for ``quiet_ms``; at once where nothing is pushed."""

    async def balance(self) -> Balance | None:
        """Ask for the money left; None where the protocol has no such question."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person wrote back: from whom, what, when (epoch ms UTC); ``key`` tells it from all others.

    ``token``: of our message that it answers, where it says which. Mail is often answered from another address.
    """

    key: str
    sender: str
    text: str
    at_ms: int
    token: str = ""


Replies = Callable[[Sequence[Reply]], Awaitable[None]]
"""Writes replies down; a gateway acknowledges pushed ones only after this has returned."""
Open = Callable[[object, Permit, Keep, Replies], Gateway]
"""``open(settings, permit, keep, replies)`` of every file in ``wire/``: makes a gateway, connects nothing yet."""
