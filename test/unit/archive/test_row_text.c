/* Texts of UUIDs against printf, and every byte of one turned into every other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "archive/rowschema_text.h"

#include <stdio.h>

/* As ClickHouse keeps it: two little-endian numbers. */
static void print(const uint8_t uuid[16], char text[LX_UUID_TEXT + 1])
{
    uint64_t high, low;
    memcpy(&high, uuid, 8);
    memcpy(&low, uuid + 8, 8);
    snprintf(text, LX_UUID_TEXT + 1, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
             (unsigned long long)(low & 0xffffffffffff));
}

static void check(const uint8_t uuid[16])
{
    char expected[LX_UUID_TEXT + 1], made[LX_UUID_TEXT];
    uint8_t back[16];
    print(uuid, expected);
    lx_text_of_uuid(uuid, made);
    assert_memory_equal(made, expected, LX_UUID_TEXT);
    assert_true(lx_text_to_uuid(made, back));
    assert_memory_equal(back, uuid, 16);
}

static void test_uuids(void **state)
{
    (void)state;
    uint8_t uuid[16] = {0};
    uint64_t seed = 88172645463325252u;
    check(uuid);
    memset(uuid, 0xff, sizeof uuid);
    check(uuid);
    for (int i = 0; i < 100000; i++) {
        for (int k = 0; k < 2; k++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            memcpy(uuid + 8 * k, &seed, 8);
        }
        check(uuid);
    }
}

static bool is_digit(int byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
}

/* What was no text of a UUID in lower case is refused: it would be another when it is written. */
static void test_wrong_uuids(void **state)
{
    (void)state;
    static const char good[] = "01234567-89ab-cdef-0123-456789abcdef";
    for (size_t at = 0; at < LX_UUID_TEXT; at++)
        for (int byte = 0; byte < 256; byte++) {
            char text[LX_UUID_TEXT];
            uint8_t uuid[16];
            memcpy(text, good, LX_UUID_TEXT);
            text[at] = (char)byte;
            bool right = good[at] == '-' ? byte == '-' : is_digit(byte);
            if (lx_text_to_uuid(text, uuid) != right)
                fail_msg("byte %d at %zu is %s", byte, at, right ? "refused" : "taken");
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuids),
        cmocka_unit_test(test_wrong_uuids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
