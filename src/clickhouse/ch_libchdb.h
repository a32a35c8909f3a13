/* ch_libchdb.h: the functions of libchdb.so, ClickHouse's engine as a shared library.
 *
 * Loaded at run time, so that lynex needs it only for embedded:// URLs. Looked for in this order; a
 * place that is named but cannot be loaded is an error, not skipped:
 *   the option, $LIBCHDB, then `.deps/node_modules/@chdb/lib-linux-<arch>-gnu/`
 *   beside the executable's directory and in the working directory, /usr/lib/lynex/,
 *   /usr/local/lib/, /usr/lib/
 * A loaded library stays until the process ends: its threads cannot be taken away. */
#ifndef LX_CLICKHOUSE_CH_LIBCHDB_H
#define LX_CLICKHOUSE_CH_LIBCHDB_H

#include "base/err.h"

#include <stddef.h>

/* Opaque: only ever handed back. */
struct chdb_result;
struct chdb_connection; /* the library calls a pointer to it chdb_connection */

struct lx_ch_libchdb {
    void *library;
    struct chdb_connection **(*connect)(int argc, char **argv);
    void (*close_conn)(struct chdb_connection **connection);
    struct chdb_result *(*query)(struct chdb_connection *connection, const char *sql,
                                 const char *format);
    struct chdb_result *(*stream_query)(struct chdb_connection *connection, const char *sql,
                                        const char *format);
    struct chdb_result *(*stream_fetch)(struct chdb_connection *connection,
                                        struct chdb_result *stream);
    void (*stream_cancel)(struct chdb_connection *connection, struct chdb_result *stream);
    void (*destroy)(struct chdb_result *result);
    char *(*buffer)(struct chdb_result *result);
    size_t (*length)(struct chdb_result *result);
    const char *(*error)(struct chdb_result *result);
    void (*enable_signal_handlers)(int enabled); /* NULL in versions before 26.3 */
};

/* `path` NULL or "": looked for. LX_E_NOTFOUND says where; LX_E_UNSUPPORTED: not a libchdb. */
LX_MUST_CHECK enum lx_status lx_ch_libchdb_load(const char *path, struct lx_ch_libchdb *lib,
                                                struct lx_err *err);

#endif
