"""Events as calls: however many legs, hops and transfers, one call is one call, and it always ends."""

import pytest

from identsync.integrations.telephony.call import Direction, Reason, State
from identsync.integrations.telephony.wire.ami_calls import Calls
from identsync.integrations.telephony.wire.ami_trails import MOST_LEGS

from .ami_stream import Script, Wire, blocks, event, transcript


def people(employees: object) -> list[str]:
    return [each.extension for each in employees]  # type: ignore[attr-defined]


def incoming(script: Script, to: list[str], number: str = "79161234567") -> bytes:
    """Somebody calls, and phones ring."""
    data = script.new("trunk", "PJSIP/trunk-0000000a", number=number, exten="74951234567")
    for extension in to:
        data += script.new(extension, f"PJSIP/{extension}-0000001{extension[-1]}", "trunk", ChannelState="0")
        data += script.dial("trunk", extension, extension)
    return data


def answered(script: Script, by: str, bridge: str = "b1") -> bytes:
    return script.up(by) + script.ended("trunk", by, "ANSWER") + script.up("trunk") + script.enter(bridge, by, "trunk")


# ---- what a real Asterisk has said


def test_a_ring_group_that_was_answered_is_one_call_although_a_cdr_says_no_answer() -> None:
    stream = transcript("pjsip", "A:")
    verdicts = [dict(each)["Disposition"] for each in blocks(stream) if each[0][1] == "Cdr"]
    assert verdicts == ["ANSWERED", "NO ANSWER"]
    call = Wire().feed(stream).one()
    assert (call.direction, call.state, call.phone, call.line) == (
        Direction.IN,
        State.ANSWERED,
        "sipp",
        "74951234567",
    )
    assert [(each.extension, each.name) for each in call.rang] == [("101", "Registratura"), ("102", "")]
    assert people(call.talked) == ["101"]
    assert call.answered_ms is not None
    assert call.start_ms < call.answered_ms < (call.ended_ms or 0)


def test_nobody_answered() -> None:
    call = Wire().feed(transcript("pjsip", "B:")).one()
    assert (call.direction, call.state, call.reason) == (Direction.IN, State.MISSED, Reason.NO_ANSWER)
    assert (people(call.rang), call.talked, call.answered_ms) == (["102"], (), None)


def test_a_call_that_we_ordered_has_our_token_and_the_number_dialled() -> None:
    wire = Wire().feed(transcript("pjsip", "C:"))
    call = wire.one()
    assert (call.token, call.direction, call.state) == ("c2c-1", Direction.OUT, State.ANSWERED)
    assert (call.phone, call.line, people(call.talked)) == ("79161234567", "trunk", ["101"])
    assert {each.direction for each in wire.told} == {Direction.OUT}


def test_an_ordered_call_whose_phone_nobody_took_and_one_to_a_phone_that_is_not_there() -> None:
    call = Wire().feed(transcript("pjsip", "D:")).one()
    assert (call.token, call.state, call.reason) == ("c2c-2", State.MISSED, Reason.NO_ANSWER)


@pytest.mark.parametrize(
    ("part", "state", "phone", "who"),
    [
        ("INCOMING ANSWERED", State.ANSWERED, "79031112233", ["101"]),
        ("INCOMING MISSED", State.MISSED, "79035556677", ["102"]),
    ],
)
def test_pairs_of_local_channels_are_one_call(part: str, state: State, phone: str, who: list[str]) -> None:
    wire = Wire().feed(transcript("local", part))
    call = wire.one()
    assert (call.direction, call.state, call.phone, people(call.rang)) == (Direction.IN, state, phone, who)
    assert all(each.direction is Direction.IN and each.phone for each in wire.told), "told before it was known"


