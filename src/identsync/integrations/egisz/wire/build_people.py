"""Patients, doctors and guardians as N3 spells them."""

from typing import Any

from identsync.integrations.egisz.case import Doctor, Guardian, Paper, Patient, Person

# The few codes that N3's own samples fix: СНИЛС of book 1.2.643.2.69.1.1.1.6, the actual address of .28, phones of .27.
SNILS, SNILS_ISSUER = 223, "ПФР"
ACTUAL = 2
MOBILE, LANDLINE = 1, 2

Fields = dict[str, Any]


def patient(one: Patient) -> Fields:
    """Return the fields of PatientDto."""
    person = one.person
    papers = [*_snils(person), *(_paper(each) for each in one.papers if each.kind != SNILS)]
    return {
        "Addresses": {"AddressDto": [{"IdAddressType": ACTUAL, "StringAddress": one.address}]} if one.address else None,
        "BirthDate": person.born,
        "ContactPerson": _contact_person(one.guardian) if one.guardian is not None else None,
        "Contacts": {"ContactDto": [_contact(one.phone)]} if one.phone else None,
        "Documents": {"DocumentDto": papers} if papers else None,
        "FamilyName": person.surname,
        "GivenName": person.name,
        "IdPatientMIS": person.id,
        "MiddleName": person.patronymic,
        "Sex": person.sex,
    }


def staff(doctor: Doctor, lpu: str) -> Fields:
    """Return the fields of MedicalStaff."""
    return {
        "Person": _person(doctor.person),
        "IdLpu": lpu,
        "IdSpeciality": doctor.speciality,
        "IdPosition": doctor.position,
    }


def guardian(one: Guardian) -> Fields:
    """Return the fields of a case's Guardian."""
    return {"Person": _person(one.person), "IdRelationType": one.relation, "UnderlyingDocument": one.paper}


def _person(person: Person) -> Fields:
    papers = _snils(person)
    return {
        "HumanName": {
            "GivenName": person.name,
            "MiddleName": person.patronymic,
            "FamilyName": person.surname,
        },
        "Sex": person.sex,
        "Birthdate": person.born,
        "IdPersonMis": person.id,
        "Documents": {"IdentityDocument": papers} if papers else None,
    }


def _contact_person(one: Guardian) -> Fields:
    return {
        "FamilyName": one.person.surname,
        "GivenName": one.person.name,
        "IdPersonMis": one.person.id,
        "IdRelationType": one.relation,
        "MiddleName": one.person.patronymic,
    }


def _snils(person: Person) -> list[Fields]:
    digits = "".join(each for each in person.snils if each.isascii() and each.isdigit())
    if not digits:
        return []
    return [{"DocN": digits, "IdDocumentType": SNILS, "ProviderName": SNILS_ISSUER}]


def _paper(one: Paper) -> Fields:
    return {
        "DocN": one.number,
        "DocS": one.series,
        "IdDocumentType": one.kind,
        "IssuedDate": one.issued,
        "ProviderName": one.issuer,
    }


def _contact(phone: str) -> Fields:
    digits = "".join(each for each in phone if each.isdigit())
    is_mobile = digits[-10:-9] == "9"
    return {"ContactValue": phone, "IdContactType": MOBILE if is_mobile else LANDLINE}
