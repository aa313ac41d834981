"""What an integration is to the engine: tasks with interval and lease, a settings type, pages.

A room says ``INTEGRATION = Integration(...)`` in its ``__init__`` and the rest of the engine knows nothing else of it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.engine.run import Run


class Role(IntEnum):
    """Role of the client. Smaller runs first; a doctor's client never runs a task."""

    ADMINISTRATOR = 0
    DIRECTOR = 1
    DOCTOR = 2


class Status(StrEnum):
    """How a run ended."""

    OK = "ok"  # everything that was due is done
    PARTIAL = "partial"  # some items were rejected, or wait for a later run
    LATER = "later"  # the other side is not available; tried again by itself
    ASK = "ask"  # a person must decide
    FAILED = "failed"  # unexpected: a defect here or there
    LATE = "late"  # the deadline passed, the task was cancelled
    LOST = "lost"  # another client took the task over
    RELEASED = "released"  # the client ended first and handed the task over


@dataclass(frozen=True, slots=True)
class Outcome:
    """End of a run: status, counts for the journal (whole numbers), a remark for people, when to try again.

    ``elsewhere`` = it failed for what this computer lacks: other computers are to try at once, this one when none does.
    """

    status: Status = Status.OK
    counts: Mapping[str, int] = field(default_factory=dict)
    note: str = ""
    retry_ms: int | None = None
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of work in one scope, run once per interval by whichever client is admitted.

    ``kind`` is ASCII, at most 64 characters, 'room/destination'. ``scope`` is a branch id, 0 = the whole network.
    ``lease_ms`` is renewed while the task runs; after ``deadline_ms`` the task is cancelled. A ``live`` one listens for
    long: its database calls have a thread of their own, and it ends by itself soon after ``Run.stopping`` is set.
    """

    kind: str
    scope: int
    interval_ms: int
    lease_ms: int
    deadline_ms: int
    run: Callable[["Run"], Awaitable[Outcome]]
    title: str = ""  # what people read on the overview: the room's word and the destination's name
    proto: int = 1  # protocol version of the slot row; an older client does not claim a newer row
    live: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A page's data as it is sent: bytes of a media type; ``file`` is a name to save as.

    ``tag`` changes with the bytes. Data with one may be kept by the browser, a recording's never is: its tag says only
    that two parts belong together.
    """

    body: bytes
    media_type: str = "application/json"
    tag: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Corner:
    """What a room shows on every page, at once: drawn anew within a quarter of a second when ``pulses`` beat.

    ``pulses(context)`` names beats of ``store.pulse``; ``view(context, query)`` fills ``template``, in the database
    thread.
    """

    template: str
    view: Callable[["PageContext", Mapping[str, str]], dict[str, Any]]
    pulses: Callable[["PageContext"], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Alarm:
    """A line of a room on the overview: a plural sentence for ``count``, since when, the page's address beyond it."""

    text: str
    count: int
    since_ms: int | None = None
    query: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the console, described by its room; the console draws it.

    ``view(context, query) -> dict`` fills ``template`` (a file of console/templates), in the database thread.
    ``actions[name](context, form) -> str | None`` answers a POST; the text is shown as a short notice.
    ``version(context) -> str`` is cheap and changes when the page must be drawn again.
    ``attention(context) -> int`` is cheap too: how many things of the page wait for a person (shown in the menu).
    ``data[name](context, query) -> Answer`` answers GET ``/<slug>/<name>`` to the page's own ``scripts``, files of
    console/static as ``styles`` are. ``allows(context)`` adds sources to the page's Content-Security-Policy.
    ``media[name](context, query)`` is the same for what must be fetched from outside: awaited in the loop, answered
    with ranges. ``corner`` is drawn on every page. ``alarm(context)`` is what the overview says first, None = nothing.
    """

    slug: str
    title: str
    template: str
    view: Callable[["PageContext", Mapping[str, str]], dict[str, Any]]
    version: Callable[["PageContext"], str]
    actions: Mapping[str, Callable[["PageContext", Mapping[str, str]], str | None]] = field(default_factory=dict)
    attention: Callable[["PageContext"], int] | None = None
    data: Mapping[str, Callable[["PageContext", Mapping[str, str]], Answer]] = field(default_factory=dict)
    scripts: Sequence[str] = ()
    styles: Sequence[str] = ()
    allows: Callable[["PageContext"], Mapping[str, str]] | None = None
    media: Mapping[str, Callable[["PageContext", Mapping[str, str]], Awaitable[Answer]]] = field(default_factory=dict)
    corner: Corner | None = None
    alarm: Callable[["PageContext"], Alarm | None] | None = None


@dataclass(frozen=True, slots=True)
class PageContext:
    """What a page may look at: the store, the clinic, the room's settings (None on pages of no room), who looks.

    ``role`` is that of the client that serves the console, ``console`` its settings, ``branch`` where it stands; None
    where nobody said.
    """

    store: Any  # identsync.store.Store
    clinic: Any  # identsync.clinic.source.ClinicSource
    settings: Any
    user: str
    now_ms: int
    role: Role | None = None
    console: Any = None  # identsync.settings.ConsoleSettings
    branch: int | None = None


@dataclass(frozen=True, slots=True)
class Integration:
    """A room: its name (also its table in the TOML), needed modules, settings type, tasks and pages.

    ``tasks(settings, branches)`` is called once at the start of a client with the room's validated settings.
    ``check(settings, context)`` yields problems found by trying the room's connections (``identsync check``).
    """

    name: str
    title: str
    settings: type  # a msgspec.Struct
    tasks: Callable[[Any, Sequence["Branch"]], Sequence[Task]]
    modules: tuple[str, ...] = ()
    pages: Callable[[], Sequence[Page]] = tuple  # lazily: pages are imported only where a console is opened
    check: Callable[[Any, Any], Awaitable[Sequence[Any]]] | None = None