SIP = [
    ("group", Direction.IN, State.ANSWERED, ["101", "102"], ["101"]),
    ("queue", Direction.IN, State.ANSWERED, ["101", "102"], ["101"]),
    ("localn", Direction.IN, State.ANSWERED, ["101", "102"], ["101"]),
    ("blind", Direction.IN, State.ANSWERED, ["101", "102", "103"], ["101", "103"]),
    ("attended", Direction.IN, State.ANSWERED, ["101", "102", "103"], ["101", "103"]),
    ("semi", Direction.IN, State.TALKING, ["101", "102"], ["101", "102"]),
    ("park", Direction.IN, State.ANSWERED, ["101", "102"], ["101", "103"]),
    ("pickup", Direction.IN, State.ANSWERED, ["102"], ["103"]),
    ("redirect", Direction.IN, State.ANSWERED, ["101", "102", "103"], ["101", "103"]),
    ("bridge", Direction.OUT, State.TALKING, ["101"], ["101", "103"]),
    ("older", Direction.IN, State.ANSWERED, ["101", "102"], ["101", "103", "102"]),
    ("byhand", Direction.OUT, State.ANSWERED, ["101"], ["101"]),
    ("click", Direction.OUT, State.ANSWERED, ["101"], ["101"]),
]


@pytest.mark.parametrize(("part", "direction", "state", "rang", "talked"), SIP, ids=[each[0] for each in SIP])
@pytest.mark.parametrize("each", [True, False], ids=["each", "all"])
def test_real_phones_on_a_real_asterisk_22(
    part: str, direction: Direction, state: State, rang: list[str], talked: list[str], each: bool
) -> None:
    """Transfers, parking, pick-up, a colleague bridged in: one call with somebody outside each time."""
    wire = Wire().feed(transcript("sip22", part), each=each)
    (call,) = [call for call in wire.calls.values() if call.direction is not Direction.INSIDE]
    assert (call.direction, call.state, people(call.rang), people(call.talked)) == (direction, state, rang, talked)
    assert call.phone == ("79161234567" if direction is Direction.IN else "79169876543")
    assert call.token == ("a" * 32 if part == "click" else "")
    if state is State.ANSWERED:
        assert len(wire.machine) == 0
        assert all(call.ended_ms is not None for call in wire.calls.values())


def test_colleagues_who_talk_are_no_call_with_anybody_outside() -> None:
    call = Wire().feed(transcript("sip22", "inside")).one()
    assert (call.direction, call.state, call.phone) == (Direction.INSIDE, State.ANSWERED, "103")


def test_a_phone_that_waits_ringing_in_a_bridge_does_not_talk_yet() -> None:
    script = Script()
    data = incoming(script, ["101"]) + script.up("101") + script.enter("b1", "101")
    wire = Wire().feed(data, script.enter("b1", "trunk", ChannelState="4"))
    assert wire.one().state is State.RINGING
    assert wire.feed(script.up("trunk")).one().state is State.TALKING


@pytest.mark.parametrize("name", ["local", "pjsip"])
@pytest.mark.parametrize("each", [True, False])
def test_transcripts_leave_nothing_behind(name: str, each: bool) -> None:
    wire = Wire().feed(transcript(name), each=each)
    assert all(call.ended_ms is not None for call in wire.calls.values())
    assert len(wire.calls) == 3 if name == "local" else len(wire.calls) == 4
    machine = wire.machine
    assert (len(machine), machine._links, machine._bridges, machine._changed) == (0, {}, {}, {})


# ---- who called whom


