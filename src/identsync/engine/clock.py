"""The client's own clock: monotonic, and counting while the computer sleeps."""

import sys
import time

if sys.platform == "linux":  # it has two monotonic clocks; this one goes on in suspend, as the only one of Windows does
    TICK_MS = 0.0

    def monotonic_ns() -> int:
        """Return nanoseconds of a clock that never steps back and counts a suspended computer's time as well."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
else:
    TICK_MS = time.get_clock_info("monotonic").resolution * 1000  # 16 on Windows before Python 3.13
    monotonic_ns = time.monotonic_ns


def monotonic_ms() -> int:
    """Return whole milliseconds of that clock."""
    return monotonic_ns() // 1_000_000
