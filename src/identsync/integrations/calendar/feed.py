"""``kind = "feed"``: each doctor's calendar as one file to subscribe to, on a shelf from which others give it out.

A file is named by a token of 160 random bits, the link's address: who knows it reads the calendar. ``rotate`` puts
another one in its place; tokens that were given up stand in the link's ``token`` until their files are gone. What was
published, and where, is kept with the item (published.py): a file is taken away from a place that the settings have
left, or a person is told where it lies.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from identsync.core.columns import Columns, digest
from identsync.engine.integration import Outcome, Status
from identsync.errors import AskPerson
from identsync.flows.mirror import Confirmed, Item, Later, Patience, Verdict, kept, mirror
from identsync.integrations.calendar import books
from identsync.integrations.calendar.books import CLINIC, Link
from identsync.integrations.calendar.chosen import GONE, brakes_of, weights_of, wish_of
from identsync.integrations.calendar.desks import BUDGET_MS, MOST_WAIT_MS, Reception, reception
from identsync.integrations.calendar.event import Event
from identsync.integrations.calendar.published import Published, is_folder, place_of, same_host, written
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.shelf import Cloud, Folder, Shelf
from identsync.integrations.calendar.vanishing import noted, stopped, vanishing_from_feeds
from identsync.integrations.calendar.wanted import Wanted, read
from identsync.language import kept as kept_words
from identsync.language import keyed as _

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from identsync.engine.run import Run
    from identsync.integrations.calendar.introducing import Books

TOKEN_BYTES = 20
_MAPPING = 2  # of a file's contents; another one publishes all files anew
_RETIRED = 40  # tokens that wait for their removal: more do not fit the column


# -- tokens and addresses --------------------------------------------------------------------------------------------


def new_token() -> str:
    """Return a new name for a file: lower case, since a folder of Windows knows no other."""
    return secrets.token_hex(TOKEN_BYTES)


def address_of(destination: CalendarDestination, link: Link) -> str:
    """Return the address a doctor subscribes to: a secret of his, not for logs."""
    return f"{(destination.public_url or '').rstrip('/')}/{link.address}.ics"


def rotate(connection: "Connection", name: str, doctor: int, now_ms: int) -> bool:
    """Give a doctor's feed another address; the old file goes with the next run. False where he has no feed."""
    link = books.links(connection, name).get(doctor)
    if link is None or link.state == "off":
        return False
    retired = [*(link.token or "").split(), link.address]
    if len(retired) > _RETIRED:
        raise AskPerson(_("прежние адреса ещё не убраны"), hint=_("подождите, пока задача выполнится"))
    values = {"address": new_token(), "token": " ".join(retired), "synced_ms": None, "changed_ms": now_ms}
    return books.set_link(connection, name, doctor, values)


# -- one run ---------------------------------------------------------------------------------------------------------


async def publish(run: "Run", name: str, destination: CalendarDestination, found: "Books") -> Outcome:
    """Bring the files of the doctors at home in the run's branch in step with the clinic."""
    async with reception(run, name, destination, found.accounts) as here:
        feeds = _Feeds(here, found, await _shelf(here, place_of(destination)))
        await feeds.introduce()
        await feeds.retire()
        await feeds.look()
        outcome = await feeds.deliver()
        await feeds.close(outcome)
    return noted(outcome, stopped(feeds.held)) if feeds.held else outcome


async def _shelf(here: Reception, place: str) -> Shelf:
    return Folder(Path(place)) if is_folder(place) else Cloud(await here.dav(CLINIC), place)


