/* libFuzzer: a checkpoint. What is taken in can be written again, and is then the same state. */
#include "base/alloc.h"
#include "base/limits.h"
#include "fuzz.h"
#include "ledger/ledger_checkpoint.h"

#define NUMBER 50

static enum lx_status take_in(struct lx_str file, struct lx_tables *tables, struct lx_err *err)
{
    struct lx_version *version;
    *tables = (struct lx_tables){.version = NUMBER - 1};
    LX_TRY(lx_checkpoint_parse(NUMBER, file, "x", &version, err));
    enum lx_status status = lx_tables_prepare(tables, version, false, err);
    if (status == LX_OK)
        lx_tables_apply(tables, version);
    lx_version_free(version);
    if (status != LX_OK)
        lx_tables_free(tables);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_tables tables, again;
    struct lx_buf first = LX_BUF(64 * LX_MIB), second = LX_BUF(64 * LX_MIB);
    int64_t actions;
    if (take_in((struct lx_str){(const char *)bytes, size}, &tables, &err) != LX_OK) {
        require(err.text[0] != 0, "a failure without a word");
        return 0;
    }
    /* What others put where a text must be cannot be written again. */
    if (lx_checkpoint_render(&tables, &first, &actions, &err) == LX_OK) {
        require(take_in(lx_buf_view(&first), &again, &err) == LX_OK, err.text);
        require(lx_checkpoint_render(&again, &second, &actions, &err) == LX_OK, err.text);
        require(first.len == second.len && memcmp(first.data, second.data, first.len) == 0,
                "another state");
        lx_tables_free(&again);
    }
    lx_tables_free(&tables);
    lx_buf_free(&first);
    lx_buf_free(&second);
    return 0;
}
