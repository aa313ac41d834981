"""Bytes of the manager interface: nothing smuggled out, anything taken in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync.integrations.telephony.wire.ami import (
    LONGEST,
    LONGEST_VALUE,
    WANTED,
    Event,
    Malformed,
    Messages,
    Unsendable,
    packet,
)

from .ami_stream import BANNER, blocks, event, transcript

KEYS = st.sampled_from(["Channel", "Uniqueid", "Linkedid", "CallerIDName", "Exten", "ActionID"])
VALUES = st.binary(max_size=40).map(lambda data: data.replace(b"\r\n", b"  "))
NAMES = st.sampled_from([*WANTED, b"VarSet", b"DeviceStateChange", b"\xff\x00"])
FIRST = st.builds(lambda kind, name: kind + name, st.sampled_from([b"Event: ", b"Response: ", b"Message: "]), NAMES)
FIELDS = st.lists(st.tuples(KEYS, VALUES), max_size=6)


def written(first: bytes, fields: list[tuple[str, bytes]]) -> bytes:
    body = b"".join(b"\r\n" + key.encode() + b": " + value for key, value in fields)
    return first + body.replace(b"\r\n\r\n", b"\r\n") + b"\r\n\r\n"


def plain(stream: bytes) -> list[dict[str, str]]:
    """Read as one would at first: split, split, first value wins."""
    found = []
    for block in stream.split(b"\r\n\r\n")[:-1]:
        lines = block.lstrip(b"\r\n").split(b"\r\n") if block.startswith(b"\r\n") else block.split(b"\r\n")
        name = lines[0].removeprefix(b"Event: ")
        if not (lines[0].startswith(b"Event: ") and name in WANTED) and not lines[0].startswith(b"Response: "):
            continue
        fields: dict[str, str] = {}
        for line in lines:
            key, colon, value = line.partition(b":")
            text = "".join(
                sign for sign in value.partition(b"\r")[0].strip().decode("utf-8", "replace") if sign.isprintable()
            )
            if colon:
                fields.setdefault(key.decode("utf-8", "replace"), "" if text == "<unknown>" else text)
        found.append(fields)
    return found


def read(chunks: list[bytes]) -> list[dict[str, str]]:
    reader = Messages()
    keys = ("Channel", "Uniqueid", "Linkedid", "CallerIDName", "Exten", "ActionID")
    messages = [message for chunk in chunks for message in reader.feed(chunk)]
    return [{key: message.get(key.encode()) for key in keys} for message in messages]


@given(st.text(), st.text())
def test_what_goes_out_is_one_action_with_these_fields_or_nothing(key: str, value: str) -> None:
    try:
        data = packet("Originate", [(key, value), ("Async", "true")])
    except Unsendable:
        return
    (fields,) = blocks(data)
    assert [name for name, _value in fields] == ["Action", key, "Async"]
    assert fields[1][1] == value.strip()


@pytest.mark.parametrize("value", ["a\r\nAction: Originate", "a\nb", "a\rb", "a\0b", "a\x85b", "a\u2028b", "\ud800"])
def test_a_line_break_in_a_value_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(Unsendable, match=r"^CallerID$"):
        packet("Originate", [("CallerID", value)])


@pytest.mark.parametrize("key", ["", "A: b", "Variable\r\n", "a b", "-x", "Ключ"])
def test_a_key_that_is_more_than_a_key_is_refused(key: str) -> None:
    with pytest.raises(Unsendable):
        packet("Originate", [(key, "1")])


def test_a_line_that_asterisk_would_drop_and_an_action_it_would_cut_are_refused() -> None:
    packet("Originate", [("Exten", "1" * 993)])
    with pytest.raises(Unsendable):
        packet("Originate", [("Exten", "1" * 994)])
    with pytest.raises(Unsendable):
        packet("Originate", [("Variable", "A=1")] * 100)


@given(st.lists(st.tuples(FIRST, FIELDS), max_size=6), st.data())
def test_any_bytes_are_read_as_a_plain_reader_reads_them_however_they_arrive(
    messages: list[tuple[bytes, list[tuple[str, bytes]]]], data: st.DataObject
) -> None:
    stream = b"".join(written(first, fields) for first, fields in messages)
    whole = BANNER + stream
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    chunks = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    expected = plain(stream)
    got = read(chunks)
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        assert ours == {key: theirs.get(key, "") for key in ours}
    assert read([whole[at : at + 1] for at in range(len(whole))]) == got


def test_a_real_transcript_byte_by_byte_gives_every_event_we_want() -> None:
    stream = transcript("pjsip")
    reader = Messages()
    events = []
    for at in range(0, len(BANNER + stream), 7):
        events += [message.event for message in reader.feed((BANNER + stream)[at : at + 7])]
    names = [fields[0][1] for fields in blocks(stream) if fields[0][0] == "Event"]
    assert [each for each in events if each is not None] == [Event(name) for name in names if name.encode() in WANTED]
    assert reader.version == "9.0.0"


@pytest.mark.parametrize("chunk", [61, 1_000, 10**9])
def test_a_message_beyond_all_measure_is_left_out_and_costs_nothing_else(chunk: int) -> None:
    fits = event("Newchannel", Uniqueid="1", X="x" * (LONGEST - 35))
    assert len(fits) - 4 == LONGEST
    long = event("Newchannel", Uniqueid="2", X="x" * (LONGEST - 34 if chunk == 61 else 10 * LONGEST))
    stream = BANNER + fits + long + event("Hangup", Uniqueid="3")
    reader = Messages()
    found = []
    for at in range(0, len(stream), chunk):
        found += [message.get(b"Uniqueid") for message in reader.feed(stream[at : at + chunk])]
        assert len(reader._rest) <= LONGEST + 3
    assert found == ["1", "3"]
    assert reader.left_out == 1


def test_values_are_cut_and_cleaned_and_the_absent_is_empty() -> None:
    data = b"Event: Newchannel\r\nCallerIDName: \xcf\xf0\xe8 \x1b[31m\r\nExten: <unknown>\r\nContext:no space\r\nX: "
    reader = Messages()
    (message,) = reader.feed(BANNER + data + b"y" * 5_000 + b"\r\n\r\n")
    assert message.get(b"CallerIDName") == "��� [31m"
    assert message.get(b"Exten") == ""
    assert message.get(b"Context") == "no space"
    assert message.get(b"Nothing") == ""
    assert message.get(b"X") == "y" * LONGEST_VALUE


@pytest.mark.parametrize(
    "first", [b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0-x\r\n", b"Asterisk Call Mana\n", b"A" * 300]
)
def test_another_service_is_no_pbx(first: bytes) -> None:
    with pytest.raises(Malformed):
        list(Messages().feed(first))


def test_an_endless_banner_is_no_pbx() -> None:
    reader = Messages()
    list(reader.feed(BANNER.strip()))
    with pytest.raises(Malformed):
        list(reader.feed(b"9" * 300))
