/* Rows of a stream: blocks taken out of the client's result, so that they outlive the next one, and
 * where a thread reads ahead, that thread and its queue. */
#include "archive/hot_sql_private.h"

#include "base/alloc.h"
#include "base/civil.h"
#include "base/thread.h"

#define MAX_BLOCKS 16 /* of one stream */
#define KEPT_SHARE 4  /* a block that takes more than this part of what may be held is not kept */

/* The rows of one block. Its memory goes to and fro between here and the decoder. */
struct taken {
    struct lx_column *columns; /* one a field, and the row hashes */
    const struct lx_column **views;
    uint32_t *part_of;
    int64_t *seconds;
    size_t cap;   /* rows of the two above */
    size_t bytes; /* of memory */
    struct lx_hot_rows rows;
    struct taken *next; /* in the queue, or among the free ones */
};

struct lx_read_ahead {
    struct lx_hot_stream *stream;
    size_t most_bytes;   /* 0: no thread */
    struct taken *given; /* what the reader has; only it looks here */
    bool running;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t moved;
    struct taken *first, **last; /* the queue */
    struct taken *free;
    size_t count;      /* of all blocks, wherever they are */
    size_t held_bytes; /* of the queue and of what is given */
    bool stop, ended;
    struct lx_err failure; /* why it ended; status LX_OK: after the last row */
};

/* -- blocks -------------------------------------------------------------------------------- */

static void free_taken(struct taken *taken, size_t fields)
{
    if (taken == NULL)
        return;
    for (size_t i = 0; taken->columns != NULL && i <= fields; i++)
        lx_column_free(&taken->columns[i]);
    lx_free(taken->columns);
    lx_free(taken->views);
    lx_free(taken->part_of);
    lx_free(taken->seconds);
    lx_free(taken);
}

static struct taken *new_taken(size_t fields)
{
    struct taken *taken = lx_calloc(1, sizeof *taken);
    if (taken == NULL)
        return NULL;
    taken->columns = lx_calloc(fields + 1, sizeof *taken->columns);
    taken->views = lx_calloc(fields, sizeof(const struct lx_column *));
    if (taken->columns == NULL || taken->views == NULL) {
        free_taken(taken, fields);
        return NULL;
    }
    return taken;
}

static enum lx_status make_room(struct taken *taken, size_t rows, struct lx_err *err)
{
    if (rows <= taken->cap)
        return LX_OK;
    uint32_t *part_of = lx_realloc(taken->part_of, rows * sizeof *part_of);
    if (part_of != NULL)
        taken->part_of = part_of;
    int64_t *seconds = lx_realloc(taken->seconds, rows * sizeof *seconds);
    if (seconds != NULL)
        taken->seconds = seconds;
    if (part_of == NULL || seconds == NULL)
        return lx_err_memory(err);
    taken->cap = rows;
    return LX_OK;
}

/* Is the column still what the schema says? A table can change between plan and read. */
static bool same_type(const struct lx_ch_type *a, const struct lx_ch_type *b)
{
    return a->kind == b->kind && a->nullable == b->nullable && a->width == b->width &&
           a->precision == b->precision && a->scale == b->scale;
}

static enum lx_status check_block(const struct lx_hot_stream *stream,
                                  const struct lx_ch_block *block, size_t columns,
                                  struct lx_err *err)
{
    if (block->column_count != columns)
        return lx_err_set(
            err, LX_E_FORMAT,
            "reading %s: the answer is corrupt: it has %zu columns, %zu were asked for",
            lx_buf_cstr(&stream->hot->target), block->column_count, columns);
    for (size_t i = 0; i < stream->schema->field_count; i++)
        if (!same_type(block->columns[i].type, &stream->schema->fields[i].sent))
            return lx_err_set(err, LX_E_AGAIN, "the column %s became %s while it was read",
                              stream->schema->fields[i].name, block->columns[i].type->text);
    const struct lx_ch_type *next = block->columns[stream->schema->field_count].type;
    if (stream->has_unreadable && next->kind != LX_CH_UINT32)
        return lx_err_set(err, LX_E_FORMAT,
                          "the answer is corrupt: the number of an unreadable column came as %s",
                          next->text);
    return LX_OK;
}

