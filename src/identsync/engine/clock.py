"""The client's own clock: monotonic, and counting while the computer sleeps."""

import time

# Linux has two monotonic clocks; this one goes on in suspend, as the only one of Windows does.
_BOOT: int | None = getattr(time, "CLOCK_BOOTTIME", None)
TICK_MS = 0.0 if _BOOT is not None else time.get_clock_info("monotonic").resolution * 1000  # 16 on Windows


def monotonic_ns() -> int:
    """Return nanoseconds of a clock that never steps back and counts a suspended computer's time as well."""
    return time.monotonic_ns() if _BOOT is None else time.clock_gettime_ns(_BOOT)


def monotonic_ms() -> int:
    """Return whole milliseconds of that clock."""
    return monotonic_ns() // 1_000_000
