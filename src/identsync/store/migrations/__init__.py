"""Migrations of the engine's tables, oldest first; alembic is imported only where one is due.

While a network is updated, one computer after another, programs of two versions work on the same tables. So a change
goes through releases in this order, and each release is on every computer before the next one comes:

1. *Expand*: what old programs do not notice. A new table with its indexes; a new column that may be NULL and has no
   default (with any other SQL Server's Standard edition rewrites the table under a lock). NULL there means that an
   older program wrote the row. ``compatible_from`` stays what it was.
2. *Move*: the program writes the new place and reads both; a task moves old rows, a few at a time. No migration.
3. *Contract*: what nobody reads any more is dropped, renamed or made NOT NULL, an index is made on a filled table.
   ``compatible_from`` becomes the revision of release 2: programs from before it stop with SchemaError when they start.
   While such a program is at work the migration is put off (``NEEDED`` says how long this program can do without it).

What a task means by its rows is another matter: it raises ``Task.proto``, and older programs leave that slot alone from
the first run of a newer one. ``tests/update`` holds a migration of kind 1 to these rules, and proves it on processes of
two versions.
"""

REVISIONS = {
    "0001": "0001",
    "0002": "0001",
    "0003": "0001",
    "0004": "0001",
    "0005": "0001",
    "0006": "0001",
    "0007": "0001",
}
"""Revision: its ``compatible_from``, the oldest revision whose programs still work on tables of this one."""

NEEDED = "0007"
"""The oldest revision whose tables this program works on: the newest expansion, contractions may be put off."""

NEWEST = [*REVISIONS][-1]
