/* store_dir.h: listing a directory tree as an object store lists keys. Private to src/store. */
#ifndef LX_STORE_STORE_DIR_H
#define LX_STORE_STORE_DIR_H

#include "store/store.h"

#include <sys/stat.h>

struct lx_dir_walk {
    int root;
    const char *path; /* for messages */
    const char *prefix, *after;
    void (*describe)(const struct stat *info, struct lx_object *object);
    lx_store_visit visit;
    void *context;
};

/* Every regular file under the root whose key starts with `prefix` and comes after `after`, in
 * bytewise order of whole keys ("a-b" before "a/b"). Temporary files are left out; symbolic links
 * are not followed. Memory: the names of the folders on one path. */
LX_MUST_CHECK enum lx_status lx_store_dir_walk(const struct lx_dir_walk *walk, struct lx_err *err);

#endif
