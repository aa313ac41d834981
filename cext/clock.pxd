"""The monotonic clock in nanoseconds: what time.monotonic() reads on POSIX, the performance counter on Windows."""

from libc.stdint cimport int64_t

cdef extern from *:
    """
    #ifndef IDENTSYNC_CLOCK
    #define IDENTSYNC_CLOCK
    #include <stdint.h>
    #if defined(_WIN32)
    #ifndef WIN32_LEAN_AND_MEAN
    #define WIN32_LEAN_AND_MEAN
    #endif
    #include <windows.h>
    static int64_t is_monotonic_ns(void) {
        static int64_t frequency = 0;
        LARGE_INTEGER ticks;
        int64_t whole;
        if (frequency == 0) {
            QueryPerformanceFrequency(&ticks);
            frequency = ticks.QuadPart;
        }
        QueryPerformanceCounter(&ticks);
        whole = ticks.QuadPart / frequency;
        return whole * 1000000000 + (ticks.QuadPart - whole * frequency) * 1000000000 / frequency;
    }
    #else
    #include <time.h>
    static int64_t is_monotonic_ns(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    }
    #endif
    #endif
    """
    int64_t monotonic_ns "is_monotonic_ns"() noexcept nogil