@pytest.mark.parametrize(
    ("name", "number", "exten", "direction", "phone"),
    [
        ("PJSIP/trunk-01", "79161234567", "74951234567", Direction.IN, "79161234567"),
        ("PJSIP/trunk-01", "8 (916) 123-45-67", "s", Direction.IN, "8 (916) 123-45-67"),
        ("PJSIP/trunk-01", "anonymous", "74951234567", Direction.IN, ""),
        ("PJSIP/74951234567-01", "9161234567", "74951234567", Direction.IN, "9161234567"),
        ("DAHDI/1-1", "9161234567", "s", Direction.IN, "9161234567"),
        ("PJSIP/101-01", "101", "89161234567", Direction.OUT, "89161234567"),
        ("PJSIP/101-01", "74951234567", "89161234567", Direction.OUT, "89161234567"),
        ("SIP/anna-01", "101", "89161234567", Direction.OUT, "89161234567"),
        ("PJSIP/101-01", "101", "102", Direction.INSIDE, "102"),
    ],
)
def test_the_direction_is_told_by_who_begins(
    name: str, number: str, exten: str, direction: Direction, phone: str
) -> None:
    script = Script()
    wire = Wire().feed(script.new("a", name, number=number, exten=exten), script.up("a"), script.hang_up("a"))
    assert (wire.one().direction, wire.one().phone) == (direction, phone)


def test_the_digit_that_asks_for_a_line_is_taken_off_and_a_prefix_of_the_operator_is_not_put_on() -> None:
    for dialled, through, phone in [
        ("989161234567", "89161234567@trunk", "89161234567"),
        ("89161234567", "trunk/0289161234567", "89161234567"),
        ("*12", "79161234567@trunk", "79161234567"),
    ]:
        script = Script()
        data = script.new("desk", "PJSIP/101-01", number="101", exten=dialled)
        data += script.new("out", "PJSIP/beeline-02", "desk", ChannelState="0") + script.dial("desk", "out", through)
        call = Wire().feed(data).one()
        assert (call.direction, call.phone, call.line, people(call.rang)) == (Direction.OUT, phone, "beeline", ["101"])


@pytest.mark.parametrize("exten", ["74951234567", "s"])
def test_a_short_number_of_a_small_town_is_outside_where_it_rings_our_phones(exten: str) -> None:
    script = Script()
    data = script.new("trunk", "SIP/rostelecom-01", number="23456", exten=exten)
    data += script.new("101", "SIP/101-02", "trunk", ChannelState="0") + script.dial("trunk", "101", "101")
    wire = Wire().feed(data)
    assert (wire.one().direction, wire.one().phone, people(wire.one().rang)) == (Direction.IN, "23456", ["101"])
    assert {call.direction for call in wire.told} == {Direction.IN}


def test_a_phone_that_has_a_name_calls_out_by_its_number() -> None:
    script = Script()
    data = script.new("desk", "SIP/anna-01", number="101", exten="89161234567")
    data += script.new("out", "SIP/beeline-02", "desk", ChannelState="0") + script.dial(
        "desk", "out", "beeline/89161234567"
    )
    wire = Wire().feed(data)
    assert (wire.one().direction, wire.one().phone, people(wire.one().rang)) == (Direction.OUT, "89161234567", ["101"])


def test_a_hidden_caller_is_told_while_it_rings() -> None:
    wire = Wire().feed(incoming(Script(), ["101"], number=""))
    assert (wire.one().direction, wire.one().phone, wire.one().state) == (Direction.IN, "", State.RINGING)


# ---- talk


def test_an_announcement_that_answers_is_no_talk() -> None:
    script = Script()
    data = script.new("trunk", "PJSIP/trunk-0a", number="79161234567", exten="74951234567") + script.up("trunk")
    wire = Wire().feed(data)
    assert wire.one().state is State.RINGING
    wire.feed(event("HangupRequest", **script._of("trunk")), script.hang_up("trunk"))
    assert (wire.one().state, wire.one().reason) == (State.MISSED, Reason.CANCELLED)


def test_a_caller_who_waits_to_music_does_not_talk() -> None:
    script = Script()
    data = incoming(script, ["101"]) + script.enter("hold", "trunk", "101", BridgeTechnology="holding_bridge")
    assert Wire().feed(data).one().state is State.RINGING