static enum lx_status find_parts(const struct lx_hot_stream *stream, struct taken *taken,
                                 const struct lx_column *names, struct lx_err *err)
{
    struct lx_str last = {0};
    uint32_t index = 0;
    for (int64_t row = 0; row < names->rows; row++) {
        struct lx_str name = lx_column_value(names, row);
        if (row == 0 || !(name.ptr == last.ptr && name.len == last.len)) {
            for (index = 0; index < stream->part_count; index++)
                if (lx_str_is(name, stream->parts[index]))
                    break;
            if (index == stream->part_count)
                return lx_err_set(err, LX_E_FORMAT,
                                  "the answer is corrupt: a row of part %.*s came, which was "
                                  "not asked for",
                                  LX_STR_ARG(name));
            last = name;
        }
        taken->part_of[row] = index;
    }
    return LX_OK;
}

static int64_t int_at(const struct lx_column *column, int64_t row, bool is_signed)
{
    struct lx_str value = lx_column_value(column, row);
    uint64_t bits = 0;
    memcpy(&bits, value.ptr, value.len);
    if (is_signed && value.len < 8 && (bits >> (value.len * 8 - 1)) != 0)
        bits |= UINT64_MAX << (value.len * 8);
    return (int64_t)bits;
}

static void find_seconds(const struct lx_hot_stream *stream, struct taken *taken,
                         const struct lx_column *time)
{
    int64_t scale = 1;
    bool is_signed = true;
    switch (stream->time_type.kind) {
    case LX_CH_DATE: is_signed = false; break;
    case LX_CH_DATE32: break;
    case LX_CH_DATETIME: is_signed = false; break;
    default:
        for (unsigned i = 0; i < stream->time_type.precision; i++)
            scale *= 10;
        break;
    }
    bool days = stream->time_type.kind == LX_CH_DATE || stream->time_type.kind == LX_CH_DATE32;
    for (int64_t row = 0; row < time->rows; row++) {
        int64_t value = int_at(time, row, is_signed);
        taken->seconds[row] = days ? value * LX_DAY_SECONDS : lx_floor_div(value, scale);
    }
}

static void find_unreadable(const struct lx_hot_stream *stream, struct taken *taken,
                            const struct lx_column *bad)
{
    for (int64_t row = 0; row < bad->rows; row++) {
        int64_t column = int_at(bad, row, false);
        if (column != 0 && (size_t)column <= stream->schema->field_count) {
            taken->rows.unreadable_row = row;
            taken->rows.unreadable_name = stream->schema->fields[column - 1].name;
            return;
        }
    }
}

static size_t memory_of(const struct lx_column *column)
{
    return column->values_cap + column->nulls_cap +
           (column->offsets_cap + column->indexes_cap) * sizeof(uint32_t) +
           (column->dict != NULL ? memory_of(column->dict) : 0);
}

/* The decoder gets the memory of what was here before in exchange. */
static void swap_columns(struct lx_column *a, struct lx_column *b)
{
    struct lx_column kept = *a;
    *a = *b;
    *b = kept;
}

