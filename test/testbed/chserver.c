/* A real ClickHouse server in one process: libchdb, the engine of ClickHouse as a shared library,
 * run as `clickhouse local` with its HTTP and TCP listeners started.
 *
 *   chserver LIBCHDB ARGUMENT...
 *
 * LIBCHDB is the path of libchdb.so (npm package @chdb/lib-linux-x64-gnu, 566 MB); the arguments
 * are those of clickhouse-local. The call does not return while the --query that it is given runs;
 * what that gives is printed. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: chserver LIBCHDB ARGUMENT...\n");
        return 2;
    }
    void *lib = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    if (!lib) {
        fprintf(stderr, "chserver: %s\n", dlerror());
        return 1;
    }
    void *(*run)(int, char **) = (void *(*)(int, char **))dlsym(lib, "chdb_query_cmdline");
    const char *(*error)(void *) = (const char *(*)(void *))dlsym(lib, "chdb_result_error");
    const char *(*buffer)(void *) = (const char *(*)(void *))dlsym(lib, "chdb_result_buffer");
    size_t (*length)(void *) = (size_t(*)(void *))dlsym(lib, "chdb_result_length");
    if (!run || !error || !buffer || !length) {
        fprintf(stderr, "chserver: not a libchdb: %s\n", argv[1]);
        return 1;
    }
    void *result = run(argc - 1, argv + 1);
    const char *message = result ? error(result) : "no result";
    if (message) {
        fprintf(stderr, "chserver: %s\n", message);
        return 1;
    }
    if (length(result) > 0 && fwrite(buffer(result), 1, length(result), stdout) != length(result))
        return 1;
    return fflush(stdout) == 0 ? 0 : 1;
}
