/* status.h: the outcomes of every fallible function, and their classes.
 *
 * One table makes the code, its name and its class. The class says what may be done:
 *   ok       nothing to do
 *   retry    the same call may succeed later (network, overload): retry within named limits
 *   fail     repeating is useless: tell the user, go on with nothing
 *   corrupt  data is not what it must be: never retried, never ignored, nothing is deleted
 *   bug      lynex itself is wrong; treated as corrupt */
#ifndef LX_BASE_STATUS_H
#define LX_BASE_STATUS_H

#define LX_STATUS_TABLE(X)                                                                         \
    X(OK, ok, "ok")                                                                                \
    X(E_MEMORY, fail, "out of memory")                                                             \
    X(E_LIMIT, fail, "a limit was reached")                                                        \
    X(E_ARGUMENT, fail, "wrong argument or setting")                                               \
    X(E_IO, fail, "input or output failed")                                                        \
    X(E_NOSPACE, fail, "no space left")                                                            \
    X(E_NOTFOUND, fail, "not found")                                                               \
    X(E_EXISTS, fail, "exists already")                                                            \
    X(E_ACCESS, fail, "access denied")                                                             \
    X(E_AUTH, fail, "wrong credentials")                                                           \
    X(E_UNSUPPORTED, fail, "not supported")                                                        \
    X(E_CONFLICT, fail, "another writer was faster")                                               \
    X(E_REFUSED, fail, "refused for safety")                                                       \
    X(E_CANCELLED, fail, "interrupted")                                                            \
    X(E_REMOTE, fail, "the server reported an error")                                              \
    X(E_NETWORK, retry, "the network failed")                                                      \
    X(E_TIMEOUT, retry, "timed out")                                                               \
    X(E_BUSY, retry, "the server is busy")                                                         \
    X(E_UNKNOWN, retry, "the outcome is unknown")                                                  \
    X(E_AGAIN, retry, "the table changed, plan again")                                             \
    X(E_FORMAT, corrupt, "malformed data")                                                         \
    X(E_CORRUPT, corrupt, "corrupt data")                                                          \
    X(E_MISMATCH, corrupt, "the proof failed")                                                     \
    X(E_BUG, bug, "internal error")

enum lx_status {
#define X(name, class, text) LX_##name,
    LX_STATUS_TABLE(X)
#undef X
        LX_STATUS_COUNT
};

enum lx_class { LX_CLASS_ok, LX_CLASS_retry, LX_CLASS_fail, LX_CLASS_corrupt, LX_CLASS_bug };

/* Static texts; never NULL, also for values outside the table. */
const char *lx_status_name(enum lx_status status);
const char *lx_status_text(enum lx_status status);
enum lx_class lx_status_class(enum lx_status status);

#define LX_MUST_CHECK __attribute__((warn_unused_result))
#define LX_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Hands a failure on as it is. For functions that own nothing yet. */
#define LX_TRY(call)                                                                               \
    do {                                                                                           \
        enum lx_status lx_try_status_ = (call);                                                    \
        if (lx_try_status_ != LX_OK)                                                               \
            return lx_try_status_;                                                                 \
    } while (0)

/* Hands a failure on through the function's one cleanup label; `status` must be its variable. */
#define LX_TRY_GOTO(call, label)                                                                   \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != LX_OK)                                                                       \
            goto label;                                                                            \
    } while (0)

#endif
