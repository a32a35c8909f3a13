/* io_faults: loaded in front of libc (LD_PRELOAD), lets one call on the files below a folder fail.
 *
 *   IO_FAULT_ROOT=DIR     calls on what lies there are counted from 1
 *   IO_FAULT_LIST=FILE    writes "NUMBER CALL KINDS" for each call that is reached by another path
 *                         of calls than all before it
 *   IO_FAULT_AT=NUMBER    that call fails; IO_FAULT_KIND=0, 1, … says how, of the ways below
 *
 * One thread or many: which call is the N-th may then differ from run to run, that one fails does
 * not. */
#undef _FILE_OFFSET_BITS /* with it, open() and open64() would be one name */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHORT (-1) /* one byte is read or written, no more */
#define MAX_PATHS 4096
#define DEPTH 10

struct ways {
    const char *name;
    int count, errors[4];
};
static const struct ways opening = {"open", 3, {EIO, EMFILE, EACCES}};
static const struct ways creating = {"create", 3, {ENOSPC, EIO, EMFILE}};
static const struct ways reading = {"read", 3, {EIO, EINTR, SHORT}};
static const struct ways writing = {"write", 4, {ENOSPC, EIO, EINTR, SHORT}};
static const struct ways flushing = {"fsync", 2, {EIO, ENOSPC}};
static const struct ways naming = {"link", 2, {EIO, ENOSPC}};
static const struct ways making = {"mkdir", 2, {ENOSPC, EIO}};
static const struct ways removing = {"unlink", 1, {EIO}};
static const struct ways looking = {"stat", 1, {EIO}};
static const struct ways closing = {"close", 1, {EIO}};
static const struct ways listing = {"readdir", 2, {EIO, ENOMEM}};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t paths[MAX_PATHS];
static size_t path_count;
static long number;
static __thread bool inside;

static bool is_new_path(void)
{
    void *calls[DEPTH];
    int depth = backtrace(calls, DEPTH);
    uint64_t hash = 1;
    for (int i = 2; i < depth; i++)
        hash = (hash ^ (uint64_t)(uintptr_t)calls[i]) * UINT64_C(0x9e3779b97f4a7c15) + 7;
    for (size_t i = 0; i < path_count; i++)
        if (paths[i] == hash)
            return false;
    if (path_count < MAX_PATHS)
        paths[path_count++] = hash;
    return true;
}

static void list_call(const struct ways *ways)
{
    const char *file = getenv("IO_FAULT_LIST");
    char line[64];
    if (file == NULL || !is_new_path())
        return;
    int size = snprintf(line, sizeof line, "%ld %s %d\n", number, ways->name, ways->count);
    int fd = open(file, O_WRONLY | O_CREAT | O_APPEND, 0600); /* passed on: we are inside */
    if (write(fd, line, (size_t)size) != size || close(fd) != 0)
        abort();
}

/* What this call fails with; 0: it does not. */
static int fault(const struct ways *ways)
{
    const char *at = getenv("IO_FAULT_AT"), *kind = getenv("IO_FAULT_KIND");
    int error = 0;
    if (inside)
        return 0;
    inside = true;
    pthread_mutex_lock(&lock);
    number++;
    list_call(ways);
    if (at != NULL && number == atol(at))
        error = ways->errors[(kind != NULL ? atoi(kind) : 0) % ways->count];
    pthread_mutex_unlock(&lock);
    inside = false;
    return error;
}

static bool below(const char *path)
{
    const char *root = getenv("IO_FAULT_ROOT");
    return root != NULL && strncmp(path, root, strlen(root)) == 0;
}

static bool is_ours(int fd)
{
    char link[64], path[4096];
    int error = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    errno = error;
    if (size <= 0)
        return false;
    path[size] = 0;
    return below(path);
}

