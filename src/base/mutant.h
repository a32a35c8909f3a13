/* mutant.h: switches of test builds: one rule of safety off, or one bit flipped, so that the tests
 * can show that they would notice. Nothing of it is in a release: there lx_mutant is false.
 *
 *   LYNEX_MUTANT=NAME    the place that says lx_mutant("NAME") misbehaves; test/sim/MUTANTS.md
 *                        lists them all, with the test that catches each
 *   LYNEX_STEP=ACTION@STEP[#N]   at the N-th time (1) that a run comes to that step of the
 * protocol: stop (ends the run as if interrupted), kill (SIGKILL), pause (SIGSTOP) */
#ifndef LX_BASE_MUTANT_H
#define LX_BASE_MUTANT_H

#include <stdbool.h>

#ifdef LYNEX_MUTANTS
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* The environment is asked once a file: these places stand in inner loops. */
static inline bool lx_mutant(const char *name)
{
    static _Atomic(const char *) asked;
    const char *wanted = atomic_load_explicit(&asked, memory_order_relaxed);
    if (wanted == NULL) {
        wanted = getenv("LYNEX_MUTANT");
        wanted = wanted != NULL ? wanted : "";
        atomic_store_explicit(&asked, wanted, memory_order_relaxed);
    }
    return wanted[0] != 0 && strcmp(wanted, name) == 0;
}
#else
static inline bool lx_mutant(const char *name)
{
    (void)name;
    return false;
}
#endif

#endif
