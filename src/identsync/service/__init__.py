"""The ways a client lives: at a terminal, beside the clinic's program in a person's session, as a Windows service.

``life`` and ``journal`` are for every system; ``posix`` is what only POSIX has, ``windows/`` what only Windows has.
"""
