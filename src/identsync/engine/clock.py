"""The client's own clock: monotonic, and counting while the computer sleeps."""

import time

_BOOT = getattr(
    time, "CLOCK_BOOTTIME", None
)  # Linux: unlike CLOCK_MONOTONIC it goes on in suspend, as Windows' clock does

if _BOOT is not None:
    _boot: int = _BOOT

    def monotonic_ms() -> int:
        """Milliseconds of a clock that never steps back and counts a suspended computer's time as well."""
        return time.clock_gettime_ns(_boot) // 1_000_000

else:

    def monotonic_ms() -> int:
        """Milliseconds of a clock that never steps back and counts a suspended computer's time as well."""
        return time.monotonic_ns() // 1_000_000
