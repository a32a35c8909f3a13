/* mem_store.h: a bucket in memory, behind lx_store, for tests and simulations.
 *
 * A bucket holds objects; any number of stores ("clients") open it, each with a number, as several
 * archivers share a real one. Every operation of a client is first shown to the bucket's hook,
 * which decides what happens to it, and may do what it likes with the bucket or through other
 * clients meanwhile: so a test lets another writer act at any point. Without a hook everything
 * works.
 *
 * Deterministic: no clock but the bucket's own counter, no randomness, listings in bytewise order.
 * Threads: clients may be used by many threads at once (one lock); the hook is called without the
 * lock. */
#ifndef LX_TEST_MEM_STORE_H
#define LX_TEST_MEM_STORE_H

#include "store/store.h"

struct lx_mem_bucket;

enum lx_mem_op {
    LX_MEM_PUT, /* also an upload, when it is finished */
    LX_MEM_GET, /* also a read of a part */
    LX_MEM_HEAD,
    LX_MEM_LIST,
    LX_MEM_REMOVE
};

struct lx_mem_call {
    enum lx_mem_op op;
    int client;
    const char *key;   /* of a list: its prefix */
    const void *bytes; /* PUT */
    size_t size;
    bool if_absent;
    uint64_t number; /* of the operation, counted over all clients from 1 */
};

enum lx_mem_fate {
    LX_MEM_DONE,        /* as it should be */
    LX_MEM_REFUSED,     /* nothing happens; fails with `status` */
    LX_MEM_LOST_BEFORE, /* the request is lost: nothing happens */
    LX_MEM_LOST_AFTER,  /* it happens, the answer is lost */
    LX_MEM_LATE         /* PUT, REMOVE: the answer is lost, and it happens at lx_mem_bucket_land */
};
/* What a client sees of a lost request or answer: LX_E_UNKNOWN for a conditional PUT, else
 * LX_E_NETWORK. */
struct lx_mem_verdict {
    enum lx_mem_fate fate;
    enum lx_status status; /* REFUSED */
    uint64_t flip; /* PUT, GET: one bit of what is stored or read is wrong: 1 + any number, taken
                      modulo the size; 0: none */
};
typedef struct lx_mem_verdict (*lx_mem_hook)(void *context, const struct lx_mem_call *call);

struct lx_mem_bucket *lx_mem_bucket_create(void);         /* NULL: no memory */
void lx_mem_bucket_destroy(struct lx_mem_bucket *bucket); /* after its clients are closed */
void lx_mem_bucket_hook(struct lx_mem_bucket *bucket, lx_mem_hook hook, void *context);
/* A store that takes If-None-Match and ignores it. */
void lx_mem_bucket_ignore_condition(struct lx_mem_bucket *bucket, bool ignore);
/* A store that tells no ETags. */
void lx_mem_bucket_no_etags(struct lx_mem_bucket *bucket, bool none);
/* An object is only seen by GET, HEAD and LIST once so many further operations began (0: at once).
 * Conditions are always judged by what is there. No real driver may behave so. */
void lx_mem_bucket_lag(struct lx_mem_bucket *bucket, uint64_t operations);
/* Performs the LATE operations, oldest first; a PUT that finds its key taken comes to nothing.
 * Returns how many there were. */
size_t lx_mem_bucket_land(struct lx_mem_bucket *bucket);

/* Another client's store. */
LX_MUST_CHECK enum lx_status lx_mem_store_open(struct lx_mem_bucket *bucket, int client,
                                               struct lx_store **store, struct lx_err *err);

/* Straight to the objects, past hook, condition and lag. */
bool lx_mem_bucket_put(struct lx_mem_bucket *bucket, const char *key, const void *bytes,
                       size_t size); /* false: no memory */
/* Borrowed until the next change; may be written to. NULL: no such object. */
uint8_t *lx_mem_bucket_get(struct lx_mem_bucket *bucket, const char *key, size_t *size);
bool lx_mem_bucket_remove(struct lx_mem_bucket *bucket, const char *key);
size_t lx_mem_bucket_count(const struct lx_mem_bucket *bucket);
/* Key of object `index`, in bytewise order; NULL beyond the last. */
const char *lx_mem_bucket_key(const struct lx_mem_bucket *bucket, size_t index);
/* As a storage class that must be restored before a GET. False: no such object. */
bool lx_mem_bucket_freeze(struct lx_mem_bucket *bucket, const char *key, bool frozen);
uint64_t lx_mem_bucket_operations(const struct lx_mem_bucket *bucket);

#endif
