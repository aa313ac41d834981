"""What the sheet of N3.Health says of the types we build: each type's fields in the order of the wire, and their types.

Facts of the WSDLs of 2016-2026. A field marked ``?`` is not in every generation of the contract: it is built where the
service has it. The judge is always the service's own WSDL; this table only says in words where that one differs.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Known:
    """A field: its type's local name, and whether some generations are without it."""

    type: str
    is_some: bool = False


def _fields(text: str) -> dict[str, Known]:
    pairs = (field.rsplit(":", 1) for field in text.split())
    return {name.rstrip("?"): Known(type, name.endswith("?")) for name, type in pairs}


PIX: Mapping[str, Mapping[str, Known]] = {
    "PatientDto": _fields(
        "Addresses:ArrayOfAddressDto BirthDate:dateTime BirthPlace:BirthPlaceDto ContactPerson:ContactPersonDto "
        "Contacts:ArrayOfContactDto DeathTime:dateTime Documents:ArrayOfDocumentDto FamilyName:string GivenName:string "
        "IdBloodType:unsignedByte IdGlobal:string IdLivingAreaType:unsignedByte IdPatientMIS:string IsVip:boolean "
        "Job:JobDto MiddleName:string Privilege:PrivilegeDto Sex:unsignedByte SocialGroup:unsignedByte "
        "SocialStatus:string"
    ),
    "DocumentDto": _fields(
        "DocN:string DocS:string DocumentName:string ExpiredDate:dateTime IdDocumentType:unsignedByte "
        "IdProvider:string IssuedDate:dateTime ProviderName:string RegionCode:string StartDate:dateTime"
    ),
    "AddressDto": _fields(
        "Appartment:string Building:string City:string GeoData:string IdAddressType:unsignedByte PostalCode:int "
        "Street:string StringAddress:string"
    ),
    "ContactDto": _fields("ContactValue:string IdContactType:unsignedByte"),
    "ContactPersonDto": _fields(
        "ContactList:ArrayOfContactDto FamilyName:string GivenName:string IdPersonMis:string "
        "IdRelationType:unsignedByte MiddleName:string"
    ),
}

_CASE = (
    "OpenDate:dateTime CloseDate:dateTime HistoryNumber:string IdCaseMis:string IdCaseAidType:unsignedByte "
    "IdPaymentType:unsignedByte Confidentiality:unsignedByte DoctorConfidentiality:unsignedByte "
    "CuratorConfidentiality:unsignedByte IdLpu:string IdCaseResult:unsignedByte Comment:string "
    "DoctorInCharge:MedicalStaff Authenticator:Participant Author:Participant LegalAuthenticator:Participant "
    "Guardian:Guardian IdPatientMis:string AdmissionCondition:unsignedByte CaseVisitType:unsignedByte "
)
_PERSON = "HumanName:HumanName Sex:unsignedByte Birthdate:dateTime IdPersonMis:string "
_STEP = (
    "DateStart:dateTime DateEnd:dateTime Comment:string IdPaymentType:unsignedByte Doctor:MedicalStaff "
    "IdStepMis:string "
)

