#include "store/store_dir.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_DEPTH 64
#define MAX_ENTRIES 10000000 /* of one folder */
#define TMP_KEY "_lynex/tmp/"

/* One name of a folder. A folder's own name counts with its '/', which is what makes whole keys
 * compare right. */
struct entry {
    char *name;
    bool folder;
};

struct entries {
    struct entry *list;
    size_t count, cap;
};

static void free_entries(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        lx_free(entries->list[i].name);
    lx_free(entries->list);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static enum lx_status add(struct entries *entries, const char *name, bool folder)
{
    if (entries->count == MAX_ENTRIES)
        return LX_E_LIMIT;
    if (entries->count == entries->cap) {
        size_t cap = entries->cap != 0 ? entries->cap * 2 : 64;
        struct entry *grown = lx_realloc(entries->list, cap * sizeof *grown);
        if (grown == NULL)
            return LX_E_MEMORY;
        entries->list = grown;
        entries->cap = cap;
    }
    size_t size = strlen(name);
    char *copy = lx_malloc(size + 2);
    if (copy == NULL)
        return LX_E_MEMORY;
    memcpy(copy, name, size);
    copy[size] = folder ? '/' : 0;
    copy[size + 1] = 0;
    entries->list[entries->count++] = (struct entry){copy, folder};
    return LX_OK;
}

static enum lx_status kind_of(int fd, const struct dirent *entry, bool *folder, bool *file)
{
    struct stat info;
    *folder = entry->d_type == DT_DIR;
    *file = entry->d_type == DT_REG;
    if (entry->d_type != DT_UNKNOWN)
        return LX_OK;
    if (fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? LX_OK : LX_E_IO;
    *folder = S_ISDIR(info.st_mode);
    *file = S_ISREG(info.st_mode);
    return LX_OK;
}

static enum lx_status read_entries(int fd, const char *where, struct entries *entries,
                                   struct lx_err *err)
{
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int error = errno;
        close(fd);
        return lx_err_errno(err, error, "listing %s", where);
    }
    enum lx_status status = LX_OK;
    for (errno = 0; status == LX_OK;) {
        const struct dirent *entry = readdir(dir);
        bool folder = false, file = false;
        if (entry == NULL) {
            if (errno != 0)
                status = lx_err_errno(err, errno, "listing %s", where);
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        status = kind_of(dirfd(dir), entry, &folder, &file);
        if (status == LX_OK && (folder || file))
            status = add(entries, entry->d_name, folder);
        if (status != LX_OK)
            lx_err_set(err, status, "listing %s: %s", where, lx_status_text(status));
        errno = 0;
    }
    closedir(dir);
    if (status == LX_OK && entries->count > 1)
        qsort(entries->list, entries->count, sizeof *entries->list, by_name);
    return status;
}

/* Can keys that begin with `start` (a folder's) be wanted? */
static bool may_hold(const struct lx_dir_walk *walk, const char *start)
{
    size_t size = strlen(start), prefix = strlen(walk->prefix);
    size_t common = size < prefix ? size : prefix;
    if (memcmp(start, walk->prefix, common) != 0)
        return false;
    /* All keys of the folder come before `after` where its name does, and is no beginning of it. */
    return strcmp(start, walk->after) > 0 || strncmp(start, walk->after, size) == 0;
}

static enum lx_status visit_file(const struct lx_dir_walk *walk, int fd, const char *name,
                                 const char *key, struct lx_err *err)
{
    struct stat info;
    struct lx_object object;
    if (strncmp(key, walk->prefix, strlen(walk->prefix)) != 0 || strcmp(key, walk->after) <= 0)
        return LX_OK;
    if (fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? LX_OK : lx_err_errno(err, errno, "listing %s/%s", walk->path, key);
    walk->describe(&info, &object);
    return walk->visit(walk->context, key, &object, err);
}

static enum lx_status walk_folder(const struct lx_dir_walk *walk, int fd, char *key, size_t used,
                                  unsigned depth, struct lx_err *err)
{
    struct entries entries = {0};
    char where[LX_MAX_NAME + PATH_MAX + 2];
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(where, sizeof where, "%s/%.*s", walk->path, (int)used, key);
    if (again < 0)
        return lx_err_errno(err, errno, "listing %s", where);
    enum lx_status status =
        depth < MAX_DEPTH
            ? read_entries(again, where, &entries, err)
            : lx_err_set(err, LX_E_LIMIT, "%s: folders within folders, too deep", where);
    if (depth >= MAX_DEPTH)
        close(again);
    for (size_t i = 0; status == LX_OK && i < entries.count; i++) {
        size_t size = strlen(entries.list[i].name);
        if (used + size > LX_MAX_NAME)
            continue; /* no key of ours can be so long */
        memcpy(key + used, entries.list[i].name, size + 1);
        if (!entries.list[i].folder) {
            status = visit_file(walk, fd, entries.list[i].name, key, err);
            continue;
        }
        bool unasked =
            strcmp(key, TMP_KEY) == 0 && !lx_str_starts(lx_str_of(walk->prefix), LX_STR(TMP_KEY));
        if (unasked || !may_hold(walk, key))
            continue;
        int next =
            openat(fd, entries.list[i].name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0) {
            if (errno != ENOENT)
                status = lx_err_errno(err, errno, "listing %s/%s", walk->path, key);
            continue;
        }
        status = walk_folder(walk, next, key, used + size, depth + 1, err);
        close(next);
    }
    free_entries(&entries);
    return status;
}

enum lx_status lx_store_dir_walk(const struct lx_dir_walk *walk, struct lx_err *err)
{
    char key[LX_MAX_NAME + 2];
    key[0] = 0;
    return walk_folder(walk, walk->root, key, 0, 0, err);
}
