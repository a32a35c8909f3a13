/* store_dir.c: a directory as a store, with the guarantees of an object store on POSIX.
 *
 * A write goes to a file of its own in ROOT/_lynex/tmp, is flushed to the disk, and gets its name
 * by link() (exactly one writer wins) or rename(); then its directory is flushed. What a crashed
 * writer leaves lies in _lynex/tmp and is listed only by that prefix. Names are opened one by one
 * from the root without following symbolic links, so that no key leaves it. */
#include "store/store_dir.h"
#include "store/store_private.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TMP_FOLDER "_lynex/tmp"
#define FLUSH_BYTES ((int64_t)(8 * LX_MIB))

struct dir {
    char *path;           /* absolute */
    pthread_mutex_t lock; /* guards the opening of the root */
    atomic_int root;      /* -1: not there yet, made by the first write */
    struct lx_clock clock;
    struct lx_random random;
    atomic_llong puts, gets, heads, lists, deletes, bytes_out, bytes_in;
};

struct dir_upload {
    char key[LX_MAX_NAME + 1];
    char tmp[64]; /* name within TMP_FOLDER */
    int fd;
    int64_t size;
    int64_t flushed; /* of it: the disk was told to begin */
    bool if_absent;
};

/* -- paths --------------------------------------------------------------------------------- */

static enum lx_status failed(const struct dir *dir, const char *doing, const char *key,
                             struct lx_err *err)
{
    int error = errno;
    if (error == ENOENT || error == ENOTDIR) {
        lx_err_set(err, LX_E_NOTFOUND, "%s %s/%s: no such object", doing, dir->path, key);
        if (err != NULL)
            snprintf(err->name, sizeof err->name, "NoSuchKey");
        return LX_E_NOTFOUND;
    }
    enum lx_status status = lx_err_errno(err, error, "%s %s/%s", doing, dir->path, key);
    if (status == LX_E_NOSPACE)
        lx_err_hint(err,
                    "free space on the file system of %s; nothing is lost, and the next run goes "
                    "on",
                    dir->path);
    else if (status == LX_E_ACCESS)
        lx_err_hint(err, "lynex must be allowed to read and write %s", dir->path);
    return status;
}

/* The root, opened where somebody made it meanwhile; -1 with errno. */
static int root_of(struct dir *dir)
{
    int root = atomic_load(&dir->root);
    if (root >= 0)
        return root;
    pthread_mutex_lock(&dir->lock);
    root = atomic_load(&dir->root);
    if (root < 0) {
        root = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        atomic_store(&dir->root, root);
    }
    pthread_mutex_unlock(&dir->lock);
    return root;
}

/* Opens the folder of a key, step by step, making what is missing if asked. *name: its last part.
 */
