/* sim: plays histories of the archive protocol, one a seed, and says what broke.
 *
 *   sim                        seeds 0 to 2000
 *   sim --seeds FROM TO        those seeds
 *   sim --seed N [--verbose]   one; the same history each time
 *   sim --ops 50               moves of the world and of the scheduler in a history
 *   sim --file seeds.txt       the seeds that the file lists, first
 *   sim --seconds S            ends after so long */
#include "sim.h"

#include "base/alloc.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct arguments {
    uint64_t from, to;
    int ops;
    double seconds;
    bool verbose, keep_going;
    const char *file;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int usage(void)
{
    fprintf(stderr, "usage: sim [--seeds FROM TO | --seed N] [--ops 50] [--verbose] [--file FILE] "
                    "[--seconds S] [--keep-going]\n");
    return 2;
}

static bool parse(int argc, char **argv, struct arguments *a)
{
    *a = (struct arguments){.to = 2000, .ops = 50};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--verbose") == 0) {
            a->verbose = true;
        } else if (strcmp(name, "--keep-going") == 0) {
            a->keep_going = true;
        } else if (strcmp(name, "--seeds") == 0 && i + 2 < argc) {
            a->from = strtoull(argv[++i], NULL, 10);
            a->to = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(name, "--seed") == 0 && i + 1 < argc) {
            a->from = strtoull(argv[++i], NULL, 10);
            a->to = a->from + 1;
        } else if (strcmp(name, "--ops") == 0 && i + 1 < argc) {
            a->ops = (int)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(name, "--seconds") == 0 && i + 1 < argc) {
            a->seconds = strtod(argv[++i], NULL);
        } else if (strcmp(name, "--file") == 0 && i + 1 < argc) {
            a->file = argv[++i];
        } else {
            return false;
        }
    }
    return true;
}

/* An assertion that fails ends the program: with the seed. */
static uint64_t current;

static void on_abort(int number)
{
    char text[96];
    int size = snprintf(text, sizeof text, "seed %llu: ended by signal %d\n",
                        (unsigned long long)current, number);
    if (write(STDOUT_FILENO, text, (size_t)size) < 0)
        _exit(4);
    _exit(3);
}

static bool play(uint64_t seed, const struct arguments *a, struct sim_totals *totals)
{
    static struct sim sim;
    current = seed;
    if (sim_history(&sim, seed, a->ops, a->verbose, totals))
        return true;
    printf("seed %llu: %s\n  again: sim --seed %llu --ops %d --verbose\n", (unsigned long long)seed,
           sim.why, (unsigned long long)seed, a->ops);
    fflush(stdout);
    return false;
}

/* One seed a line, then what it showed. */
static bool play_file(const struct arguments *a, struct sim_totals *totals)
{
    FILE *file = fopen(a->file, "r");
    char line[512];
    bool good = true;
    if (file == NULL) {
        perror(a->file);
        return false;
    }
    while (fgets(line, sizeof line, file) != NULL)
        if (line[0] >= '0' && line[0] <= '9')
            good = play(strtoull(line, NULL, 10), a, totals) && good;
    fclose(file);
    return good;
}

static void say_totals(const struct sim_totals *t, double seconds)
{
    printf("%lld seeds in %.1f s, %.0f a second; %lld steps, %lld runs ended, %lld killed\n",
           (long long)t->seeds, seconds, (double)t->seeds / seconds, (long long)t->steps,
           (long long)t->runs, (long long)t->kills);
    printf("%lld commits, %lld files, %lld parts dropped, %lld masks (%lld guards said no), "
           "%lld reconciles\n",
           (long long)t->commits, (long long)t->files, (long long)t->drops, (long long)t->masks,
           (long long)t->masks_refused, (long long)t->reconciles);
    printf("%lld faults, %lld unknown outcomes, %lld proofs failed, %lld orphans vacuumed, "
           "%lld files erased\n",
           (long long)t->faults, (long long)t->unknowns, (long long)t->quarantined,
           (long long)t->vacuumed, (long long)t->erased);
}

int main(int argc, char **argv)
{
    struct arguments a;
    struct sim_totals totals = {0};
    bool good = true;
    if (!parse(argc, argv, &a))
        return usage();
    mallopt(M_MMAP_THRESHOLD, 1 << 30); /* large buffers that hardly fill: no mapping for each */
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    signal(SIGABRT, on_abort);
    double start = now();
    if (a.file != NULL)
        good = play_file(&a, &totals);
    for (uint64_t seed = a.from; seed < a.to && (good || a.keep_going); seed++) {
        good = play(seed, &a, &totals) && good;
        if (a.seconds > 0 && now() - start > a.seconds)
            break;
    }
    say_totals(&totals, now() - start);
    sim_forget_schemas();
    return good ? 0 : 1;
}
