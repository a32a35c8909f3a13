/* faults.h: what several tests of values say: texts of errors, and allocations that fail. */
#ifndef LX_TEST_FAULTS_H
#define LX_TEST_FAULTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"

#include <string.h>

static inline void check_says(const char *text, const char *words, const char *file, int line)
{
    if (strstr(text, words) != NULL)
        return;
    print_error("\"%s\" does not say \"%s\"\n", text, words);
    _fail(file, line);
}
#define assert_says(text, words) check_says((text), (words), __FILE__, __LINE__)

/* Calls `act` again and again, another of its allocations failing each time, and at last none.
 * Each failure must be LX_E_MEMORY with a text, and nothing may leak. Returns how many allocations
 * `act` makes. */
static inline uint64_t fail_each(enum lx_status (*act)(struct lx_err *err))
{
    for (uint64_t n = 1;; n++) {
        struct lx_err err = {0};
        size_t used = lx_alloc_used();
        lx_alloc_fail_at(n);
        enum lx_status status = act(&err);
        bool reached = lx_alloc_count() >= n;
        lx_alloc_fail_at(0);
        if (status != (reached ? LX_E_MEMORY : LX_OK))
            print_error("allocation %llu: %s: %s\n", (unsigned long long)n, lx_status_name(status),
                        err.text);
        assert_int_equal(status, reached ? LX_E_MEMORY : LX_OK);
        assert_int_equal(lx_alloc_used(), used);
        if (!reached)
            return n - 1;
        assert_string_not_equal(err.text, "");
    }
}

#endif
