/* rowschema_names.c: names of columns that every reader of file and log takes.
 *
 * Delta's rule: unique regardless of case, without blanks and ,;{}()= ; control characters are kept
 * out too. Columns whose own name will do keep it, in whatever order they stand; then the others
 * get the nearest free one: bad characters become '_', and a clash is told apart by _2, _3, … The
 * same columns give the same names. */
#include "archive/rowschema_map.h"
#include "base/alloc.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_bad(unsigned char c)
{
    return c <= ' ' || c == 0x7f || strchr(",;{}()=", c) != NULL;
}

bool lx_file_name_is_safe(const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < size; i++)
        if (is_bad((unsigned char)name[i]))
            return false;
    return size > 0 && size <= LX_MAX_NAME;
}

/* -- case ---------------------------------------------------------------------------------- */

/* Letters of two cases: capitals from `first` to `last`; the small one is `step` further, or, where
 * `step` is 0, the next after each capital, every other code. (UnicodeData.txt, simple mappings.)
 */
static const struct {
    uint16_t first, last, step;
} capitals[] = {
    {'A', 'Z', 32},       {0xc0, 0xd6, 32},     {0xd8, 0xde, 32},     {0x100, 0x12e, 0},
    {0x132, 0x136, 0},    {0x139, 0x147, 0},    {0x14a, 0x176, 0},    {0x179, 0x17d, 0},
    {0x1cd, 0x1db, 0},    {0x1de, 0x1ee, 0},    {0x1f8, 0x21e, 0},    {0x222, 0x232, 0},
    {0x386, 0x386, 38},   {0x388, 0x38a, 37},   {0x38c, 0x38c, 64},   {0x38e, 0x38f, 63},
    {0x391, 0x3a1, 32},   {0x3a3, 0x3ab, 32},   {0x3d8, 0x3ee, 0},    {0x400, 0x40f, 80},
    {0x410, 0x42f, 32},   {0x460, 0x480, 0},    {0x48a, 0x4be, 0},    {0x4c1, 0x4cd, 0},
    {0x4d0, 0x52e, 0},    {0x531, 0x556, 48},   {0x1e00, 0x1e94, 0},  {0x1ea0, 0x1efe, 0},
    {0x2160, 0x216f, 16}, {0x24b6, 0x24cf, 26}, {0x2c00, 0x2c2f, 48}, {0xff21, 0xff3a, 32},
};

static uint32_t to_lower(uint32_t c)
{
    for (size_t i = 0; i < sizeof capitals / sizeof *capitals; i++) {
        if (c < capitals[i].first || c > capitals[i].last)
            continue;
        if (capitals[i].step != 0)
            return c + capitals[i].step;
        return (c - capitals[i].first) % 2 == 0 ? c + 1 : c;
    }
    return c;
}

char *lx_name_fold(const char *name)
{
    size_t size = strlen(name);
    char *folded = lx_strndup(name, size);
    if (folded == NULL)
        return NULL;
    unsigned char *bytes = (unsigned char *)folded;
    for (size_t i = 0; i < size;) {
        /* Only forms whose small letter is as long as the capital: all in the table are. */
        if (bytes[i] < 0x80) {
            bytes[i] = (unsigned char)to_lower(bytes[i]);
            i++;
        } else if ((bytes[i] & 0xe0) == 0xc0 && i + 1 < size) {
            uint32_t c = to_lower((uint32_t)(bytes[i] & 0x1f) << 6 | (bytes[i + 1] & 0x3f));
            bytes[i++] = (unsigned char)(0xc0 | c >> 6);
            bytes[i++] = (unsigned char)(0x80 | (c & 0x3f));
        } else if ((bytes[i] & 0xf0) == 0xe0 && i + 2 < size) {
            uint32_t c = to_lower((uint32_t)(bytes[i] & 0x0f) << 12 |
                                  (uint32_t)(bytes[i + 1] & 0x3f) << 6 | (bytes[i + 2] & 0x3f));
            bytes[i++] = (unsigned char)(0xe0 | c >> 12);
            bytes[i++] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
            bytes[i++] = (unsigned char)(0x80 | (c & 0x3f));
        } else {
            i++;
        }
    }
    return folded;
}

/* -- choosing ------------------------------------------------------------------------------ */

/* Names in use, folded, sorted: those of this schema, and those that the log has. */
struct taken {
    char **folded; /* of the schema's fields so far, unsorted: at most LX_MAX_COLUMNS */
    size_t count;
    uint64_t *hashes; /* of `folded`, to compare fast */
    const struct lx_known_name *known;
    char **known_folded;
    size_t known_count;
};

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *text != 0; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

