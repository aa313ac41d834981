"""Whether a message still goes out: everything it rests on is read again right before it is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from identsync.flows.outbox import Row, Skip, Wait
from identsync.integrations.messaging.message import Kind, Medium

if TYPE_CHECKING:
    from identsync.engine.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """A message that may go out now, as it shall read."""

    row: Row
    to: str
    text: str
    kind: Kind
    subject: str = ""
    html: str = ""
    name: str = ""  # of the patient, for the mail's To
    patient_id: int | None = None
    template_id: int | None = None
    branch_id: int | None = None


async def decide(run: "Run", rows: Sequence[Row], medium: Medium) -> list[Go | Skip | Wait]:
    """Read again what the messages of ``rows`` rest on and say of each: go, not at all, or not now; in their order."""
    raise NotImplementedError
