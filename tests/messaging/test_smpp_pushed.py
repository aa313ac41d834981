"""What SMSCs push: receipts as they really come, replies of people, and which is which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync.flows.sending import Fate
from identsync.integrations.messaging.wire.smpp_pdu import Malformed, Short, Tag, read_message_id, read_short
from identsync.integrations.messaging.wire.smpp_pushed import (
    decode,
    is_receipt,
    is_reply,
    provider_id,
    receipt,
    reply,
)

TEXT = b"id:%b sub:001 dlvrd:001 submit date:2611280300 done date:2611280301 stat:%b err:000 text:%b"


def short(message: bytes, **fields: object) -> Short:
    return Short(**({"source": "79450000001", "to": "Clinic", "message": message} | fields))  # type: ignore[arg-type]


def test_the_text_of_the_message_inside_a_receipt_says_nothing() -> None:
    said = receipt(short(TEXT % (b"7", b"UNDELIV", b"id:8 stat:DELIVRD"), esm_class=4))
    assert (said.fate, said.provider_id, said.to) == (Fate.FAILED, "7", "+79450000001")
    assert "8" not in said.answer


def test_optional_parameters_count_before_the_text() -> None:
    tlvs = {Tag.RECEIPTED_MESSAGE_ID: b"a7\0", Tag.MESSAGE_STATE: b"\x03"}
    said = receipt(short(TEXT % (b"7", b"DELIVRD", b""), tlvs=tlvs))
    assert (said.fate, said.provider_id) == (Fate.EXPIRED, "a7")
    only = receipt(short(b"", tlvs=tlvs | {Tag.MESSAGE_PAYLOAD: b"", Tag.MESSAGE_STATE: b"\x02"}))
    assert (only.fate, only.provider_id) == (Fate.DELIVERED, "a7")


@pytest.mark.parametrize("state", [b"ENROUTE", b"ACCEPTD", b"UNKNOWN", b"WHATEVER", b""])
def test_a_state_that_decides_nothing_ends_nothing(state: bytes) -> None:
    assert receipt(short(TEXT % (b"7", state, b""), esm_class=4)).fate is Fate.ACCEPTED


@pytest.mark.parametrize(
    ("spelling", "response", "in_text", "tag"),
    [
        ("same", "00FF", b"00FF", b""),
        ("same", "9b3c-77", b"other", b"9b3c-77\0"),
        ("decimal", "00FF", b"255", b""),
        ("decimal", "ff", b"0000000255", b"FF\0"),
        ("hex", "255", b"000000FF", b""),
        ("hex", "0255", b"ff", b"255"),
        ("decimal", "no-number", b"no-number", b""),
    ],
)
def test_a_receipts_id_is_the_one_of_the_response(spelling: str, response: str, in_text: bytes, tag: bytes) -> None:
    tlvs = {Tag.RECEIPTED_MESSAGE_ID: tag} if tag else {}
    said = receipt(short(TEXT % (in_text, b"DELIVRD", b""), esm_class=4, tlvs=tlvs), spelling)  # type: ignore[arg-type]
    assert said.provider_id == provider_id(response, spelling)  # type: ignore[arg-type]


def test_receipts_replies_and_what_telephones_say() -> None:
    whole = TEXT % (b"7", b"DELIVRD", b"")
    assert is_receipt(short(whole))  # some set no esm_class
    assert is_receipt(short(b"", esm_class=0x20))
    assert is_reply(short(b"the id:7 and stat:DELIVRD"))
    for acknowledgement in (0x08, 0x10, 0x18):
        assert not is_reply(short(b"x", esm_class=acknowledgement))
        assert not is_receipt(short(b"x", esm_class=acknowledgement))


def test_a_reply_sent_twice_is_one_and_its_parts_are_several() -> None:
    now = 1_795_000_000_000
    first, again = reply(short(b"Yes"), now), reply(short(b"Yes"), now + 60_000)
    assert first.key == again.key != reply(short(b"Yes"), now + 3_600_000).key
    assert first.key != reply(short(b"Yes", source="79450000002"), now).key
    parts = [reply(short(bytes((5, 0, 3, 9, 2, n)) + b"same", esm_class=0x40), now) for n in (1, 2)]
    assert [part.text for part in parts] == ["same (1/2)", "same (2/2)"]
    assert parts[0].key != parts[1].key
    wide = bytes((6, 8, 4, 1, 9, 2, 1)) + "Да".encode("utf-16-be")
    assert reply(short(wide, esm_class=0x40, data_coding=8), now).text == "Да (1/2)"
    sar = {Tag.SAR_REFERENCE: b"\0\1", Tag.SAR_TOTAL: b"\3", Tag.SAR_NUMBER: b"\2"}
    assert reply(short(b"x", tlvs=sar), now).text == "x (2/3)"


@pytest.mark.parametrize(
    ("octets", "coding", "text"),
    [
        (b"\x00\x1be", 0, "@€"),
        (b"\xe9", 3, "é"),
        (bytes([0xB4, 0xD0]), 6, "Да"),
        ("Да😀".encode("utf-16-be"), 8, "Да😀"),
        ("Да".encode("utf-16-be"), 0x18, "Да"),
        (b"\x04", 8, "\ufffd"),
    ],
)
def test_replies_in_every_alphabet(octets: bytes, coding: int, text: str) -> None:
    assert decode(octets, coding) == text


@given(st.binary(max_size=300), st.integers(0, 255), st.integers(0, 255))
def test_whatever_a_telephone_or_a_server_sends_is_read(octets: bytes, esm_class: int, coding: int) -> None:
    one = short(octets, esm_class=esm_class, data_coding=coding)
    assert not (is_receipt(one) and is_reply(one))
    assert receipt(one).fate in Fate
    assert reply(one, 0).key


texts = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=20)


@given(texts, texts, st.binary(max_size=254), st.dictionaries(st.sampled_from(list(Tag)), st.binary(max_size=300)))
def test_what_is_packed_is_read_and_nothing_shorter(
    source: str, to: str, message: bytes, tlvs: dict[int, bytes]
) -> None:
    one = Short(source=source, to=to, message=message, tlvs=tlvs)
    body = one.pack()
    assert read_short(body) == one
    whole = Short(source=source, to=to, message=message).pack()
    for size in range(len(whole)):
        with pytest.raises(Malformed):
            read_short(whole[:size])


@given(st.binary(max_size=200))
def test_any_octets_are_a_body_or_malformed(body: bytes) -> None:
    for read in (read_short, read_message_id):
        try:
            read(body)
        except Malformed:
            continue
