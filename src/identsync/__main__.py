"""``python -m identsync`` is the same as ``identsync``."""

from identsync.cli import main

main()
