"""Migrations of the engine's tables, oldest first; alembic is imported only where one is due."""

REVISIONS = ("0001",)  # what this client understands; another revision in the database was made by a newer one
