#include "base/alloc.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The one piece of global state in base: counters of the one heap that the process has. */
static atomic_size_t used, peak;
static atomic_uint_fast64_t asked, fail_at;
static bool (*_Atomic judge)(void);

static bool must_fail(void)
{
    uint64_t number = atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed) + 1;
    uint64_t at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    bool (*fails)(void) = atomic_load_explicit(&judge, memory_order_relaxed);
    return (at != 0 && number == at) || (fails != NULL && fails());
}

static void count(void *memory)
{
    size_t size = malloc_usable_size(memory);
    size_t now = atomic_fetch_add_explicit(&used, size, memory_order_relaxed) + size;
    size_t most = atomic_load_explicit(&peak, memory_order_relaxed);
    while (now > most && !atomic_compare_exchange_weak_explicit(
                             &peak, &most, now, memory_order_relaxed, memory_order_relaxed))
        ;
}

static void uncount(void *memory)
{
    atomic_fetch_sub_explicit(&used, malloc_usable_size(memory), memory_order_relaxed);
}

void *lx_malloc(size_t size)
{
    if (must_fail())
        return NULL;
    void *memory = malloc(size != 0 ? size : 1);
    if (memory != NULL)
        count(memory);
    return memory;
}

void *lx_calloc(size_t n, size_t size)
{
    if (must_fail())
        return NULL;
    void *memory = calloc(n != 0 ? n : 1, size != 0 ? size : 1);
    if (memory != NULL)
        count(memory);
    return memory;
}

void *lx_realloc(void *old, size_t size)
{
    if (must_fail())
        return NULL;
    if (old == NULL) {
        void *fresh = malloc(size != 0 ? size : 1);
        if (fresh != NULL)
            count(fresh);
        return fresh;
    }
    uncount(old);
    void *memory = realloc(old, size != 0 ? size : 1);
    count(memory != NULL ? memory : old);
    return memory;
}

void lx_free(void *memory)
{
    if (memory == NULL)
        return;
    int error = errno;
    uncount(memory);
    free(memory);
    errno = error;
}

char *lx_strndup(const char *text, size_t size)
{
    char *copy = size < SIZE_MAX ? lx_malloc(size + 1) : NULL;
    if (copy != NULL) {
        if (size != 0)
            memcpy(copy, text, size);
        copy[size] = 0;
    }
    return copy;
}

char *lx_strdup(const char *text)
{
    return lx_strndup(text, strlen(text));
}

size_t lx_alloc_used(void)
{
    return atomic_load(&used);
}

size_t lx_alloc_peak(void)
{
    return atomic_load(&peak);
}

void lx_alloc_reset_peak(void)
{
    atomic_store(&peak, atomic_load(&used));
}

void lx_alloc_fail_at(uint64_t n)
{
    atomic_store(&asked, 0);
    atomic_store(&fail_at, n);
}

void lx_alloc_judge(bool (*fails)(void))
{
    atomic_store(&judge, fails);
}

uint64_t lx_alloc_count(void)
{
    return atomic_load(&asked);
}
