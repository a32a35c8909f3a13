#include "archive/sorted_runs.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_RUNS 65536
#define READ_RECORDS 4096  /* of one run at a time, at least; more runs are merged before */
#define LOOK_RECORDS 65536 /* between two looks at whether to go on */

struct run {
    int64_t start, end; /* records of the file */
    int64_t next;       /* the first that is not read yet */
    struct lx_record *buffer;
    size_t pos, filled;
};

struct lx_sorted_runs {
    struct lx_record *records; /* being filled; later: the last run, or the read buffers */
    size_t count, cap;
    int64_t total;
    int64_t file_end;      /* records of the file */
    const char *directory; /* NULL: TMPDIR, /tmp */
    const struct lx_cancel *cancel;
    size_t looks; /* records since the last look */
    int fd;       /* -1: nothing was spilled */
    struct run *runs;
    size_t run_count, run_cap;
    size_t *heap; /* numbers of runs that have a record, smallest first */
    size_t heap_count;
    size_t each; /* records of a run's read buffer */
    bool reading;
};

static int compare_records(const void *a, const void *b)
{
    const struct lx_record *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->extra < y->extra ? -1 : x->extra > y->extra;
}

enum lx_status lx_sorted_runs_create(size_t memory_bytes, const char *directory,
                                     const struct lx_cancel *cancel, struct lx_sorted_runs **out,
                                     struct lx_err *err)
{
    if (memory_bytes < LX_SORTED_RUNS_MIN)
        memory_bytes = LX_SORTED_RUNS_MIN;
    if (memory_bytes > LX_SORTED_RUNS_MAX)
        memory_bytes = LX_SORTED_RUNS_MAX;
    struct lx_sorted_runs *runs = lx_calloc(1, sizeof *runs);
    if (runs == NULL)
        return lx_err_memory(err);
    runs->fd = -1;
    runs->directory = directory;
    runs->cancel = cancel;
    runs->cap = memory_bytes / sizeof *runs->records;
    *out = runs;
    return LX_OK;
}

void lx_sorted_runs_free(struct lx_sorted_runs *runs)
{
    if (runs == NULL)
        return;
    if (runs->fd >= 0)
        close(runs->fd);
    lx_free(runs->records);
    lx_free(runs->runs);
    lx_free(runs->heap);
    lx_free(runs);
}

/* Whatever is done with so many records goes through here. */
static enum lx_status look(struct lx_sorted_runs *runs, size_t records, struct lx_err *err)
{
    runs->looks += records;
    if (runs->looks < LOOK_RECORDS)
        return LX_OK;
    runs->looks = 0;
    if (!lx_cancel_asked(runs->cancel))
        return LX_OK;
    return lx_err_set(err, LX_E_CANCELLED, "interrupted while rows were compared");
}

/* -- writing ------------------------------------------------------------------------------- */

static enum lx_status open_file(struct lx_sorted_runs *runs, struct lx_err *err)
{
    const char *dir = runs->directory != NULL ? runs->directory : getenv("TMPDIR");
    char path[4096];
    if (dir == NULL || dir[0] == 0)
        dir = "/tmp";
    runs->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (runs->fd >= 0)
        return LX_OK;
    /* A file system without unnamed files: make one and take its name away. */
    size_t size = strlen(dir);
    if (size + sizeof "/lynex-XXXXXX" > sizeof path)
        return lx_err_set(err, LX_E_ARGUMENT, "ARCHIVE_TMPDIR is too long");
    memcpy(path, dir, size);
    memcpy(path + size, "/lynex-XXXXXX", sizeof "/lynex-XXXXXX");
    runs->fd = mkostemp(path, O_CLOEXEC);
    if (runs->fd < 0) {
        enum lx_status status = lx_err_errno(err, errno, "cannot make a temporary file in %s", dir);
        lx_err_hint(err,
                    "set ARCHIVE_TMPDIR to a directory with room for 200 bytes a compared row");
        return status;
    }
    unlink(path);
    return LX_OK;
}

