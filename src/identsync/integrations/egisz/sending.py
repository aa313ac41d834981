"""One item to N3 and its verdict: the same key again until N3 is known to have it as it is wanted.

A new key goes by Add; 23 and 31 say that it is there, then Update makes the content right. What is known to be there
goes by Update; where N3 does not know the key, by Add. A case that stays open begins with Create, grows by a step at a
time and ends with Close; where an answer was lost an Update of the whole makes it right, whatever had arrived. A
document goes once: what was lost stays unknown.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from identsync.errors import Refused, Unavailable
from identsync.flows.mirror import Confirmed, Item, Later, Rejected, Unknown, Verdict
from identsync.integrations.egisz import exchange, opened
from identsync.integrations.egisz.case import Case, Complaint, Fate, Patient, Reply, Visit
from identsync.integrations.egisz.opened import Opened
from identsync.integrations.egisz.wire.contract_forms import Unfit
from identsync.language import _
from identsync.spans import DAY_MS

if TYPE_CHECKING:
    from identsync.engine.permits import Permits
    from identsync.engine.run import Run
    from identsync.integrations.egisz.planning import Intent
    from identsync.integrations.egisz.shelf import Items
    from identsync.integrations.egisz.wire.n3 import N3

LOST_IN_A_ROW = 3
"""So many lost answers, and the run ends: it is N3 that is ill, not the case."""
DONE = (Fate.TAKEN, Fate.WARNED)
NEVER_MS = 3_650 * DAY_MS
OURS = frozenset({"guid", "idlpu"})
CASE, STEP, PATIENT = frozenset({"idcasemis"}), frozenset({"idstepmis"}), frozenset({"idpatientmis"})
KEYS: Mapping[str, frozenset[str]] = {"patient": PATIENT, "case": CASE}

Ask = tuple[str, Callable[[], Awaitable[Reply]]]


class Sender:
    """Sends what one shelf offers; ``patients`` are the ids of patients by the clinic's number of a case."""

    def __init__(
        self, run: "Run", n3: "N3", permits: "Permits", shelf: "Items", intent: "Intent", patients: Mapping[int, str]
    ) -> None:
        self._run, self._n3, self._permits, self._shelf, self._intent = run, n3, permits, shelf, intent
        self._patients = patients
        self._lost = 0

    async def patient(self, item: Item) -> Verdict:
        """Bring a patient to N3."""
        patient = self._intent.patients[item.key]
        add = ("AddPatient", lambda: self._n3.add_patient(patient))
        update = ("UpdatePatient", lambda: self._n3.update_patient(patient))
        try:
            return self._verdict(item.key, await self._put(item, add, update))
        except Unfit as error:
            return self._unfit(item.key, error)

    async def case(self, item: Item) -> Verdict:
        """Bring a case to N3: a closed one whole; one that stays open step by step until it is closed."""
        case = self._intent.cases[item.key]
        told = opened.of(case) if case.closed is None else None
        try:
            reply = await self._known(item.key, case.patient, lambda: self._case(item, case, told))
        except Unfit as error:
            return self._unfit(item.key, error)
        verdict = self._verdict(item.key, reply)
        if isinstance(verdict, Confirmed):
            self._shelf.opened.pop(item.key, None)
            if told is not None:
                self._shelf.opened[item.key] = told
        return verdict

    async def _case(self, item: Item, case: Case, told: Opened | None) -> Reply:
        """Send a case; ``told`` is what N3 has then, where it stays open."""
        there = self._shelf.opened.get(item.key)
        if there is not None and told is None:
            return await self._close(item, case, there)
        if there is not None and told is not None and not item.doubtful and (visits := there.added(case, told)):
            return await self._extend(item, case, told, visits)
        return await self._put(item, *self._whole(case))

    def _whole(self, case: Case) -> tuple[Ask, Ask]:
        """Return what brings a case as a whole: when N3 does not have it, and when it has."""
        update: Ask = "UpdateCase", lambda: self._n3.update_case(case)
        if case.closed is None:
            return ("CreateCase", lambda: self._n3.create_case(case)), update
        return ("AddCase", lambda: self._n3.add_case(case)), update

    async def _extend(self, item: Item, case: Case, told: Opened, visits: Sequence[Visit]) -> Reply:
        """Add visits to an open case, each once: what became of a lost one only an update of the whole makes right."""
        replies: list[Reply] = []
        for visit in visits:
            reply = await self._asked(item.key, ("AddStepToCase", partial(self._n3.add_step, case, visit)))
            if _blames(reply, CASE | STEP):  # the case is not there, or not open any more; or the step is
                return await self._put(item, *self._whole(case))
            if reply.fate not in DONE:
                return reply
            replies.append(reply)
            there = self._shelf.opened[item.key]
            self._shelf.opened[item.key] = there.with_step(visit.id, told.steps[visit.id])
        return next((reply for reply in replies if reply.fate is Fate.WARNED), replies[-1])

    async def _close(self, item: Item, case: Case, there: Opened) -> Reply:
        """Close a case with the visits that N3 is not known to have; what else may differ is made right after it."""
        closing = replace(case, visits=there.lacking(case))
        add, update = self._whole(case)
        reply = await self._asked(item.key, ("CloseCase", lambda: self._n3.close_case(closing)))
        if reply.fate is Fate.REFUSED and (item.doubtful or self._is_unknown_there(reply)):
            return await self._put(item, add, update)  # closed already, perhaps, or not there at all
        if reply.fate not in DONE:
            return reply
        del self._shelf.opened[item.key]
        is_right = not item.doubtful and there.steps.items() <= opened.of(case).steps.items()
        return reply if is_right else await self._asked(item.key, update)

    async def cancel(self, item: Item) -> Verdict:
        """Take a case back; where it may never have arrived, N3's not knowing it is what was wanted."""
        patient, case = self._patients[item.key].split(" ")
        ask = ("CancelCase", lambda: self._n3.cancel_case(patient, case))
        try:
            reply = await self._asked(item.key, ask)
        except Unfit as error:
            return self._unfit(item.key, error)
        verdict = self._verdict(item.key, reply)
        if isinstance(verdict, Rejected) and item.doubtful and self._is_unknown_there(reply):
            return Confirmed()
        return verdict

    async def document(self, item: Item) -> Verdict:
        """Send a document, once."""
        patient, document = self._intent.documents[item.key]
        add: Ask = "AddMedRecord", lambda: self._n3.add_document(patient, document)
        try:
            reply = await self._known(item.key, patient, lambda: self._asked(item.key, add))
        except Unfit as error:
            return self._unfit(item.key, error)
        return Unknown(reply.words, NEVER_MS) if reply.fate is Fate.LOST else self._verdict(item.key, reply)

    async def _known(self, key: int, patient: Patient, send: Callable[[], Awaitable[Reply]]) -> Reply:
        """Send what is about a patient; where N3 has lost him he is told of anew, and it goes once more."""
        reply = await send()
        if not _blames(reply, PATIENT):
            return reply
        card = await self._asked(key, ("AddPatient", lambda: self._n3.add_patient(patient)))
        return await send() if card.fate in (*DONE, Fate.THERE) else card

    async def _put(self, item: Item, add: Ask, update: Ask) -> Reply:
        is_known = item.key in self._shelf.there
        reply = await self._asked(item.key, update if is_known else add)
        if reply.fate is Fate.THERE:
            self._shelf.met.add(item.key)
            return await self._asked(item.key, update)
        if is_known and self._is_unknown_there(reply):
            return await self._asked(item.key, add)
        return reply

    async def _asked(self, key: int, ask: Ask) -> Reply:
        operation, asked = ask
        reply = await exchange.told(asked(), self._shelf.entries, self._shelf.ids[key], operation, self._run.now_ms())
        if reply.fate is Fate.LATER:
            if reply.after_ms:
                await self._permits.postpone(reply.after_ms)
            raise Unavailable(reply.words, sent=False, after_ms=reply.after_ms)
        self._lost = self._lost + 1 if reply.fate is Fate.LOST else 0
        if self._lost >= LOST_IN_A_ROW:
            raise Unavailable(reply.words, sent=True)
        if reply.fate is Fate.REFUSED and any(_last(each.field) in OURS for each in reply.complaints):
            words = "; ".join(each.words for each in reply.complaints)
            raise Refused(words, hint=_("проверьте token и lpu в настройках: они из кабинета N3"))
        return reply

    def _verdict(self, key: int, reply: Reply) -> Verdict:
        match reply.fate:
            case Fate.TAKEN | Fate.WARNED:
                self._shelf.said[key] = reply.complaints
                if reply.fate is Fate.WARNED:
                    self._shelf.warned.add(key)
                return Confirmed()
            case Fate.LOST:
                return Unknown(reply.words)
            case Fate.LATER:
                return Later(reply.words, reply.after_ms)
        self._shelf.said[key] = reply.complaints
        return Rejected("; ".join(each.words for each in reply.complaints))

    def _unfit(self, key: int, error: Unfit) -> Verdict:
        """Refuse what this contract cannot carry: nothing was sent."""
        self._shelf.said[key] = (Complaint("", error.field, str(error)),)
        return Rejected(str(error))

    def _is_unknown_there(self, reply: Reply) -> bool:
        """Tell whether N3 refuses the key itself, and nothing else: it does not have it."""
        return _blames(reply, KEYS.get(self._shelf.what, frozenset()))


def _blames(reply: Reply, keys: frozenset[str]) -> bool:
    told = [_last(each.field) for each in reply.complaints]
    return reply.fate is Fate.REFUSED and bool(told) and keys.issuperset(told)


def _last(field: str) -> str:
    return field.rpartition(".")[2].casefold()
