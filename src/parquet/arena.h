/* arena.h: memory that is freed all at once, with a maximum: what is read from a file's metadata.
 *
 * Private to the module. Not thread-safe. */
#ifndef LX_PARQUET_ARENA_H
#define LX_PARQUET_ARENA_H

#include "base/buf.h"

struct lx_pq_arena_block;

struct lx_pq_arena {
    struct lx_pq_arena_block *blocks;
    size_t used, max; /* bytes handed out */
    bool starved;     /* memory ran out, not the maximum */
};

#define LX_PQ_ARENA(limit)                                                                         \
    {                                                                                              \
        .max = (limit)                                                                             \
    }

/* Zeroed memory for `count` elements, aligned for any type; NULL past the maximum or out of memory.
 */
void *lx_pq_arena_alloc(struct lx_pq_arena *arena, size_t count, size_t size);
/* A copy with a NUL behind it. */
char *lx_pq_arena_text(struct lx_pq_arena *arena, struct lx_str text);
void lx_pq_arena_free(struct lx_pq_arena *arena);

#endif
