#include "clickhouse/ch_libchdb.h"

#include "base/buf.h"
#include "base/limits.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__aarch64__)
#define PACKAGE ".deps/node_modules/@chdb/lib-linux-arm64-gnu/libchdb.so"
#else
#define PACKAGE ".deps/node_modules/@chdb/lib-linux-x64-gnu/libchdb.so"
#endif

/* ISO C has no cast from an object pointer to a function pointer: the bytes are copied. */
static bool find_symbol(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static enum lx_status bind(struct lx_ch_libchdb *lib, const char *path, struct lx_err *err)
{
    const struct {
        const char *name;
        void *function;
    } needed[] = {
        {"chdb_connect", &lib->connect},
        {"chdb_close_conn", &lib->close_conn},
        {"chdb_query", &lib->query},
        {"chdb_stream_query", &lib->stream_query},
        {"chdb_stream_fetch_result", &lib->stream_fetch},
        {"chdb_stream_cancel_query", &lib->stream_cancel},
        {"chdb_destroy_query_result", &lib->destroy},
        {"chdb_result_buffer", &lib->buffer},
        {"chdb_result_length", &lib->length},
        {"chdb_result_error", &lib->error},
    };
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (find_symbol(lib->library, needed[i].name, needed[i].function))
            continue;
        lx_err_set(err, LX_E_UNSUPPORTED, "%s: no function %s", path, needed[i].name);
        lx_err_hint(err, "libchdb 3.0 or newer is needed.");
        return LX_E_UNSUPPORTED;
    }
    (void)find_symbol(lib->library, "chdb_set_signal_handlers_enabled",
                      &lib->enable_signal_handlers);
    return LX_OK;
}

static enum lx_status load(const char *path, struct lx_ch_libchdb *lib, struct lx_err *err)
{
    struct lx_ch_libchdb fresh = {0};
    fresh.library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (fresh.library == NULL)
        return lx_err_set(err, LX_E_NOTFOUND, "libchdb cannot be loaded: %s", dlerror());
    LX_TRY(bind(&fresh, path, err));
    *lib = fresh;
    return LX_OK;
}

/* "<directory of the executable>/../<package>" */
static bool beside_executable(char *path, size_t size)
{
    char exe[PATH_MAX];
    ssize_t got = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (got <= 0)
        return false;
    exe[got] = 0;
    char *slash = strrchr(exe, '/');
    if (slash == NULL)
        return false;
    *slash = 0;
    int used = snprintf(path, size, "%s/../%s", exe, PACKAGE);
    return used > 0 && (size_t)used < size;
}

enum lx_status lx_ch_libchdb_load(const char *path, struct lx_ch_libchdb *lib, struct lx_err *err)
{
    const char *named[] = {path, getenv("LIBCHDB")};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i] != NULL && named[i][0] != 0)
            return load(named[i], lib, err);
    char beside[PATH_MAX + 128];
    const char *places[] = {
        beside_executable(beside, sizeof beside) ? beside : PACKAGE,
        "./" PACKAGE,
        "/usr/lib/lynex/libchdb.so",
        "/usr/local/lib/libchdb.so",
        "/usr/lib/libchdb.so",
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], R_OK) == 0)
            return load(places[i], lib, err);
    lx_err_set(err, LX_E_NOTFOUND, "libchdb.so was not found, which embedded:// needs");
    lx_err_hint(err, "Set LIBCHDB to its path (the npm package @chdb/lib-linux-x64-gnu holds "
                     "it), or reach a server by http://.");
    return LX_E_NOTFOUND;
}