def test_a_queue_through_local_channels_is_answered_by_the_phone_behind_them() -> None:
    script = Script()
    data = script.new("trunk", "PJSIP/trunk-0a", number="79161234567", exten="74951234567") + script.up("trunk")
    for extension in ("101", "102"):
        one, two, phone = f"{extension};1", f"{extension};2", f"p{extension}"
        data += script.new(one, f"Local/{extension}@from-queue-0{extension};1", "trunk", ChannelState="0")
        data += script.new(two, f"Local/{extension}@from-queue-0{extension};2", "trunk")
        data += script.dial("trunk", one, f"Local/{extension}@from-queue")
        data += script.new(phone, f"PJSIP/{extension}-0{extension}", "trunk", ChannelState="0")
        data += script.dial(two, phone, f"{extension}/sip:{extension}@10.0.0.5:5060")
    wire = Wire().feed(data)
    assert people(wire.one().rang) == ["101", "102"]
    data = script.up("p101") + script.up("101;2") + script.enter("b2", "p101", "101;2") + script.up("101;1")
    data += script.ended("trunk", "102;1", "CANCEL") + script.hang_up("p102", "102;2", "102;1", cause="26")
    data += script.enter("b1", "101;1", "trunk")
    data += script.leave("b2", "p101") + script.enter("b1", "p101") + script.leave("b1", "101;1")
    data += script.leave("b2", "101;2") + script.hang_up("101;1", "101;2")
    wire.feed(data)
    assert (wire.one().state, people(wire.one().talked)) == (State.TALKING, ["101"])
    wire.feed(script.leave("b1", "trunk", "p101"), script.hang_up("trunk", "p101"))
    assert (wire.one().state, len(wire.machine)) == (State.ANSWERED, 0)


def test_twenty_phones_ring_and_one_call_is_answered() -> None:
    script, phones = Script(), [str(number) for number in range(101, 121)]
    wire = Wire().feed(incoming(script, phones))
    data = b"".join(script.ended("trunk", each, "CANCEL") for each in phones if each != "107")
    data += b"".join(script.hang_up(each, cause="26") for each in phones if each != "107") + answered(script, "107")
    wire.feed(data, script.leave("b1", "107", "trunk"), script.hang_up("107", "trunk"))
    call = wire.one()
    assert (call.state, len(call.rang), people(call.talked)) == (State.ANSWERED, 20, ["107"])


# ---- transfers


def test_a_caller_handed_on_without_a_word_is_one_call_and_the_last_one_has_it() -> None:
    script = Script()
    data = incoming(script, ["101"]) + answered(script, "101") + script.leave("b1", "101", "trunk")
    data += script.hang_up("101") + script.new("103", "PJSIP/103-0000003", "trunk", ChannelState="0")
    data += script.dial("trunk", "103", "103")
    wire = Wire().feed(data)
    assert (wire.one().state, people(wire.one().rang)) == (State.TALKING, ["101", "103"])
    wire.feed(answered(script, "103", "b2"), script.leave("b2", "103", "trunk"), script.hang_up("103", "trunk"))
    assert people(wire.one().talked) == ["101", "103"]


