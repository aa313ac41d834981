"""A client: its role and seat, what is due, the loop, a run and its journal."""
