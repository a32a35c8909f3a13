/* alloc.h: all memory of lynex comes from here: counted, and failable by tests.
 *
 * Sizes are bytes. Every function returns NULL on failure, which callers turn into LX_E_MEMORY.
 * Thread-safe. Libraries (libcurl, jansson, zstd) keep their own allocators. */
#ifndef LX_BASE_ALLOC_H
#define LX_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *lx_malloc(size_t size) __attribute__((malloc, alloc_size(1)));
void *lx_calloc(size_t count, size_t size) __attribute__((malloc, alloc_size(1, 2)));
void *lx_realloc(void *old, size_t size) __attribute__((alloc_size(2)));
void lx_free(void *memory); /* NULL is fine; errno is kept */
/* A copy of `size` bytes with a NUL behind them; NULL on failure. */
char *lx_strndup(const char *text, size_t size);
char *lx_strdup(const char *text);

/* Bytes in use now, and the most since lx_alloc_reset_peak. */
size_t lx_alloc_used(void);
size_t lx_alloc_peak(void);
void lx_alloc_reset_peak(void);

/* For tests: the n-th allocation from now fails (1 = the next), once; 0 switches it off.
 * lx_alloc_count tells how many allocations were asked for since it was last set. */
void lx_alloc_fail_at(uint64_t n);
uint64_t lx_alloc_count(void);
/* Asked before each allocation instead: true lets it fail. NULL: nobody is asked. */
void lx_alloc_judge(bool (*fails)(void));

#endif
