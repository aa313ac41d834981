"""A trail: everything the PBX does under one Linkedid, told as one call."""

from dataclasses import dataclass, field

from identsync.integrations.telephony.call import Call, Direction, Employee, Reason, State
from identsync.integrations.telephony.wire.ami_leg import Leg, is_number, peer_of, phone_of, shown

TOKEN = "ident-"  # noqa: S105  how the channel of a call that we began is named
NOBODY_DIALS = ("", "s")  # what stands where a channel has no number that it dialled
LONGEST_KEY = 200
MOST_PEOPLE = 200  # of a call
MOST_RECORDINGS = 20
_REASONS = {"CANCEL": Reason.CANCELLED, "NOANSWER": Reason.NO_ANSWER, "BUSY": Reason.BUSY}
_REASONS |= dict.fromkeys(("CHANUNAVAIL", "CONGESTION", "INVALIDARGS"), Reason.FAILED)
_CAUSES = {"17": Reason.BUSY, "18": Reason.NO_ANSWER, "19": Reason.NO_ANSWER, "21": Reason.BUSY}
_CAUSES |= dict.fromkeys(("1", "3", "20", "27", "34", "38", "41", "42", "58"), Reason.FAILED)
_STRONGER = (Reason.NONE, Reason.FAILED, Reason.BUSY, Reason.NO_ANSWER, Reason.CANCELLED)


