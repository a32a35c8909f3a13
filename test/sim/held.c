/* The model of ClickHouse, with what it allocates told apart from what the program does. */
#include "held.h"

#include "sim.h"

int sim_held;

#define HELD(call)                                                                                 \
    sim_held++;                                                                                    \
    enum lx_status status = (call);                                                                \
    sim_held--;                                                                                    \
    return status

static enum lx_status table(void *self, struct lx_hot_table **made, struct lx_err *err)
{
    HELD(sim_hot_ops.table(self, made, err));
}
static enum lx_status parts(void *self, int64_t days_to, struct lx_hot_parts *made,
                            struct lx_err *err)
{
    HELD(sim_hot_ops.parts(self, days_to, made, err));
}
static enum lx_status sums(void *self, struct lx_hot_sum *asked, size_t count, bool whole,
                           struct lx_err *err)
{
    HELD(sim_hot_ops.sums(self, asked, count, whole, err));
}
static enum lx_status read_rows(void *self, const struct lx_hot_read *read,
                                struct lx_hot_stream **stream, struct lx_err *err)
{
    HELD(sim_hot_ops.read(self, read, stream, err));
}
static enum lx_status next(void *self, struct lx_hot_stream *stream, struct lx_hot_rows *rows,
                           struct lx_err *err)
{
    HELD(sim_hot_ops.next(self, stream, rows, err));
}
static enum lx_status hashes(void *self, const struct lx_hot_read *read,
                             struct lx_hot_stream **stream, struct lx_err *err)
{
    HELD(sim_hot_ops.hashes(self, read, stream, err));
}
static enum lx_status next_hashes(void *self, struct lx_hot_stream *stream,
                                  struct lx_hot_hashes *made, struct lx_err *err)
{
    HELD(sim_hot_ops.next_hashes(self, stream, made, err));
}
static enum lx_status drop_parts(void *self, const char *const *names, size_t count,
                                 struct lx_buf *statement, char id[64], struct lx_err *err)
{
    HELD(sim_hot_ops.drop_parts(self, names, count, statement, id, err));
}
static enum lx_status mask(void *self, const char *partition, const struct lx_hot_mask *masks,
                           size_t count, int64_t wait_ms, struct lx_buf *statement, char id[64],
                           struct lx_err *err)
{
    HELD(sim_hot_ops.mask(self, partition, masks, count, wait_ms, statement, id, err));
}
static enum lx_status apply_mask(void *self, const char *partition, int64_t wait_ms,
                                 struct lx_err *err)
{
    HELD(sim_hot_ops.apply_mask(self, partition, wait_ms, err));
}

void sim_hold_hot(struct lx_hot_ops *ops)
{
    *ops = sim_hot_ops;
    ops->table = table;
    ops->parts = parts;
    ops->sums = sums;
    ops->read = read_rows;
    ops->next = next;
    ops->hashes = hashes;
    ops->next_hashes = next_hashes;
    ops->drop_parts = drop_parts;
    ops->mask = mask;
    ops->apply_mask = apply_mask;
}
