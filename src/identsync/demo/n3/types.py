"""The types of N3's contract as its sheet describes them: namespaces, fields in the order of the wire, editions.

Written for this stand-in from the sheet alone and apart from what the product knows, so that one mistake does not hide
another. ``[X]`` is an array of X (``ArrayOfX``); a type before ``<`` extends the one behind it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

CONTRACTS = "http://schemas.datacontract.org/2004/07/"
TEMPURI = "http://tempuri.org/"
ARRAYS = "http://schemas.microsoft.com/2003/10/Serialization/Arrays"
NAMESPACES: Mapping[str, str] = {
    "pix": f"{CONTRACTS}EMKService.Data.Dto",
    "dto": f"{CONTRACTS}N3.EMK.Dto",
    "case": f"{CONTRACTS}N3.EMK.Dto.Case",
    "step": f"{CONTRACTS}N3.EMK.Dto.Step",
    "rec": f"{CONTRACTS}N3.EMK.Dto.MedRec",
    "diag": f"{CONTRACTS}N3.EMK.Dto.MedRec.Diag",
    "doc": f"{CONTRACTS}N3.EMK.Dto.MedRec.MedDoc",
    "common": f"{CONTRACTS}N3.EMK.Dto.Common",
    "core": f"{CONTRACTS}N3.Shared.Core",
    "arr": ARRAYS,
}
EDITIONS = ("2016", "EMK", "EMK5", "2026")
PIX, EMK = "PixService", "EMKService"

_TYPES = """
pix.PatientDto Addresses:[pix.AddressDto] BirthDate:dateTime BirthPlace:pix.BirthPlaceDto
 ContactPerson:pix.ContactPersonDto Contacts:[pix.ContactDto] DeathTime:dateTime Documents:[pix.DocumentDto]
 FamilyName:string GivenName:string IdBloodType:unsignedByte IdGlobal:string IdLivingAreaType:unsignedByte
 IdPatientMIS:string IsVip:boolean Job:pix.JobDto MiddleName:string Privilege:pix.PrivilegeDto Sex:unsignedByte
 SocialGroup:unsignedByte SocialStatus:string
pix.AddressDto Appartment:string Building:string City:string GeoData:string IdAddressType:unsignedByte PostalCode:int
 Street:string StringAddress:string
pix.BirthPlaceDto City:string Country:string Region:string
pix.ContactPersonDto ContactList:[pix.ContactDto] FamilyName:string GivenName:string IdPersonMis:string
 IdRelationType:unsignedByte MiddleName:string
pix.ContactDto ContactValue:string IdContactType:unsignedByte
pix.DocumentDto DocN:string DocS:string DocumentName:string ExpiredDate:dateTime IdDocumentType:unsignedByte
 IdProvider:string IssuedDate:dateTime ProviderName:string RegionCode:string StartDate:dateTime
pix.JobDto CompanyName:string DateEnd:dateTime DateStart:dateTime OgrnCode:string Position:string Sphere:string
pix.PrivilegeDto Comment:string DateEnd:dateTime DateStart:dateTime DisabilityDegree:string
 IdDisabilityType:unsignedByte IdPrivilegeType:unsignedByte IsMain:boolean MkbCode:string
 PrivilegeDocument:pix.DocumentDto
case.CaseBase OpenDate:dateTime CloseDate:dateTime HistoryNumber:string IdCaseMis:string IdCaseAidType:unsignedByte
 IdPaymentType:unsignedByte Confidentiality:unsignedByte DoctorConfidentiality:unsignedByte
 CuratorConfidentiality:unsignedByte IdLpu:string IdCaseResult:unsignedByte Comment:string
 DoctorInCharge:dto.MedicalStaff Authenticator:dto.Participant Author:dto.Participant
 LegalAuthenticator:dto.Participant Guardian:dto.Guardian IdPatientMis:string AdmissionCondition:unsignedByte
 CaseVisitType:unsignedByte
case.CaseAmb<case.CaseBase IdCasePurpose:unsignedByte IdCaseType:unsignedByte IdAmbResult:unsignedByte
 IsActive:boolean Steps:[step.StepAmb] MedRecords:[rec.MedRecord]
step.StepBase DateStart:dateTime DateEnd:dateTime Comment:string IdPaymentType:unsignedByte Doctor:dto.MedicalStaff
 IdStepMis:string
step.StepAmb<step.StepBase IdVisitPlace:unsignedByte IdVisitPurpose:unsignedByte MedRecords:[rec.MedRecord]
dto.MedicalStaff Person:dto.PersonWithIdentity IdLpu:string IdSpeciality:unsignedShort IdPosition:unsignedShort
 IdMedicalStaff:int SpecialityName:string PositionName:string
dto.Participant Doctor:dto.MedicalStaff IdRole:unsignedByte
dto.Guardian Person:dto.PersonWithIdentity IdRelationType:unsignedByte UnderlyingDocument:string
dto.Person HumanName:dto.HumanName Sex:unsignedByte Birthdate:dateTime IdPersonMis:string
dto.PersonWithIdentity<dto.Person Documents:[dto.IdentityDocument]
dto.HumanName GivenName:string MiddleName:string FamilyName:string
dto.IdentityDocument DocN:string DocS:string DocumentName:string ExpiredDate:dateTime IdDocumentType:unsignedByte
 IdProvider:int IssuedDate:dateTime ProviderName:string RegionCode:string StartDate:dateTime
rec.MedRecord
rec.Service<rec.MedRecord DateEnd:dateTime DateStart:dateTime IdServiceType:string Params:[rec.Param]
 PaymentInfo:rec.PaymentInfo Performer:dto.Participant ServiceName:string Status:boolean
