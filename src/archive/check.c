/* Is a part held by its segments, exactly? Asked by sums of row hashes, computed now, by content;
 * the plan asks to know what is new, the guard to know what may go. */
#include "archive/run.h"

#include "base/alloc.h"
#include "base/mutant.h"

/* Can these hashes still be computed? Every column of the schema must be there as it was. */
static bool usable(const struct lx_row_schema *schema, const struct lx_hot_table *table)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct lx_field *field = &schema->fields[i];
        bool found = false;
        for (size_t j = 0; !found && j < table->column_count; j++)
            found = lx_str_is(table->columns[j].name, field->name) &&
                    lx_str_is(table->columns[j].type, field->type.text);
        if (!found)
            return false;
    }
    return true;
}

static bool one_schema(const struct lx_check *check)
{
    for (size_t i = 1; i < check->count; i++)
        if (strcmp(check->segments[i]->schema, check->segments[0]->schema) != 0)
            return false;
    return true;
}

static bool same_range(const struct lx_segment *a, const struct lx_segment *b)
{
    return a->from == b->from && a->to == b->to && strcmp(a->schema, b->schema) == 0;
}

/* Segments of several schemas can be asked range by range only where the ranges do not overlap. */
static bool ranges_apart(const struct lx_check *check)
{
    for (size_t i = 0; i < check->count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct lx_segment *a = check->segments[i], *b = check->segments[j];
            if (!same_range(a, b) && a->from < b->to && b->from < a->to)
                return false;
        }
    return true;
}

static bool first_of_range(const struct lx_check *check, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (same_range(check->segments[i], check->segments[j]))
            return false;
    return true;
}

struct questions {
    struct lx_hot_sum *sums;
    size_t *of; /* which check each belongs to */
    size_t count;
};

static void ask(struct questions *q, size_t check, const char *part,
                const struct lx_row_schema *schema, int64_t from, int64_t to)
{
    q->sums[q->count] = (struct lx_hot_sum){.part = part, .schema = schema, .from = from, .to = to};
    q->of[q->count++] = check;
}

static enum lx_status prepare(struct lx_run *run, struct lx_check *check, size_t index,
                              struct questions *q, struct lx_err *err)
{
    check->to = LX_TIME_FIRST;
    check->schema = NULL;
    check->held = LX_HELD_UNKNOWN;
    bool possible = true;
    for (size_t i = 0; i < check->count; i++) {
        const struct lx_row_schema *schema;
        const struct lx_segment *segment = check->segments[i];
        LX_TRY(lx_run_schema(run, segment->schema, &schema, err));
        possible =
            possible && lx_segment_within(segment, check->part) && usable(schema, run->table);
        check->to = segment->to > check->to ? segment->to : check->to;
        check->schema = schema;
    }
    if (!possible)
        return LX_OK;
    if (one_schema(check)) {
        ask(q, index, check->part->name, check->schema, LX_TIME_FIRST, check->to);
        check->held = LX_HELD_GONE; /* until it answers */
        return LX_OK;
    }
    check->schema = NULL;
    if (!ranges_apart(check))
        return LX_OK;
    for (size_t i = 0; i < check->count; i++) {
        const struct lx_row_schema *schema = NULL;
        enum lx_status known = lx_run_schema(run, check->segments[i]->schema, &schema, err);
        assert(known == LX_OK); /* in the cache since the loop above */
        (void)known;
        if (first_of_range(check, i))
            ask(q, index, check->part->name, schema, check->segments[i]->from,
                check->segments[i]->to);
    }
    /* Rows outside of all ranges would be nobody's: the count up to the end tells. */
    ask(q, index, check->part->name, run->schema, LX_TIME_FIRST, check->to);
    check->held = LX_HELD_GONE;
    return LX_OK;
}

/* The rows that the segments of this question's range and schema hold. */
static bool matches(const struct lx_check *check, const struct lx_hot_sum *sum, bool all)
{
    int64_t rows = 0;
    uint64_t total = 0, xor = 0;
    for (size_t i = 0; i < check->count; i++) {
        const struct lx_segment *s = check->segments[i];
        if (!all &&
            !(s->from == sum->from && s->to == sum->to && strcmp(s->schema, sum->schema->id) == 0))
            continue;
        rows += s->rows;
        total += s->sum;
        xor ^= s->xor ;
    }
    return sum->rows == rows && sum->sum == total &&
           sum->xor == xor&&(sum->strange == 0 || lx_mutant("no-strange"));
}

/* Without counting whole parts, a part that is gone and one without a row in range look alike: then
 * it differs, and reconcile looks whether it is there. */
static void take(struct lx_check *check, const struct lx_hot_sum *sum, bool several, bool first,
                 bool last, bool whole)
{
    bool gone = whole && !sum->found;
    /* It came or went between two questions: not all of its ranges were compared. */
    if (!first && gone != (check->held == LX_HELD_GONE))
        check->held = LX_HELD_DIFFERENT;
    if (gone)
        return;
    check->whole = sum->whole;
    if (!several) {
        check->held = matches(check, sum, true) ? LX_HELD_EXACTLY : LX_HELD_DIFFERENT;
        check->rows = sum->rows;
        check->sum = sum->sum;
        check->xor = sum->xor ;
        return;
    }
    if (check->held == LX_HELD_GONE)
        check->held = LX_HELD_EXACTLY;
    if (last) {
        int64_t rows = 0;
        for (size_t i = 0; i < check->count; i++)
            rows += check->segments[i]->rows;
        check->rows = sum->rows;
        if (sum->rows != rows)
            check->held = LX_HELD_DIFFERENT;
    } else if (!matches(check, sum, false)) {
        check->held = LX_HELD_DIFFERENT;
    }
}

enum lx_status lx_check_parts(struct lx_run *run, struct lx_check *checks, size_t count, bool whole,
                              struct lx_err *err)
{
    size_t most = 0;
    for (size_t i = 0; i < count; i++)
        most += checks[i].count + 1;
    if (count == 0)
        return LX_OK;
    struct questions q = {.sums = lx_calloc(most, sizeof *q.sums),
                          .of = lx_calloc(most, sizeof *q.of)};
    enum lx_status status = q.sums != NULL && q.of != NULL ? LX_OK : lx_err_memory(err);
    for (size_t i = 0; status == LX_OK && i < count; i++)
        status = prepare(run, &checks[i], i, &q, err);
    if (status == LX_OK && q.count > 0) {
        do
            status = run->o->hot.ops->sums(run->o->hot.self, q.sums, q.count, whole, err);
        while (lx_run_waits(run, &status, err));
    }
    for (size_t i = 0; status == LX_OK && i < q.count; i++) {
        struct lx_check *check = &checks[q.of[i]];
        bool first = i == 0 || q.of[i - 1] != q.of[i];
        bool last = i + 1 == q.count || q.of[i + 1] != q.of[i];
        take(check, &q.sums[i], check->schema == NULL, first, last, whole);
    }
    lx_free(q.sums);
    lx_free(q.of);
    return status;
}
