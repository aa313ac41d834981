"""The client's own clock: monotonic, and counting while the computer sleeps."""

import time

# Linux has two monotonic clocks; this one goes on in suspend, as the only one of Windows does.
_BOOT: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def monotonic_ms() -> int:
    """Return milliseconds of a clock that never steps back and counts a suspended computer's time as well."""
    if _BOOT is None:
        return time.monotonic_ns() // 1_000_000
    return time.clock_gettime_ns(_BOOT) // 1_000_000