static int open_folder(struct dir *dir, const char *key, bool make, const char **name)
{
    char part[NAME_MAX + 1];
    int root = root_of(dir);
    int at = root >= 0 ? fcntl(root, F_DUPFD_CLOEXEC, 0) : -1;
    for (const char *slash; at >= 0 && (slash = strchr(key, '/')) != NULL; key = slash + 1) {
        size_t size = (size_t)(slash - key);
        if (size > NAME_MAX) {
            close(at);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(part, key, size);
        part[size] = 0;
        int next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 && errno == ENOENT && make) {
            /* A new folder is durable only once the one above it is flushed. */
            if ((mkdirat(at, part, 0700) == 0 || errno == EEXIST) && fsync(at) == 0)
                next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        int error = errno;
        close(at);
        errno = error;
        at = next;
    }
    *name = key;
    return at;
}

static int open_key(struct dir *dir, const char *key)
{
    const char *name;
    int folder = open_folder(dir, key, false, &name);
    if (folder < 0)
        return -1;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int error = errno;
    close(folder);
    errno = error;
    return fd;
}

static void describe(const struct stat *info, struct lx_object *object)
{
    *object = (struct lx_object){
        .size = info->st_size,
        .modified_ms = (int64_t)info->st_mtim.tv_sec * 1000 + info->st_mtim.tv_nsec / 1000000,
    };
    snprintf(object->etag, sizeof object->etag, "%llx-%llx-%llx", (unsigned long long)info->st_ino,
             (unsigned long long)info->st_size,
             (unsigned long long)info->st_mtim.tv_sec * 1000000000u +
                 (unsigned long long)info->st_mtim.tv_nsec);
}

/* -- writing ------------------------------------------------------------------------------- */

static enum lx_status make_root(const char *path, struct lx_err *err);

static enum lx_status upload_begin(void *self, const char *key, const struct lx_put *put,
                                   void **out, struct lx_err *err)
{
    struct dir *dir = self;
    const char *name;
    if (root_of(dir) < 0)
        LX_TRY(make_root(dir->path, err));
    struct dir_upload *upload = lx_calloc(1, sizeof *upload);
    if (upload == NULL)
        return lx_err_memory(err);
    snprintf(upload->key, sizeof upload->key, "%s", key);
    snprintf(upload->tmp, sizeof upload->tmp, "%016llx",
             (unsigned long long)lx_random_u64(&dir->random));
    upload->if_absent = put->if_absent;
    int folder = open_folder(dir, TMP_FOLDER "/x", true, &name);
    upload->fd = folder < 0 ? -1
                            : openat(folder, upload->tmp,
                                     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (upload->fd < 0) {
        enum lx_status status = failed(dir, "writing in", TMP_FOLDER, err);
        if (folder >= 0)
            close(folder);
        lx_free(upload);
        return status;
    }
    close(folder);
    *out = upload;
    return LX_OK;
}

/* The disk writes while the rest of the file is made, so that little is left for fsync at its end.
 * That one alone tells of failures: without SYNC_FILE_RANGE_WAIT_… none is taken off the file. */
static void begin_flushing(struct dir_upload *upload)
{
    if (upload->size - upload->flushed < FLUSH_BYTES)
        return;
    (void)!sync_file_range(upload->fd, upload->flushed, upload->size - upload->flushed,
                           SYNC_FILE_RANGE_WRITE);
    upload->flushed = upload->size;
}

static enum lx_status upload_write(void *self, void *context, const void *bytes, size_t size,
                                   struct lx_err *err)
{
    struct dir *dir = self;
    struct dir_upload *upload = context;
    const char *pos = bytes;
    while (size > 0) {
        ssize_t done = write(upload->fd, pos, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return failed(dir, "writing", upload->key, err);
        pos += done;
        size -= (size_t)done;
        upload->size += done;
    }
    begin_flushing(upload);
    return LX_OK;
}

static enum lx_status upload_rekey(void *self, void *context, const char *key, struct lx_err *err)
{
    (void)self;
    (void)err;
    struct dir_upload *upload = context;
    snprintf(upload->key, sizeof upload->key, "%s", key);
    return LX_OK;
}

static void remove_tmp(struct dir *dir, const struct dir_upload *upload)
{
    const char *name;
    int folder = open_folder(dir, TMP_FOLDER "/x", false, &name);
    if (folder < 0)
        return;
    unlinkat(folder, upload->tmp, 0);
    close(folder);
}

static void free_upload(struct dir_upload *upload)
{
    if (upload->fd >= 0)
        close(upload->fd);
    lx_free(upload);
}

static void upload_abort(void *self, void *context)
{
    remove_tmp(self, context);
    free_upload(context);
}

/* Gives the flushed file its name. link() fails where the name is taken: exactly one writer wins.
 */
static enum lx_status give_name(struct dir *dir, struct dir_upload *upload, struct lx_err *err)
{
    const char *name, *ignored;
    int tmp = open_folder(dir, TMP_FOLDER "/x", false, &ignored);
    int folder = tmp < 0 ? -1 : open_folder(dir, upload->key, true, &name);
    enum lx_status status = LX_OK;
    if (folder < 0)
        status = failed(dir, "making the folder of", upload->key, err);
    else if (upload->if_absent ? linkat(tmp, upload->tmp, folder, name, 0) != 0
                               : renameat(tmp, upload->tmp, folder, name) != 0)
        status = errno == EEXIST
                     ? lx_err_set(err, LX_E_EXISTS, "%s/%s exists already", dir->path, upload->key)
                     : failed(dir, "naming", upload->key, err);
    if (status == LX_OK && fsync(folder) != 0)
        status = failed(dir, "flushing the folder of", upload->key, err);
    if (folder >= 0)
        close(folder);
    if (tmp >= 0)
        close(tmp);
    return status;
}

static enum lx_status upload_finish(void *self, void *context, struct lx_object *object,
                                    struct lx_err *err)
{
    struct dir *dir = self;
    struct dir_upload *upload = context;
    struct stat info;
    enum lx_status status = LX_OK;
    if (fsync(upload->fd) != 0)
        status = failed(dir, "flushing", upload->key, err);
    if (status == LX_OK)
        status = give_name(dir, upload, err);
    if (status == LX_E_EXISTS)
        return status; /* may go on under another key */
    if (status == LX_OK && fstat(upload->fd, &info) != 0)
        status = failed(dir, "looking at", upload->key, err);
    if (status == LX_OK) {
        describe(&info, object);
        atomic_fetch_add(&dir->puts, 1);
        atomic_fetch_add(&dir->bytes_out, upload->size);
    }
    remove_tmp(dir, upload);
    free_upload(upload);
    return status;
}

static enum lx_status put(void *self, const char *key, const void *bytes, size_t size,
                          const struct lx_put *how, struct lx_object *object, struct lx_err *err)
{
    void *upload = NULL;
    struct lx_object ignored;
    LX_TRY(upload_begin(self, key, how, &upload, err));
    enum lx_status status = upload_write(self, upload, bytes, size, err);
    if (status != LX_OK) {
        upload_abort(self, upload);
        return status;
    }
    status = upload_finish(self, upload, object != NULL ? object : &ignored, err);
    if (status == LX_E_EXISTS)
        upload_abort(self, upload);
    return status;
}

/* -- reading ------------------------------------------------------------------------------- */

static enum lx_status read_exactly(struct dir *dir, int fd, const char *key, int64_t offset,
                                   void *bytes, size_t size, struct lx_err *err)
{
    char *to = bytes;
    atomic_fetch_add(&dir->gets, 1);
    atomic_fetch_add(&dir->bytes_in, (long long)size);
    while (size > 0) {
        ssize_t got = pread(fd, to, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed(dir, "reading", key, err);
        if (got == 0)
            return lx_err_set(err, LX_E_FORMAT, "%s/%s ends %zu bytes before what was asked for",
                              dir->path, key, size);
        to += got;
        offset += got;
        size -= (size_t)got;
    }
    return LX_OK;
}

static enum lx_status read_range(void *self, const char *key, int64_t offset, void *bytes,
                                 size_t size, struct lx_err *err)
{
    struct dir *dir = self;
    int fd = open_key(dir, key);
    if (fd < 0)
        return failed(dir, "reading", key, err);
    enum lx_status status = read_exactly(dir, fd, key, offset, bytes, size, err);
    close(fd);
    return status;
}

static enum lx_status stat_file(struct dir *dir, int fd, const char *key, struct stat *info,
                                struct lx_err *err)
{
    if (fstat(fd, info) != 0)
        return failed(dir, "looking at", key, err);
    if (!S_ISREG(info->st_mode)) {
        errno = ENOENT; /* a folder is no object */
        return failed(dir, "looking at", key, err);
    }
    return LX_OK;
}

static enum lx_status get(void *self, const char *key, struct lx_buf *bytes,
                          struct lx_object *object, struct lx_err *err)
{
    struct dir *dir = self;
    struct stat info;
    int fd = open_key(dir, key);
    if (fd < 0)
        return failed(dir, "reading", key, err);
    enum lx_status status = stat_file(dir, fd, key, &info, err);
    if (status == LX_OK && (status = lx_buf_reserve(bytes, (size_t)info.st_size)) != LX_OK)
        lx_err_set(err, status, "%s/%s has %lld bytes, more than may be read at once", dir->path,
                   key, (long long)info.st_size);
    if (status == LX_OK)
        status = read_exactly(dir, fd, key, 0, bytes->data + bytes->len, (size_t)info.st_size, err);
    if (status == LX_OK) {
        bytes->len += (size_t)info.st_size;
        describe(&info, object);
    }
    close(fd);
    return status;
}

static enum lx_status head(void *self, const char *key, struct lx_object *object,
                           struct lx_err *err)
{
    struct dir *dir = self;
    struct stat info;
    int fd = open_key(dir, key);
    atomic_fetch_add(&dir->heads, 1);
    if (fd < 0)
        return failed(dir, "looking at", key, err);
    enum lx_status status = stat_file(dir, fd, key, &info, err);
    if (status == LX_OK)
        describe(&info, object);
    close(fd);
    return status;
}

static enum lx_status remove_key(void *self, const char *key, struct lx_err *err)
{
    struct dir *dir = self;
    const char *name;
    int folder = open_folder(dir, key, false, &name);
    atomic_fetch_add(&dir->deletes, 1);
    if (folder < 0)
        return errno == ENOENT || errno == ENOTDIR ? LX_OK : failed(dir, "deleting", key, err);
    enum lx_status status = LX_OK;
    if (unlinkat(folder, name, 0) != 0 && errno != ENOENT)
        status = failed(dir, "deleting", key, err);
    else if (fsync(folder) != 0)
        status = failed(dir, "deleting", key, err);
    close(folder);
    return status;
}

static enum lx_status list(void *self, const char *prefix, const char *after, lx_store_visit visit,
                           void *context, struct lx_err *err)
{
    struct dir *dir = self;
    atomic_fetch_add(&dir->lists, 1);
    int root = root_of(dir);
    if (root < 0 && errno == ENOENT)
        return LX_OK;
    if (root < 0)
        return failed(dir, "listing", "", err);
    const struct lx_dir_walk walk = {.root = root,
                                     .path = dir->path,
                                     .prefix = prefix,
                                     .after = after != NULL ? after : "",
                                     .describe = describe,
                                     .visit = visit,
                                     .context = context};
    return lx_store_dir_walk(&walk, err);
}

static enum lx_status location(const void *self, const char *key, struct lx_buf *text)
{
    const struct dir *dir = self;
    return lx_buf_printf(text, "file://%s%s%s", dir->path, key[0] != 0 ? "/" : "", key);
}

static void counts(const void *self, struct lx_store_counts *out)
{
    struct dir *dir;
    memcpy(&dir, &self, sizeof dir);
    *out = (struct lx_store_counts){
        .puts = atomic_load(&dir->puts),
        .gets = atomic_load(&dir->gets),
        .heads = atomic_load(&dir->heads),
        .lists = atomic_load(&dir->lists),
        .deletes = atomic_load(&dir->deletes),
        .bytes_out = atomic_load(&dir->bytes_out),
        .bytes_in = atomic_load(&dir->bytes_in),
    };
}

static void close_dir(void *self)
{
    struct dir *dir = self;
    if (atomic_load(&dir->root) >= 0)
        close(atomic_load(&dir->root));
    pthread_mutex_destroy(&dir->lock);
    lx_free(dir->path);
    lx_free(dir);
}

static const struct lx_store_driver dir_driver = {
    .put = put,
    .upload_begin = upload_begin,
    .upload_write = upload_write,
    .upload_rekey = upload_rekey,
    .upload_finish = upload_finish,
    .upload_abort = upload_abort,
    .read = read_range,
    .get = get,
    .head = head,
    .remove = remove_key,
    .list = list,
    .location = location,
    .counts = counts,
    .close = close_dir,
};

/* A new directory is durable once the one above it is flushed. */
static bool flush_parent(const char *path)
{
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%s", path);
    char *slash = strrchr(parent, '/');
    if (slash == NULL)
        snprintf(parent, sizeof parent, ".");
    else
        slash[slash == parent ? 1 : 0] = 0;
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return good;
}

/* Makes the directory and those above it. */
static enum lx_status make_root(const char *path, struct lx_err *err)
{
    char copy[PATH_MAX];
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof copy)
        return lx_err_set(err, LX_E_ARGUMENT, "the directory's path is empty or too long");
    memcpy(copy, path, size + 1);
    for (size_t i = 1; i <= size; i++) {
        if (copy[i] != '/' && copy[i] != 0)
            continue;
        char held = copy[i];
        copy[i] = 0;
        bool made = mkdir(copy, 0700) == 0;
        if (made ? !flush_parent(copy) : errno != EEXIST) {
            enum lx_status status = lx_err_errno(err, errno, "making the directory %s", copy);
            lx_err_hint(err, "set ARCHIVE_URL=file:///DIR to a directory that lynex may write");
            return status;
        }
        copy[i] = held;
    }
    return LX_OK;
}

/* An absolute path without links where it is there; else what was given, made absolute. */
static char *absolute(const char *path)
{
    char real[PATH_MAX], here[PATH_MAX], whole[2 * PATH_MAX];
    if (realpath(path, real) != NULL)
        return lx_strdup(real);
    if (path[0] == '/' || getcwd(here, sizeof here) == NULL)
        return lx_strdup(path);
    snprintf(whole, sizeof whole, "%s/%s", here, path);
    return lx_strdup(whole);
}

enum lx_status lx_store_open_dir(const char *path, struct lx_clock clock, struct lx_random random,
                                 struct lx_store **store, struct lx_err *err)
{
    if (path[0] == 0 || strlen(path) >= PATH_MAX)
        return lx_err_set(err, LX_E_ARGUMENT, "the directory's path is empty or too long");
    struct dir *dir = lx_calloc(1, sizeof *dir);
    if (dir == NULL)
        return lx_err_memory(err);
    dir->clock = clock;
    dir->random = random;
    atomic_store(&dir->root, -1);
    pthread_mutex_init(&dir->lock, NULL);
    dir->path = absolute(path);
    enum lx_status status = dir->path != NULL ? LX_OK : lx_err_memory(err);
    if (status == LX_OK && root_of(dir) < 0 && errno != ENOENT) {
        status = lx_err_errno(err, errno, "opening the directory %s", path);
        lx_err_hint(err, "set ARCHIVE_URL=file:///DIR to a directory that lynex may write");
    }
    if (status != LX_OK) {
        close_dir(dir);
        return status;
    }
    return lx_store_wrap(&dir_driver, dir, store, err);
}