@pytest.mark.parametrize("older", ["outside", "inside"])
def test_a_caller_handed_on_after_asking_a_colleague_keeps_his_call(older: str) -> None:
    """Everybody in a bridge gets the oldest Linkedid: that of the talk between colleagues, if it is the older one."""
    script, wire = Script(), Wire()
    first = incoming(script, ["101"]) + answered(script, "101")
    inside = script.new("desk2", "PJSIP/101-0000009", number="101", exten="102")
    inside += script.new("102", "PJSIP/102-0000008", "desk2", ChannelState="0") + script.dial("desk2", "102", "102")
    inside += script.up("102") + script.enter("b2", "102", "desk2")
    wire.feed(*((first, inside) if older == "outside" else (inside, first)))
    key = script.ids["trunk"]
    if older == "outside":
        script.linked("102", "trunk")
    else:
        script.linked("trunk", "desk2")
    wire.feed(script.leave("b2", "desk2", "102"), script.enter("b1", "102"), script.leave("b1", "101"))
    wire.feed(script.hang_up("desk2", "101"))
    assert (wire.calls[key].state, people(wire.calls[key].talked)) == (State.TALKING, ["101", "102"])
    assert wire.calls[script.ids["desk2"]].ended_ms is not None
    if older == "inside":  # what Asterisk now begins for this caller goes by the colleagues' Linkedid
        wire.feed(script.leave("b1", "102", "trunk"), script.hang_up("102"))
        wire.feed(script.new("104", "PJSIP/104-0000011", "trunk", ChannelState="0"), script.dial("trunk", "104", "104"))
        assert people(wire.calls[key].rang) == ["101", "104"]
        wire.feed(script.hang_up("104"))
    else:
        wire.feed(script.leave("b1", "102"), script.hang_up("102"))
    wire.feed(script.hang_up("trunk"))
    assert set(wire.calls) == {key, script.ids["desk2"]}
    assert (wire.calls[key].state, wire.calls[key].direction) == (State.ANSWERED, Direction.IN)
    assert (len(wire.machine), wire.machine._links) == (0, {})


def test_a_call_picked_up_at_another_phone_was_talked_by_that_phone() -> None:
    script = Script()
    data = incoming(script, ["101"]) + script.new("103", "PJSIP/103-0000003", number="103", exten="*8101")
    wire = Wire().feed(data, script.up("103"))
    ringing = script.names["101"]
    data = script.rename("103", "PJSIP/103-0000003<MASQ>") + script.rename("101", "PJSIP/103-0000003")
    script.names["103"] = f"{ringing}<ZOMBIE>"
    wire.feed(data, script.hang_up("103"), answered(script, "101"))
    assert people(wire.calls[script.ids["trunk"]].talked) == ["103"]
    assert wire.calls[script.ids["103"]].direction is Direction.INSIDE
    wire.feed(script.hang_up("101", "trunk"))
    assert len(wire.machine) == 0


def test_a_parked_caller_stays_a_call_and_whoever_takes_him_has_it() -> None:
    script = Script()
    data = incoming(script, ["101"]) + answered(script, "101") + script.leave("b1", "101", "trunk")
    data += script.enter("lot", "trunk", BridgeTechnology="holding_bridge") + script.hang_up("101")
    wire = Wire().feed(data)
    assert wire.one().state is State.TALKING
    data = script.new("102", "PJSIP/102-0000008", number="102", exten="701") + script.up("102")
    data += script.leave("lot", "trunk")
    script.linked("102", "trunk")
    wire.feed(data, script.enter("b2", "102", "trunk"), script.leave("b2", "102", "trunk"))
    wire.feed(script.hang_up("102", "trunk"))
    assert people(wire.calls[script.ids["trunk"]].talked) == ["101", "102"]
    assert all(call.ended_ms is not None for call in wire.calls.values())


# ---- why nobody talked


@pytest.mark.parametrize(
    ("statuses", "reason"),
    [
        (["BUSY", "BUSY"], Reason.BUSY),
        (["BUSY", "NOANSWER"], Reason.NO_ANSWER),
        (["CHANUNAVAIL", "BUSY"], Reason.BUSY),
        (["CHANUNAVAIL", "CONGESTION"], Reason.FAILED),
        (["CANCEL", "CANCEL"], Reason.CANCELLED),
        (["WHATEVER", ""], Reason.NONE),
    ],
)
def test_why_nobody_talked(statuses: list[str], reason: Reason) -> None:
    script = Script()
    data = incoming(script, ["101", "102"])
    data += b"".join(script.ended("trunk", who, how) for who, how in zip(("101", "102"), statuses, strict=True))
    call = Wire().feed(data, script.hang_up("101", "102", "trunk")).one()
    assert (call.state, call.reason) == (State.MISSED, reason)


# ---- what is missing, late, twice or too much