static enum lx_status write_all(int fd, const void *bytes, size_t size, off_t offset,
                                struct lx_err *err)
{
    const char *pos = bytes;
    while (size > 0) {
        ssize_t done = pwrite(fd, pos, size, offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            enum lx_status status = lx_err_errno(err, errno, "writing a temporary file");
            lx_err_hint(err,
                        "set ARCHIVE_TMPDIR to a directory with room for 200 bytes a compared row");
            return status;
        }
        pos += done;
        size -= (size_t)done;
        offset += done;
    }
    return LX_OK;
}

static enum lx_status append(struct lx_sorted_runs *runs, const struct lx_record *records,
                             size_t count, struct lx_err *err)
{
    off_t offset = (off_t)runs->file_end * (off_t)sizeof *records;
    LX_TRY(write_all(runs->fd, records, count * sizeof *records, offset, err));
    runs->file_end += (int64_t)count;
    return LX_OK;
}

static enum lx_status spill(struct lx_sorted_runs *runs, struct lx_err *err)
{
    if (runs->fd < 0)
        LX_TRY(open_file(runs, err));
    if (runs->run_count == MAX_RUNS)
        return lx_err_set(err, LX_E_LIMIT, "too many rows to compare at once");
    if (runs->run_count == runs->run_cap) {
        size_t cap = runs->run_cap != 0 ? runs->run_cap * 2 : 8;
        struct run *grown = lx_realloc(runs->runs, cap * sizeof *grown);
        if (grown == NULL)
            return lx_err_memory(err);
        runs->runs = grown;
        runs->run_cap = cap;
    }
    qsort(runs->records, runs->count, sizeof *runs->records, compare_records);
    int64_t start = runs->file_end;
    LX_TRY(append(runs, runs->records, runs->count, err));
    runs->runs[runs->run_count++] = (struct run){.start = start, .end = runs->file_end};
    runs->count = 0;
    return LX_OK;
}

enum lx_status lx_sorted_runs_add(struct lx_sorted_runs *runs, const struct lx_record *record,
                                  struct lx_err *err)
{
    if (runs->reading)
        return lx_err_set(err, LX_E_BUG, "records were added after reading began");
    LX_TRY(look(runs, 1, err));
    if (runs->records == NULL) {
        runs->records = lx_malloc(runs->cap * sizeof *runs->records);
        if (runs->records == NULL)
            return lx_err_memory(err);
    }
    if (runs->count == runs->cap)
        LX_TRY(spill(runs, err));
    runs->records[runs->count++] = *record;
    runs->total++;
    return LX_OK;
}

int64_t lx_sorted_runs_count(const struct lx_sorted_runs *runs)
{
    return runs->total;
}

/* -- reading ------------------------------------------------------------------------------- */

/* Up to `each` records of a run into its buffer. */
static enum lx_status fill(struct lx_sorted_runs *runs, struct run *run, struct lx_err *err)
{
    int64_t want = run->end - run->next;
    if (want > (int64_t)runs->each)
        want = (int64_t)runs->each;
    char *pos = (char *)run->buffer;
    size_t size = (size_t)want * sizeof *run->buffer;
    off_t offset = (off_t)run->next * (off_t)sizeof *run->buffer;
    while (size > 0) {
        ssize_t got = pread(runs->fd, pos, size, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return lx_err_errno(err, got < 0 ? errno : EIO, "reading a temporary file");
        pos += got;
        size -= (size_t)got;
        offset += got;
    }
    run->pos = 0;
    run->filled = (size_t)want;
    run->next += want;
    return LX_OK;
}

static bool less(const struct lx_sorted_runs *runs, size_t a, size_t b)
{
    const struct run *x = &runs->runs[a], *y = &runs->runs[b];
    int order = compare_records(&x->buffer[x->pos], &y->buffer[y->pos]);
    return order != 0 ? order < 0 : a < b;
}

static void sink(struct lx_sorted_runs *runs, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= runs->heap_count)
            return;
        if (child + 1 < runs->heap_count && less(runs, runs->heap[child + 1], runs->heap[child]))
            child++;
        if (!less(runs, runs->heap[child], runs->heap[at]))
            return;
        size_t held = runs->heap[at];
        runs->heap[at] = runs->heap[child];
        runs->heap[child] = held;
        at = child;
    }
}

