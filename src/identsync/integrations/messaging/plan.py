"""Plans reminders: what the rules ask for of the visits ahead becomes rows of the outbox, each once."""

from typing import TYPE_CHECKING

from identsync.engine.integration import Outcome

if TYPE_CHECKING:
    from identsync.engine.run import Run


async def plan_reminders(run: "Run") -> Outcome:
    """Plan the reminders of the branch of this run (0 = of the network) that fall due within a day."""
    raise NotImplementedError