@dataclass(slots=True, eq=False)
class Trail:
    """What is known of one call; ``links`` are the Linkedids it goes by, ``heir`` who has them when it is over."""

    key: str
    start_ms: int
    direction: Direction = Direction.INSIDE
    phone: str = ""
    line: str = ""
    token: str = ""
    answered_ms: int | None = None
    ended_ms: int | None = None
    reason: Reason = Reason.NONE
    caller: Leg | None = None  # who began it
    is_doubtful: bool = False  # a short number, on a channel that has no extension's name: ours, or one of a small town
    is_settled: bool = False  # enough is known to tell of it
    legs: dict[str, Leg] = field(default_factory=dict)
    links: set[str] = field(default_factory=set)
    rang: list[Employee] = field(default_factory=list)
    talked: list[Employee] = field(default_factory=list)
    recordings: list[str] = field(default_factory=list)
    heir: "Trail | None" = None
    told: Call | None = None

    @classmethod
    def of(cls, link: str, at_ms: int) -> "Trail":
        """Begin a trail; a link of ours makes it a call that we ordered."""
        token = link.removeprefix(TOKEN) if link.startswith(TOKEN) else ""
        direction = Direction.OUT if token else Direction.INSIDE
        return cls(key=link[:LONGEST_KEY], start_ms=at_ms, direction=direction, token=token, links={link})

    @property
    def is_outside(self) -> bool:
        """Whether somebody outside the clinic is part of it."""
        return self.direction is not Direction.INSIDE

    def judge(self, inside: int) -> None:
        """Tell the direction and the outside number by the leg that began the call."""
        leg = self.caller
        if leg is None or self.token:
            self._ordered(inside)
            return
        extension = phone_of(leg.name, leg.number, inside)
        self.is_doubtful = bool(extension) and not phone_of(leg.name, "", inside)
        if not extension or (self.is_doubtful and leg.exten in NOBODY_DIALS):
            self.from_outside(leg)
        elif self.direction is not Direction.OUT:  # else a trunk has been called already: what it was told is right
            leg.employee = self.known(extension, leg)
            _append(self.rang, leg.employee)
            self.direction = Direction.OUT if is_number(leg.exten, inside) else Direction.INSIDE
            self.phone = leg.exten if leg.exten not in NOBODY_DIALS else ""

    def known(self, extension: str, leg: Leg) -> Employee:
        """Return the employee of a phone, with the name the PBX has for it."""
        return Employee(extension, leg.title if leg.number == extension and leg.title != extension else "")

    def called(self, leg: Leg, number: str) -> None:
        """Note that a number outside is being called through a trunk."""
        if self.direction is Direction.IN:
            return  # forwarded to somebody's mobile phone
        is_plainer = self.phone.endswith(number)  # the digit that asks for a line is taken off
        if not self.phone or is_plainer or not self.is_outside:  # the last: what was dialled is a short code
            self.phone = number
        self.direction = Direction.OUT
        self.line = peer_of(leg.name)[1] or self.line

    def from_outside(self, leg: Leg) -> None:
        """Take a leg for somebody outside who calls us."""
        self.is_doubtful = False
        if leg.employee is not None:
            self.rang = [each for each in self.rang if each.extension != leg.employee.extension]
            leg.employee = None
        self.direction = Direction.IN
        self.phone = shown(leg.number)
        self.line = (
            leg.exten if leg.exten.removeprefix("+").isdecimal() else "" if leg.is_local else peer_of(leg.name)[1]
        )
        self.is_settled = self.is_settled or bool(self.phone)

    def ring(self, employee: Employee) -> None:
        """Note that a phone inside rings: whoever called it through a number of ours is outside, if there is doubt."""
        if self.is_doubtful and self.direction is Direction.OUT and self.caller is not None:
            self.from_outside(self.caller)
        _append(self.rang, employee)
        self.is_settled = True

    def talk(self, leg: Leg, at_ms: int, *, enters: bool) -> None:
        """Note that a leg is in talk; who enters has the call now."""
        if self.answered_ms is None:
            self.answered_ms = at_ms
        self.is_settled = True
        if leg.employee is None:
            return
        if enters and any(each.extension == leg.employee.extension for each in self.talked):
            self.talked = [each for each in self.talked if each.extension != leg.employee.extension]
        _append(self.talked, leg.employee)

    def is_with(self, leg: Leg) -> bool:
        """Tell whether whoever has the call now is at this leg."""
        return bool(self.talked) and leg.employee is not None and self.talked[-1].extension == leg.employee.extension

    def dial_ended(self, status: str) -> None:
        """Note how one attempt ended; what says more of why nobody talked wins."""
        self._because(_REASONS.get(status, Reason.NONE))

    def hung_up(self, leg: Leg, cause: str) -> None:
        """Take a leg away, with Asterisk's cause."""
        self.legs.pop(leg.id, None)
        if self.is_outside and (leg.is_dialled or leg is self.caller):
            self._because(_CAUSES.get(cause, Reason.NONE) if self.direction is Direction.OUT else Reason.NONE)

    def gave_up(self, leg: Leg) -> None:
        """Note that whoever is at this leg has put down his phone."""
        if self.answered_ms is None and leg is self.caller and not leg.is_local:
            self._because(Reason.CANCELLED)

    def recorded(self, reference: str) -> None:
        """Note a recording."""
        if reference not in self.recordings and len(self.recordings) < MOST_RECORDINGS:
            self.recordings.append(reference)

    def call(self) -> Call:
        """Return all of it as a call."""
        over = self.ended_ms is not None
        if self.answered_ms is not None:
            state = State.ANSWERED if over else State.TALKING
        else:
            state = State.MISSED if over else State.RINGING
        return Call(
            key=self.key,
            direction=self.direction,
            state=state,
            phone=self.phone,
            start_ms=self.start_ms,
            line=self.line,
            answered_ms=self.answered_ms,
            ended_ms=self.ended_ms,
            rang=tuple(self.rang),
            talked=tuple(self.talked),
            recordings=tuple(self.recordings) if self.answered_ms is not None else (),  # of silence there is none
            token=self.token,
            reason=self.reason if state is State.MISSED else Reason.NONE,
        )

    def _ordered(self, inside: int) -> None:
        """Take the number of a call that we ordered from where ``dial`` has put it: the name, then the extension."""
        leg = self.caller
        if leg is None:
            return
        if leg.employee is None and (extension := phone_of(leg.name, "", inside)):
            leg.employee = self.known(extension, leg)
            self.ring(leg.employee)
        told = (leg.exten, self.phone, leg.title, leg.number)
        self.phone = next((number for number in told if is_number(number, inside)), "")
        self.is_settled = self.is_settled or bool(self.phone)

    def _because(self, reason: Reason) -> None:
        if _STRONGER.index(reason) > _STRONGER.index(self.reason):
            self.reason = reason


def _append(people: list[Employee], employee: Employee) -> None:
    for at, known in enumerate(people):
        if known.extension == employee.extension:
            if employee.name and not known.name:
                people[at] = employee
            return
    if len(people) < MOST_PEOPLE:
        people.append(employee)
