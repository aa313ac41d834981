"""What runs when due: an organisation's register is brought up to date and sent; its contract and books are compared.

Everything of an organisation has one task, so that one client sends for it at a time.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from identsync.core.columns import Columns
from identsync.engine.channel import Channel
from identsync.engine.integration import Outcome, Status, Task
from identsync.engine.keeping import Keeping
from identsync.errors import AskPerson, Unavailable
from identsync.flows.mirror import Brake, Item, Patience, mirror
from identsync.integrations.egisz import contracts, exchange, planning, reference, register
from identsync.integrations.egisz.assembling import own_id
from identsync.integrations.egisz.case import Fate
from identsync.integrations.egisz.planning import Intent
from identsync.integrations.egisz.reference import Books
from identsync.integrations.egisz.register import Held, What
from identsync.integrations.egisz.sending import NEVER_MS, Sender
from identsync.integrations.egisz.settings import Organisation, looks, sends
from identsync.integrations.egisz.shelf import Items
from identsync.integrations.egisz.wire import n3, terms
from identsync.language import _
from identsync.spans import HOUR_MS

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.engine.permits import Permits
    from identsync.engine.run import Run

DEADLINE_MS, BUDGET_MS = 900_000, 240_000
BOOKS_MS = HOUR_MS
FLOOR = 20  # cases: a small clinic may well have a third of them less
WHATS: Sequence[What] = ("patient", "case", "document")
PROTO = 2  # since 0007: an older program would not know that N3 has a case open
PATIENCE = Patience(first_ms=60_000, most_ms=HOUR_MS, rejected_ms=NEVER_MS)  # refused: until it changes, or a person

Rows = dict[What, dict[int, Held]]


def tasks(settings: Mapping[str, Organisation], branches: Sequence["Branch"]) -> list[Task]:  # noqa: ARG001  all of them
    """Return two tasks for each organisation: what is sent, and what it is sent by."""
    found: list[Task] = []
    for name, one in settings.items():
        title, send, look = (
            one.title or name,
            partial(run_, name=name, settings=one),
            partial(look_, name=name, settings=one),
        )
        found += [
            Task(sends(name), 0, one.interval, one.lease, DEADLINE_MS, send, f"{_('ЕГИСЗ')}: {title}", PROTO),
            Task(looks(name), 0, BOOKS_MS, one.lease, DEADLINE_MS, look, f"{_('ЕГИСЗ: справочники')}: {title}"),
        ]
    return found


def _channel(name: str, settings: Organisation) -> Channel:
    return Channel(f"egisz/{name}", settings.rate, max(2, settings.at_once))


# -- what is sent -----------------------------------------------------------------------------------------------------


async def run_(run: "Run", name: str, settings: Organisation) -> Outcome:
    """Plan, then send patients, then their cases or documents; what was taken back in the clinic is cancelled."""
    intent, states = await _plan(run, name, settings)
    contract = await contracts.at_hand(run, name, settings)
    async with (
        run.permits(_channel(name, settings)) as permits,
        n3.open(settings, contract, permits.take) as line,
    ):
        sending = _Sending(run, name, settings, line, permits, intent)
        people = await sending.patients()
        await _mark_gone(run, name, settings, intent)
        outcome = people if people.status is Status.LATER else await sending.main()
    return _told(people, outcome, states)


async def _plan(run: "Run", name: str, settings: Organisation) -> tuple[Intent, Mapping[str, int]]:
    rows = await _rows(run, name)
    books = await run.read(lambda connection: contracts.books(connection, name))
    kept: planning.Kept = {what: {key: row.own_id for key, row in each.items()} for what, each in rows.items()}
    now = run.now_ms()
    old = register.waiting(rows[settings.route].values(), planning.since_ms(settings, now))
    intent = await run.clinic_read(
        lambda clinic: planning.intended(clinic, settings, kept, Books(books.values()), now, old)
    )
    plans = {what: register.planned(rows[what], intent.wishes[what]) for what in WHATS}
    for what, plan in plans.items():
        if plan.added or plan.changed:
            await run.write(partial(register.write, organisation=name, what=what, plan=plan, now_ms=now))
    wished = {wish.key for wish in intent.wishes["patient"]}
    if idle := register.unneeded(rows["patient"], wished, rows[settings.route].values()):
        await run.write(partial(register.let_rest, rows=idle, now_ms=now))
    return intent, plans[settings.route].states


async def _rows(run: "Run", name: str) -> Rows:
    return await run.read(lambda connection: {what: register.held(connection, name, what) for what in WHATS})


async def _mark_gone(run: "Run", name: str, settings: Organisation, intent: Intent) -> None:
    """Let go of what the clinic has no more, or as another organisation's; the brake has let this read pass."""
    rows = (await _rows(run, name))[settings.route]
    lost = register.vanished(rows, intent.seen, intent.since_ms, intent.old)
    if lost and settings.route == "case":
        there = await run.clinic_read(lambda clinic: clinic.cases_there([row.key for row in lost]))
        ours = {key for key, branch in there.items() if not settings.branches or branch in settings.branches}
        lost = [row for row in lost if row.key not in ours]
    if lost:
        await run.write(partial(register.let_go, rows=lost, now_ms=run.now_ms()))


