/* ch_error.h: ClickHouse's exceptions, out of every form in which they arrive.
 *
 *   "Code: 60. DB::Exception: Table prod.e does not exist. (UNKNOWN_TABLE) (version 26.7.2.1)"
 *
 * as the body of an answer with an error status, as the last LZ4 frame of one, or behind the data
 * of an answer that began with 200:
 *   "\r\n__exception__\r\n<tag>\r\n<message>\n<length> <tag>\r\n__exception__\r\n"
 * where <tag> is the answer's header X-ClickHouse-Exception-Tag, random for each answer, so that no
 * value can look like it. Servers before 25.11 name no tag and write the bare text. */
#ifndef LX_CLICKHOUSE_CH_ERROR_H
#define LX_CLICKHOUSE_CH_ERROR_H

#include "base/buf.h"
#include "base/err.h"

#define LX_CH_CODE_UNKNOWN_SETTING 115
#define LX_CH_CODE_READONLY 164
#define LX_CH_CODE_SETTING_CONSTRAINT 452

struct lx_ch_exception {
    int code;              /* 0: none was found */
    char name[64];         /* "" where the server is too old to say it */
    struct lx_str message; /* without code, name and version; a view */
};

/* Takes the text of one exception apart; false where it is none. */
bool lx_ch_exception_parse(struct lx_str text, struct lx_ch_exception *exception);
/* Finds the trailer with this tag; false where there is none (or the tag is empty). */
bool lx_ch_exception_trailer(struct lx_str tail, struct lx_str tag, struct lx_str *text);
/* Finds the last "Code: N. DB::Exception: " in a text that is known to be a failure's: of several
 * that follow one another directly, the first. What stands before may be values. */
bool lx_ch_exception_bare(struct lx_str tail, struct lx_str *text);
/* Does such a text end as ClickHouse ends them, "(version 24.3.1.1)"? A value that holds one is cut
 * anywhere, or other values stand behind it. */
bool lx_ch_exception_is_whole(struct lx_str text);

/* Sets status, code, name, text and hint; returns the status. `where` and `query_id` are for the
 * text. */
enum lx_status lx_ch_exception_set(struct lx_err *err, const struct lx_ch_exception *exception,
                                   const char *where, const char *query_id);

#endif
