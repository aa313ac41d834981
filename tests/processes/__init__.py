"""The limiter under fire: sixteen real client processes, one database, every fault these machines can make.

uv run poe fire --seconds 60 --seed 7            # storms and calms on PostgreSQL and on SQLite, then the verdict
"""