def test_what_is_told_of_a_leg_that_is_gone_makes_no_new_call() -> None:
    script = Script()
    wire = Wire().feed(incoming(script, ["101"]), script.hang_up("101", "trunk"))
    wire.feed(answered(script, "101"), script.hang_up("101", "trunk"), script.rename("trunk", "x"))
    assert len(wire.calls) == 1
    assert len(wire.machine) == 0


def test_a_call_whose_beginning_was_not_heard_is_known_from_its_bridge() -> None:
    script = Script()
    incoming(script, ["101"])
    wire = Wire().feed(answered(script, "101"))
    assert wire.one().state is State.TALKING
    wire.feed(script.hang_up("101", "trunk"))
    assert wire.one().ended_ms is not None


def listed(script: Script, who: str, **fields: str) -> bytes:
    known = {"ChannelState": "6", "Application": "Dial", "Duration": "00:01:05", "BridgeId": "b1"} | fields
    return event("CoreShowChannel", **script._of(who), **known)


def test_a_list_of_channels_makes_the_calls_that_were_there_before_us() -> None:
    script, wire = Script(), Wire()
    incoming(script, ["101"])
    wire.now_ms = 1_000_000
    wire.machine.expect_list()
    wire.feed(
        listed(script, "101", Application="AppDial", Duration="00:01:00", CallerIDNum="101"),
        listed(script, "trunk", CallerIDNum="79161234567", Exten="74951234567"),
    )
    assert wire.machine.list_complete(2, wire.now_ms)
    (call,) = wire.machine.ongoing()
    assert (call.direction, call.state, call.phone, call.line) == (
        Direction.IN,
        State.TALKING,
        "79161234567",
        "74951234567",
    )
    assert (people(call.rang), people(call.talked)) == (["101"], ["101"])
    assert call.start_ms == 1_000_002 - 65_000
    assert call.answered_ms is not None
    assert call.start_ms < call.answered_ms <= wire.now_ms


def test_what_a_list_does_not_name_has_ended_and_what_began_meanwhile_has_not() -> None:
    script, later, wire = Script(), Script(), Wire()
    wire.feed(incoming(script, ["101"]), answered(script, "101"))
    wire.machine.expect_list()
    later.ids = {"earlier": "", "also": ""}
    wire.feed(incoming(later, ["102"]))
    assert wire.machine.list_complete(0, 5_000)
    wire.tell(wire.machine.drain())
    assert (wire.calls["17.0"].state, wire.calls["17.0"].ended_ms) == (State.ANSWERED, 5_000)
    assert [call.key for call in wire.machine.ongoing()] == ["17.2"]


def test_an_incomplete_list_ends_nothing() -> None:
    script, wire = Script(), Wire()
    wire.feed(incoming(script, ["101"]))
    wire.machine.expect_list()
    wire.feed(listed(script, "trunk"), event("Newchannel", Uniqueid="18.1", CallerIDNum="79160000009"))
    assert not wire.machine.list_complete(2, 5_000)
    assert len(wire.machine.ongoing()) == 2


def test_endless_beginnings_do_not_fill_the_memory() -> None:
    machine, wire = Calls(5), Wire()
    wire.machine = machine
    for number in range(MOST_LEGS + 100):
        wire.feed(
            event(
                "Newchannel", Channel="PJSIP/t-1", Uniqueid=f"9.{number}", CallerIDNum="79160000000", ChannelState="4"
            ),
            each=False,
        )
        wire.told.clear()
    assert len(machine) == MOST_LEGS
    assert sum(call.ended_ms is not None for call in wire.calls.values()) == 100


def test_after_many_calls_the_machine_is_as_empty_as_after_few() -> None:
    wire = Wire()
    stream = transcript("pjsip", "A:")
    sizes = []
    for _round in range(3):
        for _each in range(50):
            wire.feed(stream, each=False)
        machine = wire.machine
        sizes.append((len(machine), len(machine._links), len(machine._bridges), len(machine._gone), machine.waiting))
    assert sizes[0] == sizes[1] == sizes[2]