class _Sending:
    """The two mirrors of a run."""

    def __init__(
        self, run: "Run", name: str, settings: Organisation, line: n3.N3, permits: "Permits", intent: Intent
    ) -> None:
        self._run, self._name, self._settings = run, name, settings
        self._line, self._permits, self._intent = line, permits, intent

    async def patients(self) -> Outcome:
        """Send those who are to be there before their cases; the brake watches the clinic's cases."""
        offered = self._offered("patient", (await _rows(self._run, self._name))["patient"])
        shelf = Items(f"egisz/{self._name}", self._name, "patient", offered.keys())
        sender = Sender(self._run, self._line, self._permits, shelf, self._intent, {})
        return await mirror(
            self._run, shelf.stream, _columns(offered), weight=self._intent.weight, make=_making(offered),
            deliver=sender.patient, remove=sender.cancel, shelf=shelf, brake=Brake(floor=FLOOR), patience=PATIENCE,
            concurrency=self._settings.at_once, budget_ms=BUDGET_MS,
        )  # fmt: skip

    async def main(self) -> Outcome:
        """Send cases whose patient is there, and take back; or documents, once each."""
        what = self._settings.route
        rows = await _rows(self._run, self._name)
        there = {key for key, row in rows["patient"].items() if row.sent is not None}
        able = {key: row for key, row in rows[what].items() if row.patient in there and self._may_go(row)}
        offered = self._offered(what, able)
        opening = [key for key in offered if what == "case" and self._intent.cases[key].closed is None]
        shelf = Items(f"egisz/{self._name}.{what}", self._name, what, offered.keys(), opening)
        sender = Sender(self._run, self._line, self._permits, shelf, self._intent, self._ids(rows))
        return await mirror(
            self._run, shelf.stream, _columns(offered), weight=1, make=_making(offered),
            deliver=sender.case if what == "case" else sender.document, remove=sender.cancel, shelf=shelf,
            patience=PATIENCE, concurrency=self._settings.at_once, order=lambda key: -rows[what][key].at_ms,
            budget_ms=BUDGET_MS,
        )  # fmt: skip

    def _may_go(self, row: Held) -> bool:
        """A document that may have arrived waits for a person."""
        return self._settings.route == "case" or row.tried is None

    def _offered(self, what: What, rows: Mapping[int, Held]) -> dict[int, int]:
        """Return the digests of what the row and this run want alike."""
        digests = self._intent.digests[what]
        return {
            key: row.wanted for key, row in rows.items() if row.wanted is not None and digests.get(key) == row.wanted
        }

    def _ids(self, rows: Rows) -> dict[int, str]:
        """Return the ids by which a case is cancelled, by its key: its patient's and its own."""
        people = {key: row.own_id for key, row in rows["patient"].items()}
        lpu = self._settings.lpu
        return {
            key: f"{people.get(row.patient) or own_id(lpu, 'patient', row.patient)} {row.own_id}"
            for key, row in rows["case"].items()
            if row.wanted is None
        }


def _columns(digests: Mapping[int, int]) -> Columns:
    return Columns.from_buffers(array("q", digests.keys()), array("q", digests.values()))


class _making:  # noqa: N801  stands for a function
    """Gives the items of keys: what is sent is taken by key from the intent."""

    def __init__(self, digests: Mapping[int, int]) -> None:
        self._digests = digests

    async def __call__(self, keys: Sequence[int]) -> list[Item]:
        return [Item(key, self._digests[key], "") for key in keys]


def _told(people: Outcome, outcome: Outcome, states: Mapping[str, int]) -> Outcome:
    """Put both outcomes together: the counts are of cases or documents, patients beside them."""
    sent = {f"patients_{name}": people.counts[name] for name in ("confirmed", "rejected") if people.counts.get(name)}
    counts = {**outcome.counts, **sent, "missing": states.get("missing", 0), "signing": states.get("signing", 0)}
    waits = [each.retry_ms for each in (people, outcome) if each.retry_ms is not None]
    status = people.status if outcome.status is Status.OK else outcome.status
    note = outcome.note or people.note
    return replace(outcome, status=status, counts=counts, note=note, retry_ms=min(waits) if waits else None)


# -- what it is sent by -----------------------------------------------------------------------------------------------


async def look_(run: "Run", name: str, settings: Organisation) -> Outcome:
    """Compare the contract with what the services say now, fetch the books' new versions, forget old exchanges."""
    keeping = Keeping(run, "forgotten")
    await keeping.portions("forgotten", lambda connection: exchange.forget(connection, run.now_ms()))
    troubles = await _books(run, name, settings) if settings.terms is not None else []
    contract = await contracts.at_hand(run, name, settings)
    async with (
        run.permits(_channel(name, settings)) as permits,
        n3.open(settings, contract, permits.take) as line,
    ):
        versions = await _versions(run, name, line)
    await contracts.compare(run, name, settings, versions)
    counts = {"books_failed": len(troubles), **keeping.counts}
    if not troubles:
        return Outcome(Status.OK, counts)
    return Outcome(Status.PARTIAL, counts, f"{troubles[0].oid}: {troubles[0].error}")


async def _books(run: "Run", name: str, settings: Organisation) -> list[reference.Trouble]:
    held = await run.read(lambda connection: contracts.books(connection, name))
    async with run.permits(_channel(name, settings)) as permits, terms.open(settings, permits.take) as service:
        news, troubles = await reference.refresh(service, held, settings.route, run.now_ms())
    if news:
        await run.write(lambda connection: contracts.keep(connection, name, news))
    return troubles


async def _versions(run: "Run", name: str, line: n3.N3) -> dict[str, str]:
    """Ask both services for their version."""
    versions: dict[str, str] = {}
    entries: list[exchange.Entry] = []
    for service, endpoint in contracts.SERVICES.items():
        reply = await exchange.told(line.version(endpoint), entries, None, "GetVersion", run.now_ms())
        if reply.fate is Fate.TAKEN:
            versions[service] = reply.words
    await run.write(lambda connection: exchange.write(connection, name, entries))
    if len(versions) == len(contracts.SERVICES):
        return versions
    words = next((each.words for each in entries if each.fate is not Fate.TAKEN), "")
    if any(each.fate is Fate.REFUSED for each in entries):
        raise AskPerson(words)
    raise Unavailable(words)