EMK: Mapping[str, Mapping[str, Known]] = {
    "CaseAmb": _fields(
        _CASE + "IdCasePurpose:unsignedByte IdCaseType:unsignedByte IdAmbResult:unsignedByte IsActive:boolean "
        "Steps:ArrayOfStepAmb MedRecords:ArrayOfMedRecord"
    ),
    "StepAmb": _fields(_STEP + "IdVisitPlace:unsignedByte IdVisitPurpose:unsignedByte MedRecords:ArrayOfMedRecord"),
    "MedicalStaff": _fields(
        "Person:PersonWithIdentity IdLpu:string IdSpeciality:unsignedShort IdPosition:unsignedShort "
        "IdMedicalStaff:int SpecialityName:string PositionName:string"
    ),
    "PersonWithIdentity": _fields(_PERSON + "Documents:ArrayOfIdentityDocument"),
    "HumanName": _fields("GivenName:string MiddleName:string FamilyName:string"),
    "IdentityDocument": _fields(
        "DocN:string DocS:string DocumentName:string ExpiredDate:dateTime IdDocumentType:unsignedByte IdProvider:int "
        "IssuedDate:dateTime ProviderName:string RegionCode:string StartDate:dateTime"
    ),
    "Participant": _fields("Doctor:MedicalStaff IdRole:unsignedByte"),
    "Guardian": _fields("Person:PersonWithIdentity IdRelationType:unsignedByte UnderlyingDocument:string"),
    "Service": _fields(
        "DateEnd:dateTime DateStart:dateTime IdServiceType:string Params:ArrayOfParam PaymentInfo:PaymentInfo "
        "Performer:Participant ServiceName:string Status:boolean"
    ),
    "PaymentInfo": _fields(
        "HealthCareUnit:unsignedByte IdPaymentType:unsignedByte PaymentState:unsignedByte Quantity:int Tariff:decimal"
    ),
    "Diagnosis": _fields("DiagnosisInfo:DiagnosisInfo Doctor:MedicalStaff"),
    "ClinicMainDiagnosis": _fields("DiagnosisInfo:DiagnosisInfo Doctor:MedicalStaff Complications:ArrayOfDiagnosis"),
    "DiagnosisInfo": _fields(
        "IdDiseaseType:unsignedByte DiagnosedDate:dateTime IdDiagnosisType:unsignedByte Comment:string "
        "DiagnosisChangeReason:unsignedByte DiagnosisStage:unsignedByte IdDispensaryState:unsignedByte "
        "IdTraumaType:unsignedByte MESImplementationFeature:unsignedByte MedicalStandard:int Params:ArrayOfParam "
        "MkbCode:string DiseaseStatus:unsignedByte MkbCodeChange:string"
    ),
}

DOCUMENT: Mapping[str, Mapping[str, Known]] = {
    "MedDocument": _fields(
        "Attachments:ArrayOfMedDocumentDto.DocumentAttachment Author:MedicalStaff CreationDate:dateTime "
        "FhirMedDocumentType:string Header:string IdDocumentMis:string IdMedDocumentType?:unsignedByte "
        "Observations:ArrayOfObservation RelatedMedDoc?:ArrayOfstring"
    ),
    "MedDocumentDto.DocumentAttachment": _fields(
        "Data:base64Binary OrganizationSign:base64Binary PersonalSigns:ArrayOfMedDocumentDto.PersonalSign "
        "MimeType:string Url:anyURI"
    ),
    "MedDocumentDto.PersonalSign": _fields("Sign:base64Binary Doctor:MedicalStaff"),
}

_KEYS = "guid:string idLpu:string idPatientMis:string idCaseMis:string "
PIX_OPERATIONS: Mapping[str, Mapping[str, Known]] = {
    "GetVersion": {},
    "AddPatient": _fields("guid:string idLPU:string patient:PatientDto"),
    "UpdatePatient": _fields("guid:string idLPU:string patient:PatientDto"),
}
EMK_OPERATIONS: Mapping[str, Mapping[str, Known]] = {
    "GetVersion": {},
    "AddCase": _fields("guid:string caseDto:CaseBase"),
    "CreateCase": _fields("guid:string createCaseDto:CaseBase"),
    "CloseCase": _fields("guid:string caseDto:CaseBase"),
    "UpdateCase": _fields("guid:string caseDto:CaseBase"),
    "AddStepToCase": _fields(_KEYS + "step:StepBase"),
    "CancelCase": _fields(_KEYS),
    "AddMedRecord": _fields(_KEYS + "medRecord:MedRecord confidentiality?:unsignedByte"),
}
SOME_OPERATIONS = frozenset({"CancelCase", "AddMedRecord"})  # not in every generation
