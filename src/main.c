#include "cmd/cmd.h"

#include <malloc.h>

/* Pages of some MiB come and go as long as a run lasts. glibc would map and unmap memory for each,
 * which costs up to a tenth of the CPU of encoding. What is kept is what was used at once. */
#define MAP_FROM_BYTES (32 * 1024 * 1024)
#define TRIM_FROM_BYTES (64 * 1024 * 1024)

extern char **environ;

int main(int argc, char **argv)
{
    mallopt(M_MMAP_THRESHOLD, MAP_FROM_BYTES);
    mallopt(M_TRIM_THRESHOLD, TRIM_FROM_BYTES);
    return lx_main(argc, argv, environ);
}
