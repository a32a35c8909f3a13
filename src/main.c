#include "cmd/cmd.h"

#include <malloc.h>
#include <sys/resource.h>

/* Pages of some MiB come and go as long as a run lasts. glibc would map and unmap memory for each,
 * which costs up to a tenth of the CPU of encoding. What is kept is what was used at once, when all
 * threads share one heap: a heap for each would keep holes of what each of them used. They ask for
 * memory rarely, and then for much. Larger pieces than MAP_FROM_BYTES are rare, and are mapped. */
#define MAP_FROM_BYTES (8 * 1024 * 1024)
#define TRIM_FROM_BYTES (64 * 1024 * 1024)

extern char **environ;

/* A core would hold the keys of the store and ClickHouse's password; `ulimit -c` cannot ask for
 * one. A debugger still can. */
static void leave_no_core(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) != 0)
        return;
    limit.rlim_cur = 0;
    setrlimit(RLIMIT_CORE, &limit);
}

int main(int argc, char **argv)
{
    leave_no_core();
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, MAP_FROM_BYTES);
    mallopt(M_TRIM_THRESHOLD, TRIM_FROM_BYTES);
    return lx_main(argc, argv, environ);
}