/* The first `count` runs are read from their first records on. */
static enum lx_status begin(struct lx_sorted_runs *runs, size_t count, size_t each,
                            struct lx_err *err)
{
    runs->each = each;
    runs->heap_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct run *run = &runs->runs[i];
        run->next = run->start;
        run->buffer = runs->records + i * each;
        LX_TRY(fill(runs, run, err));
        runs->heap[runs->heap_count++] = i;
    }
    for (size_t i = runs->heap_count; i > 0; i--)
        sink(runs, i - 1);
    return LX_OK;
}

/* The smallest record of the runs that are read; there is one. */
static enum lx_status pop(struct lx_sorted_runs *runs, struct lx_record *record, struct lx_err *err)
{
    struct run *run = &runs->runs[runs->heap[0]];
    *record = run->buffer[run->pos++];
    if (run->pos == run->filled) {
        if (run->next < run->end)
            LX_TRY(fill(runs, run, err));
        else
            runs->heap[0] = runs->heap[--runs->heap_count];
    }
    if (runs->heap_count > 0)
        sink(runs, 0);
    return LX_OK;
}

/* The first `count` runs become one, behind all others; their place in the file is given back where
 * the file system can. The last buffer is for what is written. */
static enum lx_status merge(struct lx_sorted_runs *runs, size_t count, struct lx_err *err)
{
    struct lx_record *out = runs->records + count * READ_RECORDS;
    struct run merged = {.start = runs->file_end};
    LX_TRY(begin(runs, count, READ_RECORDS, err));
    while (runs->heap_count > 0) {
        size_t filled = 0;
        while (runs->heap_count > 0 && filled < READ_RECORDS)
            LX_TRY(pop(runs, &out[filled++], err));
        LX_TRY(append(runs, out, filled, err));
        LX_TRY(look(runs, filled, err));
    }
    merged.end = runs->file_end;
    off_t from = (off_t)runs->runs[0].start * (off_t)sizeof *out;
    off_t to = (off_t)runs->runs[count - 1].end * (off_t)sizeof *out;
    (void)!fallocate(runs->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from);
    runs->run_count -= count;
    memmove(runs->runs, runs->runs + count, runs->run_count * sizeof *runs->runs);
    runs->runs[runs->run_count++] = merged;
    return LX_OK;
}

/* So many runs are left that each has a buffer. */
static enum lx_status merge_most(struct lx_sorted_runs *runs, struct lx_err *err)
{
    size_t most = runs->cap / READ_RECORDS;
    while (runs->run_count > most) {
        size_t count = runs->run_count - most + 1;
        LX_TRY(merge(runs, count < most - 1 ? count : most - 1, err));
    }
    return LX_OK;
}

static enum lx_status end_writing(struct lx_sorted_runs *runs, struct lx_err *err)
{
    if (runs->run_count > 0 && runs->count > 0)
        LX_TRY(spill(runs, err));
    else if (runs->count > 1)
        qsort(runs->records, runs->count, sizeof *runs->records, compare_records);
    if (runs->run_count > 0) {
        lx_free(runs->heap); /* of a time before, which failed */
        runs->heap = lx_calloc(runs->run_count, sizeof *runs->heap);
        if (runs->heap == NULL)
            return lx_err_memory(err);
        LX_TRY(merge_most(runs, err));
    }
    runs->reading = true;
    return LX_OK;
}

enum lx_status lx_sorted_runs_rewind(struct lx_sorted_runs *runs, struct lx_err *err)
{
    if (!runs->reading)
        LX_TRY(end_writing(runs, err));
    runs->count = runs->run_count == 0 ? (size_t)runs->total : 0;
    if (runs->run_count > 0)
        return begin(runs, runs->run_count, runs->cap / runs->run_count, err);
    runs->heap_count = 0;
    return LX_OK;
}

enum lx_status lx_sorted_runs_next(struct lx_sorted_runs *runs, struct lx_record *record,
                                   bool *more, struct lx_err *err)
{
    if (!runs->reading)
        return lx_err_set(err, LX_E_BUG, "records are read before they are sorted");
    LX_TRY(look(runs, 1, err));
    if (runs->run_count == 0) { /* all in memory; heap_count is the position */
        *more = runs->heap_count < runs->count;
        if (*more)
            *record = runs->records[runs->heap_count++];
        return LX_OK;
    }
    *more = runs->heap_count > 0;
    return *more ? pop(runs, record, err) : LX_OK;
}
