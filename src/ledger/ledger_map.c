#include "ledger/ledger_map.h"

#include "base/alloc.h"

#include <assert.h>
#include <xxhash.h>

#define FIRST_CAPACITY 16

static uint64_t hash_of(struct lx_str key)
{
    return XXH3_64bits(key.len != 0 ? key.ptr : "", key.len);
}

/* The slot of the key, or the free one where it would go. There is always a free one. */
static struct lx_ledger_slot *find(const struct lx_ledger_map *map, struct lx_str key,
                                   uint64_t hash)
{
    size_t mask = map->capacity - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        struct lx_ledger_slot *slot = &map->slots[i];
        if (slot->value == NULL || (slot->hash == hash && lx_str_equal(slot->key, key)))
            return slot;
    }
}

enum lx_status lx_ledger_map_reserve(struct lx_ledger_map *map, size_t more)
{
    size_t need;
    if (__builtin_add_overflow(map->count, more, &need) || need > SIZE_MAX / 4)
        return LX_E_MEMORY;
    if (map->capacity != 0 && need <= map->capacity / 4 * 3)
        return LX_OK;
    size_t capacity = map->capacity != 0 ? map->capacity : FIRST_CAPACITY;
    while (need > capacity / 4 * 3)
        capacity *= 2;
    struct lx_ledger_slot *slots = lx_calloc(capacity, sizeof *slots);
    if (slots == NULL)
        return LX_E_MEMORY;
    struct lx_ledger_map grown = {slots, capacity, map->count};
    for (size_t i = 0; i < map->capacity; i++) {
        const struct lx_ledger_slot *old = &map->slots[i];
        if (old->value != NULL)
            *find(&grown, old->key, old->hash) = *old;
    }
    lx_free(map->slots);
    *map = grown;
    return LX_OK;
}

void *lx_ledger_map_get(const struct lx_ledger_map *map, struct lx_str key)
{
    return map->capacity != 0 ? find(map, key, hash_of(key))->value : NULL;
}

void *lx_ledger_map_put(struct lx_ledger_map *map, struct lx_str key, void *value)
{
    assert(value != NULL);
    assert(map->capacity != 0);
    uint64_t hash = hash_of(key);
    struct lx_ledger_slot *slot = find(map, key, hash);
    void *old = slot->value;
    if (old == NULL) {
        map->count++;
        assert(map->count < map->capacity); /* else the next search would not end */
    }
    *slot = (struct lx_ledger_slot){key, hash, value};
    return old;
}

void *lx_ledger_map_remove(struct lx_ledger_map *map, struct lx_str key)
{
    if (map->capacity == 0)
        return NULL;
    struct lx_ledger_slot *slot = find(map, key, hash_of(key));
    void *old = slot->value;
    if (old == NULL)
        return NULL;
    size_t mask = map->capacity - 1;
    size_t hole = (size_t)(slot - map->slots);
    for (size_t i = (hole + 1) & mask; map->slots[i].value != NULL; i = (i + 1) & mask) {
        /* May it move back into the hole? Not if the hole lies before its own first slot. */
        size_t home = (size_t)map->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole].value = NULL;
    map->count--;
    return old;
}

void lx_ledger_map_free(struct lx_ledger_map *map)
{
    lx_free(map->slots);
    *map = (struct lx_ledger_map){0};
}
