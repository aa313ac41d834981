"""Whatever people do with their phones, in whatever order: no call is lost, none is doubled, every one ends."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from identsync.demo.pbx.call import Call
from identsync.demo.pbx.channel import listed, spelled
from identsync.demo.pbx.house import House, Order, Phone
from identsync.integrations.telephony.call import Direction, State
from identsync.integrations.telephony.wire.ami import Event

from .ami_stream import Wire, event

EXTENSIONS = ("101", "102", "103")


class Morning(RuleBasedStateMachine):
    """A PBX that plays the events, and our side of it; the connection may be away for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.house.phones = {each: Phone(name=f"Desk {each}") for each in EXTENSIONS}
        self.house.board.later = self._later  # type: ignore[method-assign]
        self.wire = Wire()
        self.connected = True
        self.missed: set[str] = set()  # calls that had begun or gone on while we did not hear
        self.expected: dict[str, Direction] = {}
        self.talked: set[str] = set()
        self.consulted: dict[str, Call] = {}
        self.house.board.hear.append(self._hear)
        self.number = 0

    def _later(self, _seconds: float, _action: Callable[[], None]) -> asyncio.TimerHandle:
        timer: Any = SimpleNamespace(cancel=lambda: None)
        return timer  # type: ignore[no-any-return]

    def _hear(self, _kind: str, data: bytes) -> None:
        if self.connected:
            self.wire.feed(data, each=False)

    def _began(self, call: Call, direction: Direction) -> None:
        self.expected[call.key] = direction
        if not self.connected:
            self.missed.add(call.key)

    def _calls(self, fits: Callable[[Call], bool]) -> list[Call]:
        return [call for call in self.house.calls.values() if fits(call)]

    @rule(to=st.lists(st.sampled_from(EXTENSIONS), min_size=1, max_size=3, unique=True), queue=st.booleans())
    def somebody_calls(self, to: list[str], queue: bool) -> None:
        self.number += 1
        self._began(self.house.incoming(f"7916{self.number:07}", "74951234567", to, queue=queue), Direction.IN)

    @rule(extension=st.sampled_from(EXTENSIONS))
    def an_employee_calls_out(self, extension: str) -> None:
        self.number += 1
        self._began(self.house.outgoing(extension, f"8916{self.number:07}"), Direction.OUT)

    @rule(extension=st.sampled_from(EXTENSIONS))
    def a_call_is_ordered(self, extension: str) -> None:
        self.number += 1
        number, order = f"7916{self.number:07}", f"ident-{self.number:032x}"
        self.house.order(
            Order(
                channel=f"PJSIP/{extension}",
                context="from-internal",
                exten=number,
                number=extension,
                title=number,
                timeout_s=30,
                channel_id=order,
                action_id=order,
            )
        )
        self._began(self.house.calls[order], Direction.OUT)

    @precondition(lambda self: self._calls(lambda call: bool(call.ringing)))
    @rule(data=st.data())
    def somebody_answers(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(self._calls(lambda call: bool(call.ringing))))
        who = data.draw(st.sampled_from(sorted(call.ringing)))
        if call.ringing[who] is not call.source:  # else an employee takes the phone for a call that was ordered
            self.talked.add(call.key)
        self.house.answer(call.key, who)

    @precondition(lambda self: self.house.calls)
    @rule(data=st.data(), by=st.sampled_from(["caller", "employee", "timeout", "busy"]))
    def a_call_ends(self, data: st.DataObject, by: str) -> None:
        call = data.draw(st.sampled_from(list(self.house.calls.values())))
        if call.talking or by in ("caller", "timeout", "busy"):
            call.hang_up(by)

    @precondition(lambda self: self._calls(_with_desk))
    @rule(data=st.data(), to=st.sampled_from(EXTENSIONS))
    def a_caller_is_handed_on(self, data: st.DataObject, to: str) -> None:
        data.draw(st.sampled_from(self._calls(_with_desk))).blind(to)

    @precondition(lambda self: self._calls(_with_desk))
    @rule(data=st.data(), to=st.sampled_from(EXTENSIONS))
    def a_colleague_is_asked(self, data: st.DataObject, to: str) -> None:
        call = data.draw(st.sampled_from(self._calls(_with_desk)))
        asked = call.consult(to)
        self.consulted[call.key] = asked
        self._began(asked, Direction.INSIDE)

    @precondition(lambda self: self._completing())
    @rule(data=st.data())
    def the_colleague_takes_over(self, data: st.DataObject) -> None:
        call, asked = data.draw(st.sampled_from(self._completing()))
        call.complete(asked)

    @precondition(lambda self: self._calls(_with_desk))
    @rule(data=st.data())
    def a_caller_is_parked(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self._calls(_with_desk))).park()

    @precondition(lambda self: self._calls(lambda call: call.parked))
    @rule(data=st.data(), by=st.sampled_from(EXTENSIONS))
    def a_parked_caller_is_taken(self, data: st.DataObject, by: str) -> None:
        call = data.draw(st.sampled_from(self._calls(lambda call: call.parked)))
        call.take(by)

    @rule()
    def the_connection_breaks(self) -> None:
        self.connected = False
        self.missed |= set(self.house.calls)

    @rule()
    def the_connection_is_back(self) -> None:
        self.connected = True
        self._ask_for_all()

    @rule()
    def the_pbx_restarts(self) -> None:
        self.missed |= set(self.house.calls)
        self.house.restart()
        self.connected = True
        self._ask_for_all()

    def _ask_for_all(self) -> None:
        """Play CoreShowChannels."""
        channels = list(self.house.board.channels.values())
        machine = self.wire.machine
        machine.expect_list()
        self.wire.feed(*(spelled(("Event", "CoreShowChannel"), listed(each)) for each in channels), each=False)
        assert machine.list_complete(len(channels), self.wire.now_ms)
        self.wire.tell(machine.drain())
        self.wire.tell(machine.ongoing())

    def _completing(self) -> list[tuple[Call, Call]]:
        pairs = [(self.house.calls.get(key), asked) for key, asked in self.consulted.items()]
        return [
            (call, asked)
            for call, asked in pairs
            if call is not None and _with_desk(call) and self.house.calls.get(asked.key) is asked and asked.talking
        ]

    @invariant()
    def what_goes_on_is_known_once(self) -> None:
        if not self.connected:
            return
        ours = {call.key: call for call in self.wire.machine.ongoing() if call.direction is not Direction.INSIDE}
        theirs = {key for key in self.house.calls if self.expected[key] is not Direction.INSIDE}
        assert set(ours) == theirs
        assert len(self.wire.machine) == len(self.house.board.channels)
        for key, call in ours.items():
            assert call.direction is self.expected[key]
            assert call.phone.startswith(("7916", "8916"))
            assert call.token == (key.removeprefix("ident-") if key.startswith("ident-") else "")
            if key not in self.missed:
                assert (call.answered_ms is not None) == (key in self.talked)
            if self.house.calls[key].talking:
                assert call.state is State.TALKING

    def teardown(self) -> None:
        self.the_connection_is_back()
        for call in list(self.house.calls.values()):
            call.hang_up("caller")
        told = self.wire.calls
        assert all(call.ended_ms is not None for call in told.values())
        heard = set(self.expected) - self.missed
        assert heard <= set(told)
        assert set(told) <= set(self.expected) | self._taking(), "a call that never was"
        for key in heard:
            expected = State.ANSWERED if key in self.talked else State.MISSED
            assert (told[key].state, told[key].direction) == (expected, self.expected[key])
        machine = self.wire.machine
        assert (len(machine), machine._links, machine._bridges, machine._changed) == (0, {}, {}, {})

    def _taking(self) -> set[str]:
        """Calls inside that employees began to take a parked caller."""
        return {key for key, call in self.wire.calls.items() if call.direction is Direction.INSIDE}


