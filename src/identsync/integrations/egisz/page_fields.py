"""N3 complains of fields by its own names: what each is called in a clinic, and where a person mends it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from identsync.integrations.egisz.case import Complaint
from identsync.integrations.egisz.rules_table import CODES, WHERE, Where

INDEX = re.compile(r"\[\d+\]$")
EMPLOYEE = frozenset({"Doctor", "DoctorInCharge", "Author", "Authenticator", "LegalAuthenticator", "Performer"})


def _(text: str) -> str:
    return text


PERSON: Mapping[str, str] = {
    "FamilyName": _("фамилия"),
    "GivenName": _("имя"),
    "MiddleName": _("отчество"),
    "BirthDate": _("дата рождения"),
    "Birthdate": _("дата рождения"),
    "Sex": _("пол"),
    "DocN": _("номер документа"),
    "DocS": _("серия документа"),
    "ProviderName": _("кем выдан документ"),
    "IdDocumentType": _("вид документа"),
    "IdProvider": _("кем выдан документ"),
}
"""Of a patient, a guardian or a doctor: the rest of the path tells whose."""
PLACED: Mapping[Where, Mapping[str, str]] = {
    Where.PATIENT: {
        "StringAddress": _("адрес"),
        "ContactValue": _("телефон"),
        "Guardian": _("законный представитель"),
        "IdRelationType": _("кем представитель приходится пациенту"),
        "UnderlyingDocument": _("документ законного представителя"),
    },
    Where.EMPLOYEE: {"IdPosition": _("должность врача"), "IdSpeciality": _("специальность врача")},
    Where.VISIT: {
        "HistoryNumber": _("номер карты или талона"),
        "OpenDate": _("начало случая"),
        "CloseDate": _("конец случая"),
        "Comment": _("заключение или пояснение"),
        "CaseVisitType": _("первичный приём или повторный"),
        "Steps": _("посещения"),
        "DateStart": _("начало"),
        "DateEnd": _("окончание"),
        "MedRecords": _("диагноз и услуги"),
        "MkbCode": _("код МКБ-10"),
        "DiagnosedDate": _("когда поставлен диагноз"),
        "IdServiceType": _("код услуги"),
        "ServiceName": _("название услуги"),
    },
    Where.SIGNING: {
        "Data": _("содержимое документа"),
        "PersonalSigns": _("подпись врача"),
        "Sign": _("подпись врача"),
        "OrganizationSign": _("подпись клиники"),
        "Header": _("название документа"),
        "CreationDate": _("дата документа"),
        "IdMedDocumentType": _("вид медицинского документа"),
        "Attachments": _("содержимое и подписи документа"),
    },
    Where.SETTINGS: {
        "guid": _("ключ системы (token)"),
        "idLPU": _("номер организации (lpu)"),
        "idLpu": _("номер организации (lpu)"),
        "IdLpu": _("номер организации (lpu)"),
        "IdCaseAidType": CODES["aid"],
        "IdPaymentType": CODES["payment"],
        "Confidentiality": CODES["confidentiality"],
        "DoctorConfidentiality": CODES["confidentiality"],
        "CuratorConfidentiality": CODES["confidentiality"],
        "confidentiality": CODES["confidentiality"],
        "IdCaseResult": CODES["result"],
        "IdCasePurpose": CODES["purpose"],
        "IdCaseType": CODES["case"],
        "IdAmbResult": CODES["outcome"],
        "IdVisitPlace": CODES["place"],
        "IdVisitPurpose": CODES["visit_purpose"],
        "AdmissionCondition": CODES["admission"],
        "IdDiseaseType": CODES["disease"],
        "IdDiagnosisType": CODES["diagnosis"],
        "IdRole": CODES["role"],
    },
}
_KNOWN = {name: (where, title) for where, names in PLACED.items() for name, title in names.items()}


def told(said: Sequence[Complaint]) -> Iterator[dict[str, Any]]:
    """Yield complaints as the page shows them: N3's own words, and of its field what is known here."""
    for each in said:
        title, where = of(each.field)
        place = WHERE[where] if where is not None else ""
        yield {"code": each.code, "field": each.field, "words": each.words, "title": title, "where": place}


def of(field: str) -> tuple[str, Where | None]:
    """Return what a field is called and where it is mended; ('', None) where its name says nothing."""
    path = [INDEX.sub("", part) for part in field.split(".")]
    if path[-1] in PERSON:
        return PERSON[path[-1]], Where.EMPLOYEE if EMPLOYEE.intersection(path) else Where.PATIENT
    where, title = _KNOWN.get(path[-1], (None, ""))
    return title, where