rec.Param Code:int Value:string
rec.PaymentInfo HealthCareUnit:unsignedByte IdPaymentType:unsignedByte PaymentState:unsignedByte Quantity:int
 Tariff:decimal
diag.Diagnosis<rec.MedRecord DiagnosisInfo:diag.DiagnosisInfo Doctor:dto.MedicalStaff
diag.ClinicMainDiagnosis<diag.Diagnosis Complications:[diag.Diagnosis]
diag.DiagnosisInfo IdDiseaseType:unsignedByte DiagnosedDate:dateTime IdDiagnosisType:unsignedByte Comment:string
 DiagnosisChangeReason:unsignedByte DiagnosisStage:unsignedByte IdDispensaryState:unsignedByte
 IdTraumaType:unsignedByte MESImplementationFeature:unsignedByte MedicalStandard:int Params:[rec.Param]
 MkbCode:string DiseaseStatus:unsignedByte MkbCodeChange:string
doc.MedDocument<rec.MedRecord Attachments:[doc.MedDocumentDto.DocumentAttachment] Author:dto.MedicalStaff
 CreationDate:dateTime FhirMedDocumentType:string Header:string IdDocumentMis:string IdMedDocumentType:KIND
 Observations:[doc.Observation] RelatedMedDoc:RELATED
doc.Observation Code:int DateTime:dateTime Interpretation:string
doc.ConsultNote<doc.MedDocument
doc.MedDocumentDto.DocumentAttachment Data:base64Binary OrganizationSign:base64Binary
 PersonalSigns:[doc.MedDocumentDto.PersonalSign] MimeType:string Url:anyURI
doc.MedDocumentDto.PersonalSign Sign:base64Binary Doctor:dto.MedicalStaff
common.RequestFault PropertyName:string Message:string ErrorCode:int Errors:[common.RequestFault]
common.RequestWarning PropertyName:string Message:string WarningCode:int Warnings:[common.RequestWarning]
core.VersionInfo DatabaseVersion:string ServiceVersion:string
"""

_KEYS = "guid:string idLpu:string idPatientMis:string idCaseMis:string "
_OPERATIONS: Mapping[str, Mapping[str, str]] = {
    PIX: {
        "GetVersion": "",
        "AddPatient": "guid:string idLPU:string patient:pix.PatientDto",
        "UpdatePatient": "guid:string idLPU:string patient:pix.PatientDto",
    },
    EMK: {
        "GetVersion": "",
        "AddCase": "guid:string caseDto:case.CaseBase",
        "CreateCase": "guid:string createCaseDto:case.CaseBase",
        "CloseCase": "guid:string caseDto:case.CaseBase",
        "UpdateCase": "guid:string caseDto:case.CaseBase",
        "AddMedRecord": _KEYS + "medRecord:rec.MedRecord confidentiality:LEVEL",
        "AddStepToCase": _KEYS + "step:step.StepBase",
        "CancelCase": _KEYS,
    },
}
_VARIANTS: Mapping[str, Mapping[str, str]] = {  # '' = the field is not there
    "2016": {"KIND": "", "RELATED": "", "LEVEL": ""},
    "EMK": {"KIND": "", "RELATED": "", "LEVEL": ""},
    "EMK5": {"KIND": "unsignedByte", "RELATED": "[string]", "LEVEL": "unsignedByte"},
    "2026": {"KIND": "unsignedShort", "RELATED": "[string]", "LEVEL": ""},
}
_ABSENT = {"2016": ("AddMedRecord", "CancelCase")}
WARNS = ("AddCase", "CreateCase", "CloseCase", "UpdateCase", "AddMedRecord", "AddStepToCase")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a type: its element, the type, whether it is an array of that."""

    name: str
    space: str
    type: str
    is_array: bool


@dataclass(frozen=True, slots=True)
class Type:
    """A type: its own fields, those of what it extends first."""

    name: str  # with its namespace's short name before the dot
    parent: str
    own: tuple[Field, ...]
    fields: tuple[Field, ...]


@cache
def types_of(edition: str) -> Mapping[str, Type]:
    """Return every type of an edition by name."""
    found: dict[str, Type] = {}
    for line in _TYPES.strip().replace("\n ", " ").splitlines():
        head, _space, rest = line.partition(" ")
        name, _less, parent = head.partition("<")
        own = _fields(rest, NAMESPACES[name.partition(".")[0]], edition)
        found[name] = Type(name, parent, own, own)
    return {name: _whole(found, one) for name, one in found.items()}


@cache
def operations_of(service: str, edition: str) -> Mapping[str, tuple[Field, ...]]:
    """Return the arguments of each operation of a service."""
    absent = _ABSENT.get(edition, ())
    listed = _OPERATIONS[service].items()
    return {name: _fields(text, TEMPURI, edition) for name, text in listed if name not in absent}


def is_a(types: Mapping[str, Type], name: str, wanted: str) -> bool:
    """Tell whether a type is another or extends it."""
    while name:
        if name == wanted:
            return True
        name = types[name].parent if name in types else ""
    return False


def _fields(text: str, space: str, edition: str) -> tuple[Field, ...]:
    made = []
    for pair in text.split():
        name, _colon, kind = pair.partition(":")
        kind = _VARIANTS[edition].get(kind, kind)
        if kind:
            made.append(Field(name, space, kind.strip("[]"), kind.startswith("[")))
    return tuple(made)


def _whole(found: Mapping[str, Type], one: Type) -> Type:
    fields, parent = one.own, one.parent
    while parent:
        fields = found[parent].own + fields
        parent = found[parent].parent
    return Type(one.name, one.parent, one.own, fields)