def _with_desk(call: Call) -> bool:
    """Whether somebody from outside talks to an employee."""
    return call.talking and call.source.device == "PJSIP/trunk"


TestMorning = Morning.TestCase
TestMorning.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


IDS = st.sampled_from(["1.1", "1.2", "1.3", "ident-" + "a" * 32, ""])
TEXTS = st.sampled_from(["", "s", "101", "102", "79161234567", "<unknown>", "anonymous", "x" * 300])
CHANNELS = st.sampled_from(["PJSIP/trunk-01", "PJSIP/101-02", "Local/102@x-03;1", "Local/102@x-03;2", "odd", ""])
FIELDS = {
    **dict.fromkeys(("Uniqueid", "Linkedid", "DestUniqueid", "DestLinkedid"), IDS),
    **dict.fromkeys(("Channel", "DestChannel", "Newname"), CHANNELS),
    **dict.fromkeys(("CallerIDNum", "CallerIDName", "Exten", "DestCallerIDNum", "DialString"), TEXTS),
    **dict.fromkeys(("BridgeUniqueid", "BridgeId"), st.sampled_from(["b1", "b2", ""])),
    "ChannelState": st.sampled_from(["0", "4", "5", "6", "", "x"]),
    "DialStatus": st.sampled_from(["ANSWER", "NOANSWER", "BUSY", "CANCEL", "odd"]),
    "Cause": st.sampled_from(["16", "17", "0", "odd"]),
    "Duration": st.sampled_from(["00:00:05", "99999999:99:99", "odd", ""]),
    "ListItems": st.sampled_from(["0", "3", "-1", "odd"]),
}
EVENTS = st.builds(
    lambda name, fields: event(name, **fields), st.sampled_from(list(Event)), st.fixed_dictionaries({}, optional=FIELDS)
)


@given(st.lists(EVENTS, max_size=60), st.sets(st.integers(0, 60), max_size=3))
def test_any_events_in_any_order_end_in_nothing_once_every_channel_has_ended(
    events: list[bytes], lists: set[int]
) -> None:
    wire = Wire(reuses_ids=True)
    for number, data in enumerate(events):
        if number in lists:
            wire.machine.expect_list()
        wire.feed(data)
    wire.machine.list_complete(0, wire.now_ms)
    wire.tell(wire.machine.drain())
    for call in wire.machine.ongoing():
        assert call.ended_ms is None
    wire.feed(*(event("Hangup", Uniqueid=each) for each in ("1.1", "1.2", "1.3", "ident-" + "a" * 32)))
    machine = wire.machine
    assert (len(machine), machine._links, machine._bridges, machine._changed) == (0, {}, {}, {})
    for call in wire.calls.values():
        assert call.start_ms <= (call.answered_ms or call.start_ms) <= (call.ended_ms or 0)


@pytest.mark.parametrize("garbage", [b"\x00\xff\r\n\r\n", b"Event: Newchannel\r\n\r\n", event("Hangup", Uniqueid="")])
def test_garbage_between_events_changes_nothing(garbage: bytes) -> None:
    wire, house = Wire(), House()
    house.board.hear.append(lambda _kind, data: wire.feed(garbage, data, garbage) and None)
    call = house.incoming("79161234567", "74951234567", ["101", "102"])
    call.answer("101")
    call.hang_up("caller")
    assert [each.state for each in wire.calls.values()] == [State.ANSWERED]
