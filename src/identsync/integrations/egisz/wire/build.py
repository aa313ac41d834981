"""A clinic's records as N3's operations want them: each request's fields by name; the contract puts them in order.

Spelling is the other side's, traps and all: ``idLPU`` and ``IdPatientMIS`` to Pix, ``idLpu`` and ``IdPatientMis`` to
Emk, ``BirthDate`` of a patient, ``Birthdate`` of everybody else. What a clinic has not written down is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from identsync.integrations.egisz.case import Case, Codes, Diagnosis, Document, Patient, Service, Visit
from identsync.integrations.egisz.wire import build_people as people
from identsync.integrations.egisz.wire.contract_forms import Of

FIRST, REPEATED = 1, 2  # CaseVisitType, 1.2.643.5.1.13.13.11.1007

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who speaks: the token of the system and the organisation's id, both by N3; the level its documents have."""

    token: str
    lpu: str
    confidentiality: int | None = None

    def __repr__(self) -> str:
        """Show no token."""
        return f"Sender(lpu={self.lpu!r})"


def patient(sender: Sender, one: Patient) -> Fields:
    """Return the fields of AddPatient and UpdatePatient."""
    return {"guid": sender.token, "idLPU": sender.lpu, "patient": people.patient(one)}


def case(sender: Sender, one: Case) -> Fields:
    """Return the fields of AddCase, UpdateCase and CloseCase."""
    return {"guid": sender.token, "caseDto": Of("CaseAmb", _case(sender, one))}


def opened(sender: Sender, one: Case) -> Fields:
    """Return the fields of CreateCase: without what only the end of a case knows."""
    later = {"CloseDate", "IdCaseResult", "Comment"}
    fields = {name: value for name, value in _case(sender, one).items() if name not in later}
    return {"guid": sender.token, "createCaseDto": Of("CaseAmb", fields)}


def step(sender: Sender, one: Case, visit: Visit) -> Fields:
    """Return the fields of AddStepToCase."""
    keys = _keys(sender, one.patient.person.id, one.id)
    return keys | {"step": Of("StepAmb", _step(sender, one.codes, visit))}


def cancelled(sender: Sender, patient_id: str, case_id: str) -> Fields:
    """Return the fields of CancelCase."""
    return _keys(sender, patient_id, case_id)


def document(sender: Sender, patient_id: str, one: Document) -> Fields:
    """Return the fields of AddMedRecord: the document and its signatures are the very bytes that were given."""
    doctor = people.staff(one.doctor, sender.lpu)
    attachment = {
        "Data": one.content,
        "OrganizationSign": one.clinic_sign,
        "PersonalSigns": {"MedDocumentDto.PersonalSign": [{"Sign": one.doctor_sign, "Doctor": doctor}]},
        "MimeType": one.media_type,
    }
    fields = {
        "Attachments": {"MedDocumentDto.DocumentAttachment": [attachment]},
        "Author": doctor,
        "CreationDate": one.created,
        "Header": one.header,
        "IdDocumentMis": one.id,
        "IdMedDocumentType": one.kind,
    }
    record = {"medRecord": Of("MedDocument", fields), "confidentiality": sender.confidentiality}
    return _keys(sender, patient_id, one.case_id) | record


def _keys(sender: Sender, patient_id: str, case_id: str) -> Fields:
    return {"guid": sender.token, "idLpu": sender.lpu, "idPatientMis": patient_id, "idCaseMis": case_id}


def _case(sender: Sender, one: Case) -> Fields:
    doctor = people.staff(one.doctor, sender.lpu)
    responsible = {"Doctor": doctor, "IdRole": one.codes.role}
    guardian = one.patient.guardian
    return _codes(one.codes) | {
        "OpenDate": one.opened,
        "CloseDate": one.closed,
        "HistoryNumber": one.number,
        "IdCaseMis": one.id,
        "IdLpu": sender.lpu,
        "Comment": one.conclusion,
        "DoctorInCharge": doctor,
        "Authenticator": responsible,
        "Author": responsible,
        "Guardian": people.guardian(guardian) if guardian is not None else None,
        "IdPatientMis": one.patient.person.id,
        "CaseVisitType": {True: FIRST, False: REPEATED, None: None}[one.first],
        "Steps": _listed("StepAmb", [_step(sender, one.codes, visit) for visit in one.visits]),
        "MedRecords": _listed("MedRecord", [_diagnosis(sender, one.codes, each) for each in one.diagnoses]),
    }


def _codes(codes: Codes) -> Fields:
    return {
        "IdCaseAidType": codes.aid,
        "IdPaymentType": codes.payment,
        "Confidentiality": codes.confidentiality,
        "DoctorConfidentiality": codes.confidentiality,
        "CuratorConfidentiality": codes.confidentiality,
        "IdCaseResult": codes.result,
        "AdmissionCondition": codes.admission,
        "IdCasePurpose": codes.purpose,
        "IdCaseType": codes.case,
        "IdAmbResult": codes.outcome,
    }


def _step(sender: Sender, codes: Codes, visit: Visit) -> Fields:
    return {
        "DateStart": visit.start,
        "DateEnd": visit.end,
        "Comment": visit.comment,
        "IdPaymentType": codes.payment,
        "Doctor": people.staff(visit.doctor, sender.lpu),
        "IdStepMis": visit.id,
        "IdVisitPlace": codes.place,
        "IdVisitPurpose": codes.visit_purpose,
        "MedRecords": _listed("MedRecord", [_service(sender, codes, each) for each in visit.services]),
    }


def _service(sender: Sender, codes: Codes, one: Service) -> Of:
    fields = {
        "DateEnd": one.end,
        "DateStart": one.start,
        "IdServiceType": one.code,
        "PaymentInfo": {"IdPaymentType": codes.payment, "Quantity": one.quantity},
        "Performer": {"Doctor": people.staff(one.doctor, sender.lpu), "IdRole": codes.role},
        "ServiceName": one.name,
    }
    return Of("Service", fields)


def _diagnosis(sender: Sender, codes: Codes, one: Diagnosis) -> Of:
    told = {
        "IdDiseaseType": codes.disease,
        "DiagnosedDate": one.made,
        "IdDiagnosisType": codes.diagnosis,
        "Comment": one.comment,
        "MkbCode": one.code,
    }
    kind = "ClinicMainDiagnosis" if one.main else "Diagnosis"
    return Of(kind, {"DiagnosisInfo": told, "Doctor": people.staff(one.doctor, sender.lpu)})


def _listed(name: str, values: list[Any]) -> Mapping[str, list[Any]] | None:
    return {name: values} if values else None
