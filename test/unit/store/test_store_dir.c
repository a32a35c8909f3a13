/* A directory keeps what an object store promises. */
#include "store/store.h"

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
    const struct lx_put how = {.if_absent = true};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_put_and_get, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys_stay_inside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_upload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_writer_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_modes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
