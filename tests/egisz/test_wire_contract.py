"""The contract: read from the service's own WSDL, known by its generation, its drift told in words."""

import contextlib
import copy
import random
import re

import pytest
from lxml import etree

from identsync.demo.n3 import wsdl
from identsync.demo.n3.process import N3Process
from identsync.demo.n3.types import EDITIONS
from identsync.errors import Unexpected
from identsync.flows.http import Http
from identsync.integrations.egisz.wire.contract import Contract, Endpoint, Generation
from identsync.integrations.egisz.wire.contract_fetch import fetch

from . import n3_desk
from .n3_desk import contract, real_contract

n3_process, cloud = n3_desk.n3_process, n3_desk.cloud


def drifted(old: str, new: str, edition: str = "EMK5") -> Contract:
    """The contract with something changed in Emk's description; the change must be one."""
    text = wsdl.single("EMKService", edition).decode()
    assert re.search(old, text)
    return Contract(pix=wsdl.single("PixService", edition), emk=re.sub(old, new, text, count=1).encode())


@pytest.mark.parametrize("edition", EDITIONS)
def test_a_known_generation_is_known_and_nothing_is_told(edition: str) -> None:
    assert contract(edition).generation == edition
    assert contract(edition).differences() == []


def test_the_services_own_descriptions_are_read() -> None:
    real = real_contract()
    if real is None:
        pytest.skip("N3's WSDLs are not public: put them into shared/contracts/n3health beside the project")
    assert real.generation is Generation.EMK5
    assert real.differences() == []


def test_what_generations_have_is_told() -> None:
    assert not contract("2016").has("AddMedRecord")
    assert contract("EMK").has("AddMedRecord")
    assert not contract("EMK").has_field("IdMedDocumentType", "MedDocument")
    assert contract("2026").has_field("IdMedDocumentType", "MedDocument")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (r'<xs:element name="CaseVisitType"[^>]*>', "", "CaseAmb: нет поля CaseVisitType"),
        (r'(<xs:element name="HistoryNumber"[^>]*>)(<xs:element name="IdCaseMis"[^>]*>)', r"\2\1", "другом порядке"),
        (r'(name="IdVisitPlace" type=")xs:unsignedByte', r"\1xs:string", "IdVisitPlace: был тип unsignedByte, стал"),
        (r'(<xs:element name="IdStepMis"[^>]*>)', r'\1<xs:element name="IdRoom" type="xs:int"/>', "новое поле IdRoom"),
        (r'name="MkbCode"', 'name="IcdCode"', "нет поля MkbCode"),
    ],
)  # fmt: skip
def test_a_change_is_told_in_words(old: str, new: str, told: str) -> None:
    assert any(told in each for each in drifted(old, new).differences())


def test_an_operation_that_is_gone_is_told() -> None:
    text = wsdl.single("EMKService", "EMK5").decode().replace("AddStepToCase", "AppendStep")
    found = Contract(pix=wsdl.single("PixService", "EMK5"), emk=text.encode())
    assert "EMKService.svc: нет операции AddStepToCase" in found.differences()


def test_an_unknown_generation_is_told_first() -> None:
    found = drifted(r'<xs:element name="RelatedMedDoc"[^>]*>', "")
    assert found.generation is Generation.UNKNOWN
    assert found.differences()[0] == "контракт неизвестного поколения"


def test_the_digest_changes_with_the_description() -> None:
    assert contract("EMK").digests[Endpoint.EMK] != contract("EMK5").digests[Endpoint.EMK]
    assert contract("EMK").digests[Endpoint.PIX] == contract("EMK5").digests[Endpoint.PIX]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><body>Service</body></html>",
        b"<wsdl:definitions",
        b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        b'<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" targetNamespace="http://tempuri.org/"/>',
        wsdl.split("EMKService", "EMK5"),  # its schemas are elsewhere: nothing is loaded
    ],
)
def test_what_is_no_whole_description_is_refused(content: bytes) -> None:
    with pytest.raises(Unexpected):
        Contract(pix=wsdl.single("PixService", "EMK5"), emk=content)


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_description_is_never_another_exception(seed: int) -> None:
    rng = random.Random(seed)
    root = etree.fromstring(wsdl.single("PixService", "EMK5"))
    words = [value for each in root.iter() for value in each.attrib.values()]
    for _damage in range(rng.choice((1, 2, 4))):
        victim = rng.choice(list(root.iter())[1:])
        match rng.randrange(4):
            case 0 if victim.attrib:
                victim.set(rng.choice(list(victim.attrib)), rng.choice(words))
            case 1 if victim.attrib:
                del victim.attrib[rng.choice(list(victim.attrib))]
            case 2:
                rng.choice(list(root.iter())).append(copy.deepcopy(victim))
            case _:
                victim.getparent().remove(victim)
    with contextlib.suppress(Unexpected):
        Contract(pix=etree.tostring(root), emk=wsdl.single("EMKService", "EMK5")).differences()


@pytest.mark.parametrize("endpoint", list(Endpoint))
@pytest.mark.parametrize("single", [True, False])
async def test_a_description_is_fetched_whole_however_it_is_spread(
    cloud: N3Process, endpoint: Endpoint, single: bool
) -> None:
    cloud.options(single=single, edition="2026")
    async with Http() as http:
        content = {each: await fetch(http, f"{cloud.url}/{each}") for each in Endpoint}
    found = Contract(pix=content[Endpoint.PIX], emk=content[Endpoint.EMK])
    assert found.generation is Generation.SAMPLES_2026
    assert found.differences() == []


async def test_what_is_no_service_has_no_description(cloud: N3Process) -> None:
    async with Http() as http:
        with pytest.raises(Unexpected):
            await fetch(http, f"{cloud.url}/Other.svc")
