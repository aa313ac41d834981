"""The limiter's trial: proves the statements on one real database, in scratch tables that it removes.

Run by ``identsync doctor --database`` at the customer's own server and by the tests on every database they have. It
contends on eight connections, so it shows what one client alone never would: double grants, deadlocks, lost effects.
"""

from identsync.store.trial.findings import Finding, Verdict
from identsync.store.trial.trial import Trial, run_trial

__all__ = ["Finding", "Trial", "Verdict", "run_trial"]
