/* fuzz.h: what the libFuzzer targets share. */
#ifndef LX_TEST_FUZZ_H
#define LX_TEST_FUZZ_H

#include "base/buf.h"
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static inline void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "fuzz: %s\n", what);
        abort();
    }
}

/* A failure says what failed. */
static inline void require_words(enum lx_status status, const struct lx_err *err)
{
    require(status == LX_OK || err->text[0] != 0, "a failure without a word");
    require(status == LX_OK || err->status == status, "two statuses");
}

#endif
