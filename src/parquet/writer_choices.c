/* What a writer found out about its columns, handed to the next one. */
#include "base/alloc.h"
#include "parquet/writer_private.h"

struct known_column {
    struct lx_pq_choice choice;
    bool chosen, roughly;
    double bytes;
};

struct lx_parquet_choices {
    size_t count;
    struct known_column columns[];
};

enum lx_status lx_parquet_writer_choices(const struct lx_parquet_writer *writer,
                                         struct lx_parquet_choices **out, struct lx_err *err)
{
    size_t count = writer->column_count;
    struct lx_parquet_choices *choices =
        lx_calloc(1, sizeof *choices + count * sizeof choices->columns[0]);
    if (choices == NULL)
        return lx_err_memory(err);
    choices->count = count;
    for (size_t i = 0; i < count; i++)
        choices->columns[i] = (struct known_column){
            writer->columns[i].choice, writer->columns[i].chosen, writer->columns[i].chosen_roughly,
            writer->columns[i].chosen_bytes};
    *out = choices;
    return LX_OK;
}

void lx_parquet_choices_free(struct lx_parquet_choices *choices)
{
    lx_free(choices);
}

enum lx_status lx_pq_writer_recall(struct lx_parquet_writer *writer,
                                   const struct lx_parquet_choices *choices, struct lx_err *err)
{
    if (choices == NULL)
        return LX_OK;
    if (choices->count != writer->column_count)
        return lx_err_set(err, LX_E_ARGUMENT, "the choices are of a file with %zu columns, not %zu",
                          choices->count, writer->column_count);
    for (size_t i = 0; i < choices->count; i++) {
        writer->columns[i].choice = choices->columns[i].choice;
        writer->columns[i].chosen = choices->columns[i].chosen;
        writer->columns[i].chosen_roughly = choices->columns[i].roughly;
        writer->columns[i].chosen_bytes = choices->columns[i].bytes;
    }
    return LX_OK;
}
