"""An organisation's line to N3.Health: one request each, never sent again by itself, and what became of it."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from identsync.errors import AskPerson, Limited, Refused, Unavailable, Unexpected
from identsync.flows.answer import Reply as HttpReply
from identsync.flows.answer import retry_after
from identsync.flows.http import Http
from identsync.integrations.egisz.case import Case, Complaint, Document, Fate, Patient, Reply, Visit
from identsync.integrations.egisz.settings import Organisation
from identsync.integrations.egisz.wire import build, faults, masking
from identsync.integrations.egisz.wire.contract import Contract, Endpoint, Message
from identsync.integrations.egisz.wire.contract_forms import Values
from identsync.language import _
from identsync.values import secret

Permit = Callable[[], Awaitable[None]]

CONTENT = "text/xml; charset=utf-8"
MAX_ANSWER = 4 * 1024 * 1024
# A fault comes with 500; what the others bring is judged here, too. No redirect is followed, not even 307: the body
# holds the token and people, and goes where the settings say or nowhere.
ANSWERED = (500, 502, 503, 504, 301, 302, 303, 307, 308)
OF_BODY = (400, 413, 422)  # HTTP did not like this one request; with any other 3xx and 4xx none would arrive


def open(settings: Organisation, contract: Contract, permit: Permit) -> "N3":
    """Return the line of an organisation, a context manager; ``permit`` is awaited before each request."""
    return N3(settings, contract, permit)


class N3:
    """A line to N3: each method sends one request and tells its fate.

    Unfit (with the field's name) before anything is sent where the contract cannot carry a value; AskPerson where the
    way to N3 itself refuses us (401, 403) or leads elsewhere (3xx, 404). Everything else is a Reply.
    """

    def __init__(self, settings: Organisation, contract: Contract, permit: Permit) -> None:
        self._settings = settings
        self._contract = contract
        self._permit = permit
        self._http = Http(pool=settings.at_once)
        self._sender = build.Sender("", settings.lpu)

    async def __aenter__(self) -> Self:
        """Read the token and open the pool; nothing is connected."""
        token = secret(self._settings.token)
        self._sender = build.Sender(token, self._settings.lpu, self._settings.confidentiality)
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._http.__aexit__(kind, error, trace)

    async def add_patient(self, patient: Patient) -> Reply:
        """Send a patient that N3 does not have; THERE where it has."""
        return await self._ask(Endpoint.PIX, "AddPatient", build.patient(self._sender, patient), patient)

    async def update_patient(self, patient: Patient) -> Reply:
        """Send what a patient is like now."""
        return await self._ask(Endpoint.PIX, "UpdatePatient", build.patient(self._sender, patient), patient)

    async def add_case(self, case: Case) -> Reply:
        """Send a closed case whole; THERE where N3 has one of this key, whatever is in it."""
        return await self._ask(Endpoint.EMK, "AddCase", build.case(self._sender, case), case.patient)

    async def create_case(self, case: Case) -> Reply:
        """Send a case that is still open, with the visits it has so far."""
        return await self._ask(Endpoint.EMK, "CreateCase", build.opened(self._sender, case), case.patient)

    async def update_case(self, case: Case) -> Reply:
        """Replace a case by what it is like now."""
        return await self._ask(Endpoint.EMK, "UpdateCase", build.case(self._sender, case), case.patient)

    async def close_case(self, case: Case) -> Reply:
        """Close an open case, with the visits that are given."""
        return await self._ask(Endpoint.EMK, "CloseCase", build.case(self._sender, case), case.patient)

    async def add_step(self, case: Case, visit: Visit) -> Reply:
        """Add a visit to an open case."""
        return await self._ask(Endpoint.EMK, "AddStepToCase", build.step(self._sender, case, visit), case.patient)

    async def cancel_case(self, patient_id: str, case_id: str) -> Reply:
        """Take a case back."""
        return await self._ask(Endpoint.EMK, "CancelCase", build.cancelled(self._sender, patient_id, case_id))

    async def add_document(self, patient: Patient, document: Document) -> Reply:
        """Send a signed document, every byte as it was given."""
        fields = build.document(self._sender, patient.person.id, document)
        return await self._ask(Endpoint.EMK, "AddMedRecord", fields, patient)

    async def version(self, endpoint: Endpoint = Endpoint.EMK) -> Reply:
        """Ask a service for its version; it is in ``words``."""
        return await self._ask(endpoint, "GetVersion", {})

    async def _ask(self, endpoint: Endpoint, operation: str, values: Values, about: Patient | None = None) -> Reply:
        message = self._contract.message(endpoint, operation, values)
        url = f"{self._settings.url}/{endpoint}"
        if self._settings.addressing:
            self._contract.addressed(message, url)
        secrets = masking.Secrets(message.envelope, () if about is None else masking.of_patient(about))
        request = masking.request_of(message.envelope)
        await self._permit()
        try:
            reply = await self._send(url, message)
        except Limited as error:
            return Reply(Fate.LATER, words=str(error), request=request, after_ms=error.after_ms)
        except Unavailable as error:
            fate = Fate.LOST if error.sent else Fate.LATER
            return Reply(fate, words=str(error), request=request, after_ms=error.after_ms)
        except Refused as error:
            error.raw = masking.text_of(error.raw, secrets)
            raise
        except Unexpected as error:
            return Reply(Fate.LOST, words=str(error), request=request, answer=masking.text_of(error.raw, secrets))
        return _judged(message, reply, request, secrets)

    async def _send(self, url: str, message: Message) -> HttpReply:
        headers = {"Content-Type": CONTENT, "SOAPAction": f'"{message.action}"', "Accept": "text/xml"}
        return await self._http.ask(
            "POST",
            url,
            headers,
            message.body(),
            passing=ANSWERED,
            max_bytes=MAX_ANSWER,
            deadline=self._settings.timeout / 1000,
        )


def _judged(message: Message, reply: HttpReply, request: str, secrets: masking.Secrets) -> Reply:
    """Return what an HTTP answer means; nothing of people that the request told stays in it."""
    verdict = faults.read(message.operation, message.answer, reply.body, is_cut=len(reply.body) >= MAX_ANSWER)
    is_success = verdict.fate is Fate.TAKEN and reply.status == 200
    is_fault = bool(verdict.complaints)
    if verdict.root is not None:
        answer = masking.answer_of(verdict.root, secrets)
    else:
        answer = masking.text_of(reply.text, secrets)
    if not is_success and not is_fault:
        return _without_soap(verdict, reply, request, answer)
    complaints = tuple(Complaint(each.code, each.field, secrets.out_of(each.words)) for each in verdict.complaints)
    return Reply(verdict.fate, complaints, secrets.out_of(verdict.words), request, answer)


def _without_soap(verdict: faults.Verdict, reply: HttpReply, request: str, answer: str) -> Reply:
    """Judge by the status what no service has answered: a proxy, a wrong address, an overloaded server."""
    after_ms = retry_after(reply.headers)
    status = reply.status
    if status == 503 and after_ms is not None:
        words = _("N3 просит подождать ({status})", status=status)
        return Reply(Fate.LATER, words=words, request=request, answer=answer, after_ms=after_ms)
    if 300 <= status < 500:
        words = _("запрос не принят ({status})", status=status)
        if status not in OF_BODY:
            raise AskPerson(words, hint=_("проверьте адрес (url) в настройках и не обновляется ли N3"), raw=answer)
        return Reply(Fate.REFUSED, (Complaint(f"HTTP {status}", "", words),), "", request, answer)
    words = verdict.words or _("ответ N3: не на этот запрос")
    return Reply(Fate.LOST, words=words if status == 200 else f"{words} ({status})", request=request, answer=answer)