@dataclass(slots=True)
class _Feeds:
    here: Reception
    found: "Books"
    shelf: Shelf
    wanted: Wanted | None = None
    keys: dict[int, list[int]] = field(default_factory=dict)  # of each doctor's events
    events: dict[int, list[Event]] = field(default_factory=dict)  # of the batch in hand
    desired: Columns = field(default_factory=Columns)
    held: set[int] = field(default_factory=set)  # doctors whose feeds a person has to decide about

    @property
    def run(self) -> "Run":
        return self.here.run

    @property
    def stream(self) -> str:
        return self.run.kind

    async def introduce(self) -> None:
        """Give a token to each doctor who has none; take in those who came from another branch."""
        scope, new = self.run.scope, dict[int, Link]()
        for doctor in self.found.doctors:
            link = self.found.links.get(doctor)
            if link is None or (not link.address and link.state not in GONE):
                new[doctor] = Link(doctor, scope, new_token(), own=True, state="on")
            elif link.scope != scope:
                new[doctor] = replace(link, scope=scope)
        if new:
            await self._write(lambda connection, now: self._put(connection, new.values(), now))
            self.found.links.update(new)

    def _put(self, connection: "Connection", links: Iterable[Link], now_ms: int) -> None:
        """Write new links; of one that was there only what is new: a person may turn its address at this moment."""
        for link in links:
            old = self.found.links.get(link.doctor)
            values: dict[str, object] = {"scope": link.scope}
            if old is not None and not old.address:
                values["address"] = link.address
            if not books.set_link(connection, self.here.name, link.doctor, values):
                books.put_link(connection, self.here.name, link, now_ms)

    async def retire(self) -> None:
        """Remove the files of tokens that were given up."""
        for link in self.found.links.values():
            if link.scope == self.run.scope and link.token:
                removed = [token for token in link.token.split() if await self._removed(token)]
                await self._write(self._forgetting(link.doctor, removed))

    async def _removed(self, token: str) -> bool:
        return isinstance(await self.shelf.remove(token), Confirmed)

    def _forgetting(self, doctor: int, removed: Sequence[str]) -> "Writing":
        """Forget removed tokens, not those that were given up meanwhile."""

        def forget(connection: "Connection", _now: int) -> None:
            link = books.links(connection, self.here.name).get(doctor)
            rest = [token for token in ((link and link.token) or "").split() if token not in removed]
            books.set_link(connection, self.here.name, doctor, {"token": " ".join(rest) or None})

        return forget

    async def look(self) -> None:
        """Read what the files shall hold: a digest for each doctor, also for one who has no event."""
        found, scope = self.found, self.run.scope
        present = found.written(lambda link: link.state not in GONE)
        wish = wish_of(self.here.destination)
        wanted = await self.run.clinic_read(
            lambda clinic: read(clinic, wish, scope, found.key, present, self.run.now_ms())
        )
        self.keys = wanted.by_doctor()
        self.wanted = wanted
        self.desired = Columns.from_rows([(doctor, self._digest(doctor, wanted)) for doctor in present])

    def _digest(self, doctor: int, wanted: Wanted) -> int:
        columns, destination = wanted.columns, self.here.destination
        address, place = self.found.links[doctor].address, place_of(destination)
        told = [_MAPPING, address, place, destination.title, destination.busy_text]
        return digest(orjson.dumps([told, [(key, columns.get(key)) for key in self.keys[doctor]]]))

    async def deliver(self) -> Outcome:
        """Publish the files that differ, and those that have stood long: one may have been damaged or removed."""
        assert self.wanted is not None
        destination = self.here.destination
        links, events = self.found.links.values(), len(self.wanted.columns)
        weights = weights_of(destination, links, self.run.scope, events)
        kept = self.found.written(lambda link: link.state == "on")
        self.held = await vanishing_from_feeds(
            self.run, self.stream, destination, self.wanted, kept, self.desired, weights
        )
        return await mirror(
            self.run,
            self.stream,
            self.desired,
            weight=weights,
            make=self._make,
            deliver=self._deliver,
            remove=self._remove,
            brake=brakes_of(destination, weights),
            patience=Patience(min(60_000, destination.interval), MOST_WAIT_MS),
            refresh_ms=destination.repair,
            concurrency=destination.parallel,
            budget_ms=BUDGET_MS,
        )

    async def _make(self, keys: Sequence[int]) -> list[Item]:
        """Give the items of these doctors, without those whose feed stands still."""
        assert self.wanted is not None
        going = [doctor for doctor in keys if self.found.links[doctor].state == "on" and doctor not in self.held]
        events = dict(self.wanted.events([key for doctor in going for key in self.keys[doctor]]))
        self.events = {
            doctor: sorted((events[key] for key in self.keys[doctor] if key in events), key=lambda e: e.start_ms)
            for doctor in going
        }
        return [self._item(doctor) for doctor in going]

    def _item(self, doctor: int) -> Item:
        label = _("врач {doctor}", doctor=doctor)
        payload = self._next(doctor, None).pack()
        return Item(doctor, self.desired.get(doctor) or 0, label, payload)

    def _next(self, doctor: int, before: bytes | None) -> Published:
        destination, token = self.here.destination, self.found.links[doctor].address
        there = Published.unpack(before) if before else Published(token, destination.what, place_of(destination))
        return there.next(token, destination, self.events[doctor], self.run.now_ms())

    async def _deliver(self, item: Item) -> Verdict:
        link = (await self._links()).get(item.key)
        if link is None or link.state != "on":
            return Later(_("на паузе"), 0)  # a person has ordered so since this run began
        published = self._next(item.key, item.known)
        content = written(self.here.destination, self.events[item.key], published)
        cleared = await self._left_behind(item)  # first: it may be the same place, spelled otherwise
        verdict = await self.shelf.put(published.token, content)
        if isinstance(verdict, Confirmed) and not isinstance(cleared, Confirmed):
            return cleared
        return replace(verdict, payload=published.pack()) if isinstance(verdict, Confirmed) else verdict

    async def _left_behind(self, item: Item) -> Verdict:
        """Take a doctor's file away from the place where it lay, if the settings name another one now."""
        before, place = Published.unpack(item.known) if item.known else None, place_of(self.here.destination)
        if before is None or before.place in {"", place}:
            return Confirmed()
        try:
            if is_folder(before.place) or same_host(before.place, place):
                return await (await _shelf(self.here, before.place)).remove(before.token)
        except AskPerson:
            pass  # it is not to be reached from here any more: a person has to
        words = _("прежний файл мог остаться там, где подписки лежали раньше: {place}", place=before.place)
        problem = {"problem": kept_words(words, books.PROBLEM)}
        await self._write(lambda connection, _now: books.set_link(connection, self.here.name, item.key, problem))
        return Confirmed()

    async def _remove(self, item: Item) -> Verdict:
        """Remove the file of a doctor who shall have none, unless another branch publishes it by now."""
        link = (await self._links()).get(item.key)
        if link is not None and link.scope != self.run.scope and link.state == "on":
            return Confirmed()
        tokens = {link.address} if link is not None else set()
        tokens |= {Published.unpack(item.known).token} if item.known else set()
        verdicts = [await self.shelf.remove(token) for token in sorted(tokens) if token]
        verdicts.append(await self._left_behind(item))
        return next((verdict for verdict in verdicts if not isinstance(verdict, Confirmed)), Confirmed())

    async def close(self, outcome: Outcome) -> None:
        """Write down who is in step, and who has taken leave: nothing of his is there any more."""
        name, scope = self.here.name, self.run.scope
        in_step = self.keys if outcome.status is Status.OK else ()

        def note(connection: "Connection", now: int) -> None:
            there = kept(connection, self.stream, scope)
            for doctor, link in books.links(connection, name).items():
                if link.state == "on" and doctor in in_step and doctor not in self.held:
                    books.set_link(connection, name, doctor, {"synced_ms": now})
                elif (link.state, link.scope) == ("leaving", scope) and doctor not in there and not link.token:
                    books.set_link(connection, name, doctor, {"state": "off", "changed_ms": now})

        await self._write(note)

    async def _links(self) -> dict[int, Link]:
        return await self.run.read(lambda connection: books.links(connection, self.here.name))

    async def _write(self, write: "Writing") -> None:
        await self.run.write(lambda connection: write(connection, self.run.now_ms()))


Writing = Callable[["Connection", int], object]
