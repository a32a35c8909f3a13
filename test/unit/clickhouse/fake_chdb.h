/* fake_chdb.h: a libchdb.so that does as it is told: what the test sets in `fake_chdb`, which it
 * finds by dlsym, decides what the engine answers. */
#ifndef LX_TEST_FAKE_CHDB_H
#define LX_TEST_FAKE_CHDB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define FAKE_LOG 262144
#define FAKE_PIECES 8

struct fake_chdb {
    bool no_handle, empty_handle; /* what a connection that fails looks like */
    int fails_from;               /* …from this one on; 0: from the first */
    const char *silent_on;        /* a statement that holds this gets no answer at all */
    const char *error_on, *error; /* one that holds this gets that error */
    struct {
        const char *bytes;
        size_t size;
    } pieces[FAKE_PIECES];  /* of a streamed answer; the end behind the last */
    int breaks_at;          /* this piece (1: the first) is `error`, or nothing; 0: none */
    bool breaks_with_error; /* …an error */
    bool whole;             /* answers that are not streamed hold the first piece */

    char path[4200];    /* --path=… of the last connection */
    char log[FAKE_LOG]; /* statements, each with a line's end */
    int connected, connections, cancels;
    atomic_int results, kills; /* of the watching thread, too */
};

#endif