/* May the field have this name? Of the log's names only its own: same column, same Delta type. */
static bool is_free(const struct taken *taken, const struct lx_field *field, const char *name,
                    const char *folded)
{
    uint64_t hash = hash_of(folded);
    char type[LX_DELTA_TYPE];
    if (strcmp(folded, LX_RAW_COLUMN) == 0)
        return false;
    for (size_t i = 0; i < taken->count; i++)
        if (taken->hashes[i] == hash && strcmp(taken->folded[i], folded) == 0)
            return false;
    lx_field_delta_type(field, type);
    for (size_t i = 0; i < taken->known_count; i++) {
        const struct lx_known_name *known = &taken->known[i];
        if (strcmp(taken->known_folded[i], folded) == 0 &&
            (strcmp(known->file_name, name) != 0 || known->delta_type == NULL ||
             strcmp(known->delta_type, type) != 0 || strcmp(known->name, field->name) != 0))
            return false;
    }
    return true;
}

/* Gives the field the name if it is free. */
static enum lx_status try_name(struct taken *taken, struct lx_field *field, const char *name,
                               bool *done)
{
    char *folded = lx_name_fold(name);
    if (folded == NULL)
        return LX_E_MEMORY;
    if (!is_free(taken, field, name, folded)) {
        lx_free(folded);
        return LX_OK;
    }
    field->file_name = lx_strdup(name);
    if (field->file_name == NULL) {
        lx_free(folded);
        return LX_E_MEMORY;
    }
    taken->hashes[taken->count] = hash_of(folded);
    taken->folded[taken->count++] = folded;
    *done = true;
    return LX_OK;
}

/* Bad characters replaced, then _2, _3, …; cut within a character never happens: names are short
 * enough by the check of the schema. */
static enum lx_status make_name(struct taken *taken, struct lx_field *field)
{
    char name[LX_MAX_NAME + 16];
    bool done = false;
    size_t size = strlen(field->name);
    memcpy(name, field->name, size + 1);
    for (size_t i = 0; i < size; i++)
        if (is_bad((unsigned char)name[i]))
            name[i] = '_';
    LX_TRY(try_name(taken, field, name, &done));
    for (unsigned n = 2; !done && n < 2 * LX_MAX_COLUMNS + 2; n++) {
        snprintf(name + size, sizeof name - size, "_%u", n);
        LX_TRY(try_name(taken, field, name, &done));
    }
    return done ? LX_OK : LX_E_LIMIT;
}

static enum lx_status choose(struct lx_row_schema *schema, struct taken *taken)
{
    bool done;
    /* A column that the log has keeps its name there, also where it was a replacement. */
    for (size_t i = 0; i < schema->field_count; i++) {
        struct lx_field *field = &schema->fields[i];
        for (size_t j = 0; field->file_name == NULL && j < taken->known_count; j++)
            if (strcmp(taken->known[j].name, field->name) == 0)
                LX_TRY(try_name(taken, field, taken->known[j].file_name, &done));
    }
    for (size_t i = 0; i < schema->field_count; i++)
        if (schema->fields[i].file_name == NULL && lx_file_name_is_safe(schema->fields[i].name))
            LX_TRY(try_name(taken, &schema->fields[i], schema->fields[i].name, &done));
    for (size_t i = 0; i < schema->field_count; i++)
        if (schema->fields[i].file_name == NULL)
            LX_TRY(make_name(taken, &schema->fields[i]));
    return LX_OK;
}

enum lx_status lx_schema_name_files(struct lx_row_schema *schema, const struct lx_known_name *known,
                                    size_t count, struct lx_err *err)
{
    struct taken taken = {.known = known};
    enum lx_status status = LX_OK;
    taken.folded = lx_calloc(schema->field_count + 1, sizeof *taken.folded);
    taken.hashes = lx_calloc(schema->field_count + 1, sizeof *taken.hashes);
    taken.known_folded = lx_calloc(count + 1, sizeof *taken.known_folded);
    if (taken.folded == NULL || taken.hashes == NULL || taken.known_folded == NULL)
        status = LX_E_MEMORY;
    for (; status == LX_OK && taken.known_count < count; taken.known_count++) {
        taken.known_folded[taken.known_count] = lx_name_fold(known[taken.known_count].file_name);
        if (taken.known_folded[taken.known_count] == NULL)
            status = LX_E_MEMORY;
    }
    if (status == LX_OK)
        status = choose(schema, &taken);
    for (size_t i = 0; taken.folded != NULL && i < taken.count; i++)
        lx_free(taken.folded[i]);
    for (size_t i = 0; taken.known_folded != NULL && i < count; i++)
        lx_free(taken.known_folded[i]);
    lx_free(taken.folded);
    lx_free(taken.hashes);
    lx_free(taken.known_folded);
    if (status == LX_E_LIMIT)
        return lx_err_set(err, status, "no free name is left for a column in the archive");
    return status == LX_E_MEMORY ? lx_err_memory(err) : status;
}
