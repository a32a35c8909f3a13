/* libFuzzer: the file that holds S3's keys, as credentials and as config. */
#include "fuzz.h"
#include "store/store.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct lx_err err = LX_ERR_INIT;
    struct lx_s3_credentials found;
    char path[64];
    int file = memfd_create("credentials", MFD_CLOEXEC);
    require(file >= 0 && write(file, bytes, size) == (ssize_t)size, "no file");
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    struct lx_s3_credential_sources sources = {
        .profile = size % 2 != 0 ? "a" : NULL, .credentials_file = path, .config_file = path};
    enum lx_status status = lx_s3_find_credentials(&sources, &found, &err);
    require_words(status, &err);
    if (status == LX_OK) {
        require(found.access_key[0] != 0 && found.secret_key[0] != 0, "found half of it");
        require(strlen(found.access_key) < sizeof found.access_key, "a key without its end");
        require(strlen(found.secret_key) < sizeof found.secret_key, "a key without its end");
        require(strlen(found.session_token) < sizeof found.session_token, "a token");
    }
    lx_s3_credentials_clear(&found);
    close(file);
    return 0;
}
