"""Answers: what is a success, what a complaint, what makes no sense; nothing an answer brings can hurt us."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync.demo.n3 import soap
from identsync.integrations.egisz.case import Complaint, Fate
from identsync.integrations.egisz.wire import faults

SUCCESS = "{http://tempuri.org/}AddCaseResponse"
COMMON = "http://schemas.datacontract.org/2004/07/N3.EMK.Dto.Common"
ENVELOPE = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>%s</s:Body></s:Envelope>'


def judged(body: bytes, operation: str = "AddCase", *, is_cut: bool = False) -> faults.Verdict:
    return faults.read(operation, SUCCESS.replace("AddCase", operation), body, is_cut=is_cut)


def fault(detail: str, code: str = "s:Client") -> bytes:
    told = f"<s:Fault><faultcode>{code}</faultcode><faultstring>Сбой</faultstring><detail>{detail}</detail></s:Fault>"
    return (ENVELOPE % told).encode()


def node(code: object, words: str = "", field: str = "", inner: str = "", kind: str = "Fault") -> str:
    name = {"Fault": "Error", "Warning": "Warning"}[kind]
    return (
        f'<Request{kind} xmlns="{COMMON}"><PropertyName>{field}</PropertyName><Message>{words}</Message>'
        f"<{name}Code>{code}</{name}Code><{name}s>{inner}</{name}s></Request{kind}>"
    )


def listed(*nodes: str, kind: str = "Fault") -> str:
    return f'<ArrayOfRequest{kind} xmlns="{COMMON}">{"".join(nodes)}</ArrayOfRequest{kind}>'


def test_an_empty_success_is_taken() -> None:
    assert judged(soap.success("AddCase")).fate is Fate.TAKEN
    assert judged(b"\xef\xbb\xbf<?xml version='1.0'?>" + soap.success("AddCase")).fate is Fate.TAKEN


def test_a_version_is_told() -> None:
    found = faults.read("GetVersion", "{http://tempuri.org/}GetVersionResponse", soap.version("5.26.1", "3.1"))
    assert (found.fate, found.words) == (Fate.TAKEN, "DatabaseVersion 3.1, ServiceVersion 5.26.1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"OK",
        b"{}",
        b"\x00\xff\xfe",
        soap.HTML,
        soap.success("AddCase")[:-9],
        soap.BOMB,
        soap.success("UpdateCase"),
        soap.talkative("AddCase"),
        soap.success("AddCase").replace(b"http://tempuri.org/", b"http://tempuri.org"),
        soap.success("AddCase").replace(b"/soap/envelope/", b"/soap-envelope"),
        (ENVELOPE % "").encode(),
        (ENVELOPE % '<AddCaseResponse xmlns="http://tempuri.org/"/><x/>').encode(),
        (ENVELOPE % '<AddCaseResponse xmlns="http://tempuri.org/">7</AddCaseResponse>').encode(),
        b'<AddCaseResponse xmlns="http://tempuri.org/"/>',
        b'<!DOCTYPE s SYSTEM "http://127.0.0.1:1/x.dtd">' + soap.success("AddCase"),
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode("utf-16"),
    ],
)
def test_what_makes_no_sense_is_lost_with_words(body: bytes) -> None:
    found = judged(body)
    assert found.fate is Fate.LOST
    assert found.words


def test_a_refusal_tells_its_leaf() -> None:
    inner = listed(node(77, "Не соответствует", "IdCaseResult"))
    found = judged(fault(node(10, "Ошибки", "caseDto", inner)))
    assert found.fate is Fate.REFUSED
    assert found.complaints == (Complaint("77", "IdCaseResult", "Не соответствует"),)


def test_every_leaf_of_a_list_is_told_in_order() -> None:
    inner = node(1, "а", "x") + node(2, "б", inner=node(3, "в"))
    found = judged(fault(listed(node(9, field="top", inner=inner), node("Z-4", "г"))))
    assert [(each.code, each.field, each.words) for each in found.complaints] == [
        ("1", "x", "а"),
        ("3", "top", "в"),
        ("Z-4", "", "г"),
    ]


def test_a_warning_is_taken_with_something_to_look_at() -> None:
    inner = node(2135, "Есть PDF, нет TXT", kind="Warning")
    for detail in (
        node(8, "Поле содержит ошибки", inner=inner, kind="Warning"),
        listed(node(8, inner=inner, kind="Warning"), kind="Warning"),
    ):
        found = judged(fault(detail))
        assert found.fate is Fate.WARNED
        assert [each.code for each in found.complaints] == ["2135"]


def test_a_warning_beside_a_fault_does_not_save_it() -> None:
    both = node(8, kind="Warning") + node(77)
    assert judged(fault(both)).fate is Fate.REFUSED


@pytest.mark.parametrize(
    ("operation", "code", "fate"),
    [
        ("AddPatient", "23", Fate.THERE),
        ("AddCase", "31", Fate.THERE),
        ("CreateCase", " 31 ", Fate.THERE),
        ("AddCase", "23", Fate.REFUSED),
        ("AddPatient", "31", Fate.REFUSED),
        ("UpdateCase", "31", Fate.REFUSED),
        ("AddMedRecord", "31", Fate.REFUSED),
        ("AddCase", "310", Fate.REFUSED),
    ],
)
def test_a_key_that_has_arrived_is_there(operation: str, code: str, fate: Fate) -> None:
    assert judged(fault(node(code)), operation).fate is fate
    assert judged(fault(node(5, inner=node(code))), operation).fate is fate
    assert judged(fault(node(code, inner=node(5))), operation).fate is fate
    assert judged(fault(listed(node(code))), operation).fate is fate


def test_a_key_that_is_there_with_another_complaint_is_refused() -> None:
    assert judged(fault(listed(node(31), node(77)))).fate is Fate.REFUSED
    assert judged(fault(node(31) + node(8, kind="Warning"))).fate is Fate.THERE


def test_an_empty_list_of_complaints_is_still_a_refusal() -> None:
    assert judged(fault(listed())).fate is Fate.REFUSED
    assert judged(fault(listed(kind="Warning"))).fate is Fate.WARNED


@pytest.mark.parametrize("code", ["s:Client", "a:DeserializationFailed", "a:ActionNotSupported"])
def test_wcf_that_did_not_like_the_request_has_done_nothing(code: str) -> None:
    found = judged(fault("", code))
    assert found.fate is Fate.REFUSED
    assert found.complaints == (Complaint(code.rpartition(":")[2], "", "Сбой"),)


@pytest.mark.parametrize("code", ["s:Server", "a:InternalServiceFault", "", "a:SomethingNew"])
def test_a_failure_on_their_side_leaves_it_open(code: str) -> None:
    found = judged(fault("<ExceptionDetail><Message>NullReference</Message></ExceptionDetail>", code))
    assert found.fate is Fate.LOST
    assert found.words


def test_a_huge_tree_is_read_as_far_as_anybody_looks() -> None:
    found = judged(soap.tree(5_000, 5))
    assert found.fate is Fate.REFUSED
    assert len(found.complaints) == faults.MAX_LEAVES
    assert found.words == "жалоб больше, чем показано: 200"
    assert found.complaints[0] == Complaint("40", "field0", "Поле содержит ошибки")


def test_a_deep_tree_ends_somewhere() -> None:
    found = judged(soap.tree(1, 118))  # 256 elements deep is where the parser itself stops
    assert found.fate is Fate.REFUSED
    assert len(found.complaints) == 1
    endless = f'<RequestFault xmlns="{COMMON}"><Errors>' * 100_000
    assert judged(fault(endless)).fate is Fate.LOST
    closed = endless + "</Errors></RequestFault>" * 100_000
    assert judged(fault(closed)).fate is Fate.LOST


def test_long_words_are_cut() -> None:
    [one] = judged(fault(node(1, "я" * 100_000))).complaints
    assert len(one.words) == faults.MAX_WORDS


def test_the_beginning_of_a_fault_is_a_fault_and_of_a_success_nothing() -> None:
    whole = soap.tree(100, 1)
    found = judged(whole[:20_000], is_cut=True)
    assert found.fate is Fate.REFUSED
    assert found.complaints[0].code == "40"
    assert judged(soap.success("AddCase"), is_cut=True).fate is Fate.LOST
    assert judged(soap.success("AddCase")[:-9], is_cut=True).fate is Fate.LOST
    assert judged(b"\x00" * 10, is_cut=True).fate is Fate.LOST


BODIES = (soap.success("AddCase"), soap.warning(as_list=True), soap.tree(2, 2), soap.bare("s:Server", "x"), soap.HTML)


@given(st.sampled_from(BODIES), st.data(), st.booleans())
def test_a_damaged_answer_is_never_a_success_and_never_an_exception(
    body: bytes, data: st.DataObject, cut: bool
) -> None:
    at = data.draw(st.integers(0, len(body)))
    damaged = body[:at] + data.draw(st.binary(max_size=6)) + body[at + data.draw(st.integers(1, 40)) :]
    found = judged(damaged, is_cut=cut)
    if found.fate is Fate.TAKEN:
        assert not cut
        assert b"AddCaseResponse" in damaged
    assert found.fate in set(Fate)