/* The next block of the result; no rows: its end. */
static enum lx_status take_block(struct lx_hot_stream *stream, struct taken *taken,
                                 struct lx_err *err)
{
    struct lx_ch_block *block = NULL;
    size_t fields = stream->schema->field_count;
    enum lx_status status = lx_hot_sql_next_block(stream, &block, err);
    taken->rows = (struct lx_hot_rows){.unreadable_row = -1};
    taken->bytes = 0;
    if (status != LX_OK)
        return status;
    if (block == NULL)
        return LX_OK;
    LX_TRY(check_block(stream, block, fields + stream->has_unreadable + 2, err));
    LX_TRY(make_room(taken, (size_t)block->rows, err));
    size_t at = fields;
    if (stream->has_unreadable)
        find_unreadable(stream, taken, &block->columns[at++].data);
    LX_TRY(find_parts(stream, taken, &block->columns[at++].data, err));
    if (stream->time_field != SIZE_MAX)
        find_seconds(stream, taken, &block->columns[stream->time_field].data);
    const struct lx_column *hashes = &block->columns[at].data;
    if (hashes->shape != LX_COLUMN_FIXED || hashes->width != 8)
        return lx_err_set(err, LX_E_FORMAT, "the answer is corrupt: the row hash came as %s",
                          block->columns[at].type->text);
    swap_columns(&taken->columns[fields], &block->columns[at].data);
    for (size_t i = 0; i < fields; i++) {
        swap_columns(&taken->columns[i], &block->columns[i].data);
        taken->views[i] = &taken->columns[i];
        taken->bytes += memory_of(&taken->columns[i]);
    }
    taken->rows.columns = taken->views;
    taken->rows.rows = block->rows;
    taken->rows.hashes = (const uint64_t *)(const void *)taken->columns[fields].values;
    taken->rows.part_of = taken->part_of;
    taken->rows.seconds = taken->seconds;
    lx_hot_sql_took(stream, taken->rows.hashes, taken->rows.rows);
    return LX_OK;
}

/* -- ahead --------------------------------------------------------------------------------- */

/* A block to read into, when there may be one; the lock is held. NULL: the stream is to stop, or
 * there is no memory. */
static struct taken *wait_for_room(struct lx_read_ahead *ahead, struct lx_err *err)
{
    while (!ahead->stop && (ahead->held_bytes >= ahead->most_bytes ||
                            (ahead->free == NULL && ahead->count == MAX_BLOCKS)))
        pthread_cond_wait(&ahead->moved, &ahead->lock);
    if (ahead->stop)
        return NULL;
    struct taken *taken = ahead->free;
    if (taken != NULL) {
        ahead->free = taken->next;
        return taken;
    }
    taken = new_taken(ahead->stream->schema->field_count);
    if (taken == NULL)
        lx_err_memory(err);
    ahead->count += taken != NULL;
    return taken;
}

/* The query itself is asked here, too: a server may be silent before its answer as within it. */
static void *read_ahead(void *context)
{
    struct lx_read_ahead *ahead = context;
    pthread_mutex_lock(&ahead->lock);
    for (bool asked = false;;) {
        struct lx_err err = LX_ERR_INIT;
        struct taken *taken = wait_for_room(ahead, &err);
        enum lx_status status = err.status;
        if (taken != NULL) {
            pthread_mutex_unlock(&ahead->lock);
            if (!asked)
                status = lx_hot_sql_start(ahead->stream, &err);
            if (status == LX_OK)
                status = take_block(ahead->stream, taken, &err);
            asked = true;
            pthread_mutex_lock(&ahead->lock);
        }
        bool more = taken != NULL && status == LX_OK && taken->rows.rows > 0;
        if (more) {
            taken->next = NULL;
            *ahead->last = taken;
            ahead->last = &taken->next;
            ahead->held_bytes += taken->bytes;
        } else {
            if (taken != NULL) {
                taken->next = ahead->free;
                ahead->free = taken;
            }
            ahead->ended = true;
            ahead->failure = err;
            ahead->failure.status = status;
        }
        pthread_cond_broadcast(&ahead->moved);
        if (!more)
            break;
    }
    pthread_mutex_unlock(&ahead->lock);
    return NULL;
}

enum lx_status lx_hot_sql_start_rows(struct lx_hot_sql *hot, struct lx_hot_stream *stream,
                                     struct lx_err *err)
{
    struct lx_read_ahead *ahead = lx_calloc(1, sizeof *ahead);
    if (ahead == NULL)
        return lx_err_memory(err);
    stream->ahead = ahead;
    ahead->stream = stream;
    ahead->most_bytes = hot->read_ahead;
    ahead->last = &ahead->first;
    pthread_mutex_init(&ahead->lock, NULL);
    lx_cond_init(&ahead->moved);
    if (ahead->most_bytes == 0)
        return lx_hot_sql_start(stream, err);
    LX_TRY(lx_thread_start(&ahead->thread, read_ahead, ahead, err));
    ahead->running = true;
    return LX_OK;
}