static bool is_at(int folder, const char *path)
{
    return path[0] == '/' ? below(path) : folder == AT_FDCWD ? false : is_ours(folder);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Fails the call, or goes on to the real one. */
#define FAIL_IF(ours, ways, failure)                                                               \
    do {                                                                                           \
        int error_ = (ours) ? fault(&(ways)) : 0;                                                  \
        if (error_ != 0) {                                                                         \
            errno = error_;                                                                        \
            return failure;                                                                        \
        }                                                                                          \
    } while (0)

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;                                  \
        va_end(args);                                                                              \
        FAIL_IF(below(path), *(flags & O_CREAT ? &creating : &opening), -1);                       \
        return REAL(name)(path, flags, mode);                                                      \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                               \
    int name(int folder, const char *path, int flags, ...)                                         \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;                                  \
        va_end(args);                                                                              \
        FAIL_IF(is_at(folder, path), *(flags & O_CREAT ? &creating : &opening), -1);               \
        return REAL(name)(folder, path, flags, mode);                                              \
    }
OPENAT(openat)
OPENAT(openat64)

/* Reads and writes can also be short. */
#define TRANSFER(name, ways, parameters, ...)                                                      \
    ssize_t name parameters                                                                        \
    {                                                                                              \
        int error = is_ours(fd) && size > 0 ? fault(&ways) : 0;                                    \
        if (error > 0) {                                                                           \
            errno = error;                                                                         \
            return -1;                                                                             \
        }                                                                                          \
        if (error == SHORT)                                                                        \
            size = 1;                                                                              \
        return REAL(name)(__VA_ARGS__);                                                            \
    }
TRANSFER(read, reading, (int fd, void *bytes, size_t size), fd, bytes, size)
TRANSFER(pread, reading, (int fd, void *bytes, size_t size, off_t at), fd, bytes, size, at)
TRANSFER(pread64, reading, (int fd, void *bytes, size_t size, off64_t at), fd, bytes, size, at)
TRANSFER(write, writing, (int fd, const void *bytes, size_t size), fd, bytes, size)
TRANSFER(pwrite, writing, (int fd, const void *bytes, size_t size, off_t at), fd, bytes, size, at)
TRANSFER(pwrite64, writing, (int fd, const void *bytes, size_t size, off64_t at), fd, bytes, size,
         at)

int fsync(int fd)
{
    FAIL_IF(is_ours(fd), flushing, -1);
    return REAL(fsync)(fd);
}

int linkat(int from, const char *a, int to, const char *b, int flags)
{
    FAIL_IF(is_at(to, b), naming, -1);
    return REAL(linkat)(from, a, to, b, flags);
}

int renameat(int from, const char *a, int to, const char *b)
{
    FAIL_IF(is_at(to, b), naming, -1);
    return REAL(renameat)(from, a, to, b);
}

int mkdirat(int folder, const char *path, mode_t mode)
{
    FAIL_IF(is_at(folder, path), making, -1);
    return REAL(mkdirat)(folder, path, mode);
}

int mkdir(const char *path, mode_t mode)
{
    FAIL_IF(below(path), making, -1);
    return REAL(mkdir)(path, mode);
}

int unlinkat(int folder, const char *path, int flags)
{
    FAIL_IF(is_at(folder, path), removing, -1);
    return REAL(unlinkat)(folder, path, flags);
}

int fstat(int fd, struct stat *info)
{
    FAIL_IF(is_ours(fd), looking, -1);
    return REAL(fstat)(fd, info);
}

int fstat64(int fd, struct stat64 *info)
{
    FAIL_IF(is_ours(fd), looking, -1);
    return REAL(fstat64)(fd, info);
}

/* As POSIX leaves it: the descriptor is gone all the same. */
int close(int fd)
{
    int error = is_ours(fd) ? fault(&closing) : 0, result = REAL(close)(fd);
    if (error == 0)
        return result;
    errno = error;
    return -1;
}

DIR *fdopendir(int fd)
{
    FAIL_IF(is_ours(fd), listing, NULL);
    return REAL(fdopendir)(fd);
}

struct dirent *readdir(DIR *folder)
{
    FAIL_IF(is_ours(dirfd(folder)), listing, NULL);
    return REAL(readdir)(folder);
}

struct dirent64 *readdir64(DIR *folder)
{
    FAIL_IF(is_ours(dirfd(folder)), listing, NULL);
    return REAL(readdir64)(folder);
}
