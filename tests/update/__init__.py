"""Update in place: real processes of two versions of this program on one database, updated one after another.

uv run poe update --rounds 5 --old HEAD~3        # the older version is that commit; then the journal is judged
"""