/* The thread is within the client until its next block came, or the stream was cancelled. */
static void stop_thread(struct lx_read_ahead *ahead)
{
    if (!ahead->running)
        return;
    pthread_mutex_lock(&ahead->lock);
    ahead->stop = true;
    pthread_cond_broadcast(&ahead->moved);
    pthread_mutex_unlock(&ahead->lock);
    pthread_join(ahead->thread, NULL);
    ahead->running = false;
}

static void free_list(struct taken *list, size_t fields)
{
    while (list != NULL) {
        struct taken *next = list->next;
        free_taken(list, fields);
        list = next;
    }
}

void lx_hot_sql_free_rows(struct lx_hot_stream *stream)
{
    struct lx_read_ahead *ahead = stream->ahead;
    if (ahead == NULL)
        return;
    size_t fields = stream->schema->field_count;
    stop_thread(ahead);
    free_taken(ahead->given, fields);
    free_list(ahead->first, fields);
    free_list(ahead->free, fields);
    pthread_mutex_destroy(&ahead->lock);
    pthread_cond_destroy(&ahead->moved);
    lx_free(ahead);
    stream->ahead = NULL;
}

/* The reader is done with its block; the lock is held. The memory of a large one is not kept: there
 * may be few like it. */
static void give_back(struct lx_read_ahead *ahead)
{
    struct taken *given = ahead->given;
    ahead->given = NULL;
    ahead->held_bytes -= given->bytes;
    if (given->bytes > ahead->most_bytes / KEPT_SHARE) {
        free_taken(given, ahead->stream->schema->field_count);
        ahead->count--;
    } else {
        given->next = ahead->free;
        ahead->free = given;
    }
    pthread_cond_broadcast(&ahead->moved);
}

/* Until a row came or none will; the lock is held. Whoever waits sees to what else goes on. */
static enum lx_status wait_for_rows(struct lx_read_ahead *ahead, struct lx_err *err)
{
    const struct lx_hot_stream *stream = ahead->stream;
    while (ahead->first == NULL && !ahead->ended) {
        if (stream->waiting == NULL) {
            pthread_cond_wait(&ahead->moved, &ahead->lock);
            continue;
        }
        if (lx_cond_wait_ms(&ahead->moved, &ahead->lock, LX_CANCEL_POLL_MS))
            continue;
        pthread_mutex_unlock(&ahead->lock);
        enum lx_status status = stream->waiting(stream->context, err);
        pthread_mutex_lock(&ahead->lock);
        if (status != LX_OK)
            return status;
    }
    return LX_OK;
}

static enum lx_status next_queued(struct lx_read_ahead *ahead, struct lx_err *err)
{
    pthread_mutex_lock(&ahead->lock);
    if (ahead->given != NULL)
        give_back(ahead);
    enum lx_status status = wait_for_rows(ahead, err);
    if (status != LX_OK) {
        pthread_mutex_unlock(&ahead->lock);
        return status;
    }
    struct taken *taken = ahead->first;
    if (taken != NULL) {
        ahead->first = taken->next;
        if (ahead->first == NULL)
            ahead->last = &ahead->first;
        ahead->given = taken;
    }
    status = taken == NULL ? ahead->failure.status : LX_OK;
    if (status != LX_OK && err != NULL)
        *err = ahead->failure;
    pthread_mutex_unlock(&ahead->lock);
    return status;
}

enum lx_status lx_hot_sql_next(void *self, struct lx_hot_stream *stream, struct lx_hot_rows *rows,
                               struct lx_err *err)
{
    struct lx_read_ahead *ahead = stream->ahead;
    (void)self;
    if (ahead->running) {
        LX_TRY(next_queued(ahead, err));
    } else {
        if (ahead->given == NULL)
            ahead->given = new_taken(stream->schema->field_count);
        if (ahead->given == NULL)
            return lx_err_memory(err);
        LX_TRY(take_block(stream, ahead->given, err));
    }
    *rows = ahead->given != NULL ? ahead->given->rows : (struct lx_hot_rows){.unreadable_row = -1};
    return LX_OK;
}
