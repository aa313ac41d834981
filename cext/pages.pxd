"""Memory of large columns: on Linux in pages of 2 MiB where the kernel has them, elsewhere what malloc gives.

The one place of the core that knows an operating system. Through pages of 4 KiB a stream takes half as long again.
"""

cdef extern from *:
    """
    #ifndef IDENTSYNC_PAGES
    #define IDENTSYNC_PAGES
    #include <stdlib.h>
    #if defined(__linux__)
    #include <sys/mman.h>
    #endif
    #define IS_HUGE ((size_t)2 << 20)

    /* At least size bytes to be given back with free(), or NULL. */
    static inline void *is_pages(size_t size) {
    #if defined(__linux__) && defined(MADV_HUGEPAGE)
        if (size >= 2 * IS_HUGE) {
            void *p = NULL;
            if (posix_memalign(&p, IS_HUGE, size)) return NULL;
            madvise(p, size / IS_HUGE * IS_HUGE, MADV_HUGEPAGE);  /* advice: what comes of it does not matter */
            return p;
        }
    #endif
        return malloc(size ? size : 1);
    }
    #endif
    """
    void *pages "is_pages"(size_t size) noexcept nogil
