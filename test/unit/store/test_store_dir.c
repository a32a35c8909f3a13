/* A directory keeps what an object store promises. */
#include "store/store.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];
static struct lx_store *store;

static int set_up(void **state)
{
    struct lx_err err = LX_ERR_INIT;
    char path[96];
    (void)state;
    snprintf(root, sizeof root, "/tmp/lynex-store.XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/archive", root);
    assert_int_equal(lx_store_open_dir(path, lx_clock_system(), lx_random_system(), &store, &err),
                     LX_OK);
    return 0;
}

static int tear_down(void **state)
{
    char command[96];
    (void)state;
    lx_store_close(store);
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

static enum lx_status put(const char *key, const char *text, bool if_absent)
{
    const struct lx_put how = {.if_absent = if_absent};
    struct lx_object object;
    return lx_store_put(store, key, text, strlen(text), &how, &object, NULL);
}

static void has(const char *key, const char *text)
{
    struct lx_buf bytes = LX_BUF(LX_MIB);
    struct lx_object object;
    assert_int_equal(lx_store_get(store, key, &bytes, &object, NULL), LX_OK);
    assert_true(lx_str_is(lx_buf_view(&bytes), text));
    assert_int_equal(object.size, strlen(text));
    lx_buf_free(&bytes);
}

static void test_put_and_get(void **state)
{
    (void)state;
    struct lx_object object;
    char part[3] = "";
    assert_int_equal(put("a/b/c", "first", true), LX_OK);
    assert_int_equal(put("a/b/c", "second", true), LX_E_EXISTS);
    has("a/b/c", "first");
    assert_int_equal(put("a/b/c", "third", false), LX_OK);
    has("a/b/c", "third");
    assert_int_equal(lx_store_read(store, "a/b/c", 1, part, 2, NULL), LX_OK);
    assert_string_equal(part, "hi");
    assert_int_equal(lx_store_read(store, "a/b/c", 4, part, 2, NULL), LX_E_FORMAT);
    assert_int_equal(lx_store_head(store, "a/b", &object, NULL), LX_E_NOTFOUND);
    assert_int_equal(lx_store_head(store, "none", &object, NULL), LX_E_NOTFOUND);
    assert_int_equal(lx_store_delete(store, "a/b/c", NULL), LX_OK);
    assert_int_equal(lx_store_delete(store, "a/b/c", NULL), LX_OK);
    assert_int_equal(lx_store_head(store, "a/b/c", &object, NULL), LX_E_NOTFOUND);
}

/* More than one piece, in pieces: what is copied is never in memory as a whole. */
static void test_copy(void **state)
{
    (void)state;
    const size_t size = 9 * LX_MIB + 5;
    const struct lx_put how = {.data = true};
    struct lx_object object;
    uint8_t *bytes = lx_malloc(size);
    struct lx_buf copy = LX_BUF(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    assert_int_equal(lx_store_put(store, "large", bytes, size, &how, &object, NULL), LX_OK);
    size_t used = lx_alloc_used();
    lx_alloc_reset_peak();
    assert_int_equal(lx_store_copy(store, "large", (int64_t)size, "kept/large", &how, NULL), LX_OK);
    assert_true(lx_alloc_peak() - used < 5 * LX_MIB);
    assert_int_equal(lx_alloc_used(), used);
    assert_int_equal(lx_store_get(store, "kept/large", &copy, &object, NULL), LX_OK);
    assert_int_equal(copy.len, size);
    assert_memory_equal(copy.data, bytes, size);
    lx_buf_free(&copy);
    lx_free(bytes);
    assert_int_equal(put("small", "first", false), LX_OK);
    assert_int_equal(lx_store_copy(store, "small", 0, "none", &how, NULL), LX_OK);
    has("none", "");
    /* What is there is not replaced; what cannot be read leaves nothing. */
    assert_int_equal(lx_store_copy(store, "large", 5, "small", &how, NULL), LX_E_EXISTS);
    has("small", "first");
    assert_int_equal(lx_store_copy(store, "small", 6, "longer", &how, NULL), LX_E_FORMAT);
    assert_int_equal(lx_store_copy(store, "lost", 1, "longer", &how, NULL), LX_E_NOTFOUND);
    assert_int_equal(lx_store_head(store, "longer", &object, NULL), LX_E_NOTFOUND);
    assert_int_equal(lx_store_copy(store, "small", 5, "../x", &how, NULL), LX_E_ARGUMENT);
}

static void test_keys_stay_inside(void **state)
{
    static const char *const bad[] = {"", "/a", "a/", "../a", "a/../b", "a//b", ".", "a/.", ".."};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (put(bad[i], "x", false) != LX_E_ARGUMENT)
            fail_msg("taken: \"%s\"", bad[i]);
    /* Nor do they leave through a link. */
    assert_int_equal(put("first", "x", false), LX_OK);
    char path[128], outside[96];
    snprintf(outside, sizeof outside, "%s/outside", root);
    assert_int_equal(mkdir(outside, 0700), 0);
    snprintf(path, sizeof path, "%s/archive/link", root);
    assert_int_equal(symlink(outside, path), 0);
    assert_true(put("link/x", "x", false) != LX_OK);
    snprintf(path, sizeof path, "%s/outside/x", root);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_upload(void **state)
{
    (void)state;
    struct lx_upload *upload;
    struct lx_object object;
    const struct lx_put how = {0}; /* if_absent is implied */
    assert_int_equal(put("taken", "theirs", true), LX_OK);
    assert_int_equal(lx_store_upload_begin(store, "taken", &how, &upload, NULL), LX_OK);
    assert_int_equal(lx_store_upload_write(upload, "one ", 4, NULL), LX_OK);
    assert_int_equal(lx_store_upload_write(upload, "two", 3, NULL), LX_OK);
    assert_int_equal(lx_store_upload_finish(upload, &object, NULL), LX_E_EXISTS);
    assert_int_equal(lx_store_upload_rekey(upload, "free", NULL), LX_OK);
    assert_int_equal(lx_store_head(store, "free", &object, NULL), LX_E_NOTFOUND);
    assert_int_equal(lx_store_upload_finish(upload, &object, NULL), LX_OK);
    assert_int_equal(object.size, 7);
    has("free", "one two");
    has("taken", "theirs");
    assert_int_equal(lx_store_upload_begin(store, "given-up", &how, &upload, NULL), LX_OK);
    assert_int_equal(lx_store_upload_write(upload, "x", 1, NULL), LX_OK);
    lx_store_upload_abort(upload);
    assert_int_equal(lx_store_head(store, "given-up", &object, NULL), LX_E_NOTFOUND);
}

struct listing {
    char text[256];
    size_t most;
};

static enum lx_status visit(void *context, const char *key, const struct lx_object *object,
                            struct lx_err *err)
{
    struct listing *listing = context;
    (void)err;
    (void)object;
    strncat(listing->text, key, sizeof listing->text - strlen(listing->text) - 2);
    strncat(listing->text, " ", 2);
    return --listing->most == 0 ? LX_E_CANCELLED : LX_OK;
}

static void lists(const char *prefix, const char *after, size_t most, enum lx_status want,
                  const char *keys)
{
    struct listing listing = {.most = most};
    assert_int_equal(lx_store_list(store, prefix, after, visit, &listing, NULL), want);
    assert_string_equal(listing.text, keys);
}

static void test_list(void **state)
{
    (void)state;
    /* Bytewise over whole keys: '-' and '.' come before '/', digits behind. */
    static const char *const keys[] = {"p/a/x", "p/a-b", "p/a.c", "p/a0", "p/b", "q"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_int_equal(put(keys[i], "x", true), LX_OK);
    lists("", NULL, 100, LX_OK, "p/a-b p/a.c p/a/x p/a0 p/b q ");
    lists("p/a", NULL, 100, LX_OK, "p/a-b p/a.c p/a/x p/a0 ");
    lists("p/", "p/a.c", 100, LX_OK, "p/a/x p/a0 p/b ");
    lists("none", NULL, 100, LX_OK, "");
    lists("", NULL, 2, LX_E_CANCELLED, "p/a-b p/a.c ");
}

#define WRITERS 16
static atomic_int winners;
static char winner[16];

static void *race(void *context)
{
    char text[16];
    snprintf(text, sizeof text, "writer %d", (int)(intptr_t)context);
    enum lx_status status = put("raced", text, true);
    if (status == LX_OK) {
        atomic_fetch_add(&winners, 1);
        snprintf(winner, sizeof winner, "%s", text);
    } else if (status != LX_E_EXISTS) {
        atomic_fetch_add(&winners, 100);
    }
    return NULL;
}

static void test_one_writer_wins(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        pthread_t threads[WRITERS];
        atomic_store(&winners, 0);
        for (intptr_t i = 0; i < WRITERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, race, (void *)i), 0);
        for (size_t i = 0; i < WRITERS; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(atomic_load(&winners), 1);
        has("raced", winner);
        assert_int_equal(lx_store_delete(store, "raced", NULL), LX_OK);
    }
}

static void test_modes(void **state)
{
    (void)state;
    char path[128];
    struct stat info;
    assert_int_equal(put("secret/x", "x", true), LX_OK);
    snprintf(path, sizeof path, "%s/archive/secret/x", root);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    snprintf(path, sizeof path, "%s/archive/secret", root);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
}

static void says(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, words);
}

static void test_limits(void **state)
{
    (void)state;
    static char long_part[300], longest[LX_MAX_NAME + 2], bad[16];
    struct lx_err err = LX_ERR_INIT;
    struct lx_object object;
    struct lx_buf few = LX_BUF(3);
    const struct lx_put how = {0};
    memset(long_part, 'x', sizeof long_part - 3);
    memcpy(long_part + 256, "/x", 3); /* a name of 256 bytes, in which no file can lie */
    assert_int_not_equal(lx_store_put(store, long_part, "x", 1, &how, NULL, &err), LX_OK);
    says(err.text, "making the folder of");
    assert_int_not_equal(lx_store_head(store, long_part, &object, &err), LX_OK);
    memset(longest, 'y', sizeof longest - 1);
    assert_int_equal(lx_store_head(store, longest, &object, &err), LX_E_ARGUMENT);
    says(err.text, "bytes, 1 to ");
    assert_int_equal(lx_store_head(store, NULL, &object, &err), LX_E_ARGUMENT);
    says(err.text, "an object's key has 0 bytes");
    static const char odd[] = {1, 0x1f, 0x7f, '\\'};
    for (size_t i = 0; i < sizeof odd; i++) {
        snprintf(bad, sizeof bad, "a%cb", odd[i]);
        assert_int_equal(lx_store_delete(store, bad, &err), LX_E_ARGUMENT);
        says(err.text, "holds a character that is not allowed");
    }
    struct lx_upload *upload = NULL;
    assert_int_equal(lx_store_upload_begin(store, "/a", &how, &upload, &err), LX_E_ARGUMENT);
    assert_int_equal(lx_store_read(store, "", 0, bad, 1, &err), LX_E_ARGUMENT);
    assert_int_equal(lx_store_get(store, "a//b", &few, NULL, &err), LX_E_ARGUMENT);
    assert_null(upload);
    assert_int_equal(put("a", "text", true), LX_OK);
    assert_int_equal(lx_store_read(store, "a", -1, bad, 1, &err), LX_E_ARGUMENT);
    assert_int_equal(lx_store_read(store, "a", 9, bad, 0, &err), LX_OK);
    assert_int_equal(lx_store_get(store, "a", &few, NULL, &err), LX_E_LIMIT);
    says(err.text, "/archive/a has 4 bytes, more than may be read at once");
    lx_buf_free(&few);
}

static void test_folders_and_files(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    struct lx_buf bytes = LX_BUF(100);
    struct lx_object object;
    char part[1];
    const struct lx_put how = {0};
    assert_int_equal(put("a/b", "x", true), LX_OK);
    /* A folder is no object, nor does a file hold any. */
    assert_int_equal(lx_store_get(store, "a", &bytes, &object, &err), LX_E_NOTFOUND);
    assert_string_equal(err.name, "NoSuchKey");
    assert_int_equal(lx_store_get(store, "none", &bytes, &object, &err), LX_E_NOTFOUND);
    assert_int_equal(lx_store_read(store, "a/b/c", 0, part, 1, &err), LX_E_NOTFOUND);
    assert_int_equal(lx_store_read(store, "a", 0, part, 1, &err), LX_E_IO);
    assert_int_equal(lx_store_delete(store, "a/b/c", &err), LX_OK);
    assert_int_equal(lx_store_delete(store, "x/y/z", &err), LX_OK);
    assert_int_not_equal(lx_store_delete(store, "a", &err), LX_OK);
    says(err.text, "deleting ");
    assert_int_not_equal(lx_store_put(store, "a", "x", 1, &how, &object, &err), LX_OK);
    says(err.text, "naming ");
    assert_int_not_equal(lx_store_put(store, "a/b/c", "x", 1, &how, &object, &err), LX_OK);
    says(err.text, "making the folder of ");
    /* A link is followed neither by reading nor by deleting nor by a list. */
    char path[128];
    snprintf(path, sizeof path, "%s/archive/link", root);
    assert_int_equal(symlink("a", path), 0);
    assert_int_not_equal(lx_store_head(store, "link", &object, &err), LX_OK);
    assert_int_not_equal(lx_store_read(store, "link/b", 0, part, 1, &err), LX_OK);
    lists("", NULL, 100, LX_OK, "a/b ");
    has("a/b", "x");
    lx_buf_free(&bytes);
    /* What writers have under way is listed only by its own prefix; none of it is left. */
    lists(LX_STORE_TMP, NULL, 100, LX_OK, "");
    struct lx_upload *upload;
    struct listing listing = {.most = 10};
    assert_int_equal(lx_store_upload_begin(store, "u", &how, &upload, &err), LX_OK);
    assert_int_equal(lx_store_list(store, LX_STORE_TMP, NULL, visit, &listing, &err), LX_OK);
    assert_int_equal(strlen(listing.text), strlen(LX_STORE_TMP) + 16 + 1);
    lists(NULL, NULL, 100, LX_OK, "a/b ");
    lx_store_upload_abort(upload);
}

static void test_deep(void **state)
{
    (void)state;
    struct lx_err err = LX_ERR_INIT;
    char deep[160] = "", seen[256];
    for (int i = 0; i < 64; i++)
        strcat(deep, "d/");
    strcat(deep, "x");
    assert_int_equal(put(deep + 2, "x", true), LX_OK);
    snprintf(seen, sizeof seen, "%s ", deep + 2);
    lists("", NULL, 100, LX_OK, seen);
    assert_int_equal(put(deep, "x", true), LX_OK);
    struct listing listing = {.most = 10};
    assert_int_equal(lx_store_list(store, "", NULL, visit, &listing, &err), LX_E_LIMIT);
    says(err.text, "folders within folders, too deep");
    lists("d/x", NULL, 100, LX_OK, ""); /* not asked for, not entered */
}

static void test_many(void **state)
{
    (void)state;
    struct listing listing = {.most = 1000};
    char key[16];
    for (int i = 0; i < 150; i++) {
        snprintf(key, sizeof key, "%03d", 149 - i);
        assert_int_equal(put(key, "x", true), LX_OK);
    }
    assert_int_equal(lx_store_list(store, "", "143", visit, &listing, NULL), LX_OK);
    assert_string_equal(listing.text, "144 145 146 147 148 149 ");
}

static enum lx_status open_at(const char *path, struct lx_store **other, struct lx_err *err)
{
    *other = NULL;
    lx_err_clear(err);
    return lx_store_open_dir(path, lx_clock_system(), lx_random_system(), other, err);
}

static void test_open(void **state)
{
    (void)state;
    static char longest[5000];
    struct lx_store *other;
    struct lx_err err = LX_ERR_INIT;
    struct lx_buf text = LX_BUF(1000), want = LX_BUF(1000);
    char path[128], here[1000];
    memset(longest, 'x', sizeof longest - 1);
    assert_int_equal(open_at("", &other, &err), LX_E_ARGUMENT);
    assert_int_equal(open_at(longest, &other, &err), LX_E_ARGUMENT);
    assert_string_equal(err.text, "the directory's path is empty or too long");
    assert_int_equal(put("file", "x", true), LX_OK);
    snprintf(path, sizeof path, "%s/archive/file", root);
    assert_int_not_equal(open_at(path, &other, &err), LX_OK);
    says(err.text, "opening the directory ");
    says(err.hint, "ARCHIVE_URL=file:///DIR");
    /* Below a file nothing can be made. */
    snprintf(path, sizeof path, "%s/archive/file/x", root);
    assert_null(other);
    assert_int_not_equal(open_at(path, &other, &err), LX_OK);
    /* A path that is not absolute is one from here. */
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(open_at("no-such/dir", &other, &err), LX_OK);
    assert_int_equal(lx_store_location(other, "a", &text), LX_OK);
    assert_int_equal(lx_buf_printf(&want, "file://%s/no-such/dir/a", here), LX_OK);
    assert_true(lx_str_equal(lx_buf_view(&text), lx_buf_view(&want)));
    lx_buf_clear(&text);
    lx_buf_clear(&want);
    assert_int_equal(lx_store_location(other, NULL, &text), LX_OK);
    assert_int_equal(lx_buf_printf(&want, "file://%s/no-such/dir", here), LX_OK);
    assert_true(lx_str_equal(lx_buf_view(&text), lx_buf_view(&want)));
    lx_store_close(other);
    lx_store_close(NULL);
    lx_buf_free(&text);
    lx_buf_free(&want);
}

/* One that is not there is empty; another may make it meanwhile. */
static void test_made_meanwhile(void **state)
{
    (void)state;
    struct lx_store *other;
    struct lx_err err = LX_ERR_INIT;
    struct lx_store_counts counts;
    struct lx_object object;
    char path[128];
    snprintf(path, sizeof path, "%s/archive", root);
    lists("", NULL, 10, LX_OK, "");
    assert_int_equal(lx_store_head(store, "a", &object, &err), LX_E_NOTFOUND);
    assert_int_equal(lx_store_delete(store, "a", &err), LX_OK);
    assert_int_equal(open_at(path, &other, &err), LX_OK);
    const struct lx_put how = {.if_absent = true};
    assert_int_equal(lx_store_put(other, "a", "x", 1, &how, NULL, &err), LX_OK);
    lx_store_close(other);
    has("a", "x");
    lx_store_counts(store, &counts);
    assert_int_equal(counts.puts, 0);
    assert_int_equal(counts.lists, 1);
    assert_int_equal(counts.heads, 1);
    assert_int_equal(counts.deletes, 1);
    assert_int_equal(counts.gets, 1);
    assert_int_equal(counts.bytes_in, 1);
}

/* -- memory -------------------------------------------------------------------------------- */

static enum lx_status scenario(struct lx_err *err)
{
    struct lx_upload *upload;
    struct lx_object object;
    struct lx_buf bytes = LX_BUF(100);
    struct listing listing = {.most = 1000};
    char path[128];
    const struct lx_put how = {0};
    snprintf(path, sizeof path, "%s/archive/a/c", root);
    unlink(path); /* of the time before: an upload takes no name that is taken */
    snprintf(path, sizeof path, "%s/archive", root);
    LX_TRY(lx_store_open_dir(path, lx_clock_system(), lx_random_system(), &store, err));
    LX_TRY(lx_store_put(store, "a/b", "text", 4, &how, &object, err));
    LX_TRY(lx_store_upload_begin(store, "a/c", &how, &upload, err));
    assert_int_equal(lx_store_upload_write(upload, "more", 4, err), LX_OK);
    LX_TRY(lx_store_upload_finish(upload, &object, err));
    enum lx_status status = lx_store_get(store, "a/b", &bytes, &object, err);
    if (status == LX_OK)
        assert_true(lx_str_is(lx_buf_view(&bytes), "text"));
    lx_buf_free(&bytes);
    LX_TRY(status);
    LX_TRY(lx_store_list(store, "", NULL, visit, &listing, err));
    assert_string_equal(listing.text, "a/b a/c ");
    return LX_OK;
}

static void test_memory(void **state)
{
    (void)state;
    lx_store_close(store);
    store = NULL;
    size_t before = lx_alloc_used();
    for (uint64_t n = 1;; n++) {
        struct lx_err err = LX_ERR_INIT;
        lx_alloc_fail_at(n);
        enum lx_status status = scenario(&err);
        lx_alloc_fail_at(0);
        if (status == LX_OK)
            break;
        if (status != LX_E_MEMORY)
            fail_msg("allocation %llu: %s", (unsigned long long)n, err.text);
        lx_store_close(store);
        store = NULL;
        assert_int_equal(lx_alloc_used(), before);
        assert_true(n < 100);
    }
    lists(LX_STORE_TMP, NULL, 100, LX_OK, ""); /* no failure left anything there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_and_get, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_copy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys_stay_inside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_upload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_writer_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_modes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folders_and_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_made_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
