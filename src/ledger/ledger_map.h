/* ledger_map.h: a hash table from borrowed text to a pointer (private to the ledger).
 *
 * Open addressing with linear probing; at most 3/4 full; a removal moves its followers back, so
 * that there are no tombstones. Keys are borrowed: they must live as long as their entry, which is
 * why values are the structs that own them. lx_ledger_map_reserve is the only function that needs
 * memory: after it, as many puts as were reserved cannot fail. A zeroed struct is an empty map.
 * The order of the slots means nothing and must not reach any output. */
#ifndef LX_LEDGER_LEDGER_MAP_H
#define LX_LEDGER_LEDGER_MAP_H

#include "base/buf.h"

struct lx_ledger_slot {
    struct lx_str key;
    uint64_t hash;
    void *value; /* NULL: the slot is free */
};

struct lx_ledger_map {
    struct lx_ledger_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

/* Room for `more` further entries. LX_E_MEMORY. */
LX_MUST_CHECK enum lx_status lx_ledger_map_reserve(struct lx_ledger_map *map, size_t more);
void *lx_ledger_map_get(const struct lx_ledger_map *map, struct lx_str key); /* NULL: not there */
/* Puts or replaces (then the new key is the borrowed one); the value that was there, or NULL.
 * `value` is not NULL. */
void *lx_ledger_map_put(struct lx_ledger_map *map, struct lx_str key, void *value);
void *lx_ledger_map_remove(struct lx_ledger_map *map, struct lx_str key);
void lx_ledger_map_free(struct lx_ledger_map *map); /* the slots only; an empty map again */

#endif
