#include "parquet/arena.h"

#include "base/alloc.h"

#include <stdalign.h>

#define BLOCK_BYTES ((size_t)16 * 1024)
#define ALIGN alignof(max_align_t)

struct lx_pq_arena_block {
    struct lx_pq_arena_block *next;
    size_t used, cap;
    alignas(max_align_t) uint8_t bytes[];
};

void *lx_pq_arena_alloc(struct lx_pq_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - ALIGN)
        return NULL;
    bytes = bytes == 0 ? ALIGN : (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (bytes > arena->max - arena->used)
        return NULL;
    struct lx_pq_arena_block *block = arena->blocks;
    if (block == NULL || block->cap - block->used < bytes) {
        size_t cap = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        block = lx_calloc(1, sizeof *block + cap);
        if (block == NULL) {
            arena->starved = true;
            return NULL;
        }
        block->cap = cap;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *memory = block->bytes + block->used;
    block->used += bytes;
    arena->used += bytes;
    return memory;
}

char *lx_pq_arena_text(struct lx_pq_arena *arena, struct lx_str text)
{
    char *copy = text.len < SIZE_MAX ? lx_pq_arena_alloc(arena, text.len + 1, 1) : NULL;
    if (copy != NULL && text.len != 0)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

void lx_pq_arena_free(struct lx_pq_arena *arena)
{
    while (arena->blocks != NULL) {
        struct lx_pq_arena_block *next = arena->blocks->next;
        lx_free(arena->blocks);
        arena->blocks = next;
    }
    arena->used = 0;
}
