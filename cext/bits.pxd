"""Inline pieces shared by the kernels: bit tricks, the 64-bit hash, little-endian loads, the monotonic clock.

Plain C in one verbatim block, for gcc, clang (zig's mingw included) and MSVC. Nothing here touches a Python object.
"""

from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    #ifndef IDENTSYNC_BITS
    #define IDENTSYNC_BITS
    #include <stdint.h>
    #include <string.h>
    #if defined(_MSC_VER) && !defined(__clang__)
    #include <intrin.h>
    #define IS_INLINE static __forceinline
    #else
    #define IS_INLINE static inline __attribute__((always_inline, unused))
    #endif

    /* Trailing zeros of x; x must not be 0. */
    IS_INLINE int is_ctz64(uint64_t x) {
    #if defined(_MSC_VER) && !defined(__clang__)
        unsigned long i;
    #if defined(_M_X64) || defined(_M_ARM64)
        _BitScanForward64(&i, x);
        return (int)i;
    #else
        if (_BitScanForward(&i, (unsigned long)x)) return (int)i;
        _BitScanForward(&i, (unsigned long)(x >> 32));
        return (int)i + 32;
    #endif
    #else
        return __builtin_ctzll(x);
    #endif
    }

    /* Ones in x, without the POPCNT instruction: shifts and adds, so that a loop over it becomes SIMD at any -march. */
    IS_INLINE uint64_t is_popcount64(uint64_t x) {
        x = x - ((x >> 1) & 0x5555555555555555ULL);
        x = (x & 0x3333333333333333ULL) + ((x >> 2) & 0x3333333333333333ULL);
        x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
        x = x + (x >> 8);
        x = x + (x >> 16);
        x = x + (x >> 32);
        return x & 0x7f;
    }

    /* Ask for the cache line at p long before it is read; p may be any address, also beyond an end. */
    #if defined(_MSC_VER) && !defined(__clang__)
    #define is_fetch(p) ((void)(p))
    #else
    #define is_fetch(p) __builtin_prefetch(p)
    #endif

    /* The low n ones, 0 <= n <= 64. */
    IS_INLINE uint64_t is_ones(int64_t n) { return n <= 0 ? 0 : ~(uint64_t)0 >> (64 - n); }

    IS_INLINE uint64_t is_swap64(uint64_t x) {
        x = ((x & 0x00ff00ff00ff00ffULL) << 8) | ((x >> 8) & 0x00ff00ff00ff00ffULL);
        x = ((x & 0x0000ffff0000ffffULL) << 16) | ((x >> 16) & 0x0000ffff0000ffffULL);
        return (x << 32) | (x >> 32);
    }

    /* A word as the packed form holds it: little-endian, whatever the machine. Its own inverse. */
    IS_INLINE uint64_t is_le64(uint64_t x) {
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        return is_swap64(x);
    #else
        return x;
    #endif
    }
    IS_INLINE uint64_t is_load64(const void *p) { uint64_t x; memcpy(&x, p, 8); return is_le64(x); }
    IS_INLINE void is_store64(void *p, uint64_t x) { x = is_le64(x); memcpy(p, &x, 8); }
    IS_INLINE uint64_t is_load32(const void *p) {
        const unsigned char *b = (const unsigned char *)p;
        return (uint64_t)b[0] | (uint64_t)b[1] << 8 | (uint64_t)b[2] << 16 | (uint64_t)b[3] << 24;
    }

    /* XXH64, from its published specification: four lanes of 8 bytes, then the tail, then the avalanche. */
    #define IS_P1 0x9E3779B185EBCA87ULL
    #define IS_P2 0xC2B2AE3D27D4EB4FULL
    #define IS_P3 0x165667B19E3779F9ULL
    #define IS_P4 0x85EBCA77C2B2AE63ULL
    #define IS_P5 0x27D4EB2F165667C5ULL
    IS_INLINE uint64_t is_rotl(uint64_t x, int r) { return (x << r) | (x >> (64 - r)); }
    IS_INLINE uint64_t is_round(uint64_t acc, uint64_t lane) { return is_rotl(acc + lane * IS_P2, 31) * IS_P1; }
    IS_INLINE uint64_t is_merge(uint64_t h, uint64_t acc) { return (h ^ is_round(0, acc)) * IS_P1 + IS_P4; }
    static inline uint64_t is_hash(const void *data, uint64_t length, uint64_t seed) {
        const unsigned char *p = (const unsigned char *)data;
        uint64_t left = length, h;
        if (left >= 32) {
            uint64_t a = seed + IS_P1 + IS_P2, b = seed + IS_P2, c = seed, d = seed - IS_P1;
            do {
                a = is_round(a, is_load64(p));
                b = is_round(b, is_load64(p + 8));
                c = is_round(c, is_load64(p + 16));
                d = is_round(d, is_load64(p + 24));
                p += 32;
                left -= 32;
            } while (left >= 32);
            h = is_rotl(a, 1) + is_rotl(b, 7) + is_rotl(c, 12) + is_rotl(d, 18);
            h = is_merge(is_merge(is_merge(is_merge(h, a), b), c), d);
        } else {
            h = seed + IS_P5;
        }
        h += length;
        for (; left >= 8; left -= 8, p += 8)
            h = is_rotl(h ^ is_round(0, is_load64(p)), 27) * IS_P1 + IS_P4;
        if (left >= 4) {
            h = is_rotl(h ^ (is_load32(p) * IS_P1), 23) * IS_P2 + IS_P3;
            p += 4;
            left -= 4;
        }
        for (; left > 0; left--, p++)
            h = is_rotl(h ^ (*p * IS_P5), 11) * IS_P1;
        h = (h ^ (h >> 33)) * IS_P2;
        h = (h ^ (h >> 29)) * IS_P3;
        return h ^ (h >> 32);
    }
    #endif
    """
    void fetch "is_fetch"(const void *p) noexcept nogil
    int ctz64 "is_ctz64"(uint64_t x) noexcept nogil
    uint64_t popcount64 "is_popcount64"(uint64_t x) noexcept nogil
    uint64_t ones "is_ones"(int64_t n) noexcept nogil
    uint64_t le64 "is_le64"(uint64_t x) noexcept nogil
    uint64_t load64 "is_load64"(const void *p) noexcept nogil
    void store64 "is_store64"(void *p, uint64_t x) noexcept nogil
    uint64_t hash64 "is_hash"(const void *data, uint64_t length, uint64_t seed) noexcept nogil
