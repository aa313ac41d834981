"""identsync: the integration engine that runs inside the clients of a dental clinic's program."""
