/* lynex iam: the least that these settings need: an S3 policy of four actions, and one GRANT. */
#include "cmd/cmd.h"

#include "base/alloc.h"
#include "cmd/terminal.h"

#include <stdio.h>
#include <stdlib.h>

static json_t *policy(const struct lx_config *config)
{
    const char *bucket = config->target.bucket, *root = config->target.root;
    char objects[LX_MAX_NAME], whole[LX_MAX_NAME];
    snprintf(objects, sizeof objects, "arn:aws:s3:::%s%s%s/*", bucket, root[0] != 0 ? "/" : "",
             root);
    snprintf(whole, sizeof whole, "arn:aws:s3:::%s", bucket);
    return json_pack("{s:s,s:[{s:s,s:s,s:[s,s,s],s:s},{s:s,s:s,s:s,s:s}]}", "Version", "2012-10-17",
                     "Statement", "Sid", "LynexObjects", "Effect", "Allow", "Action",
                     "s3:PutObject", "s3:GetObject", "s3:DeleteObject", "Resource", objects, "Sid",
                     "LynexList", "Effect", "Allow", "Action", "s3:ListBucket", "Resource", whole);
}

static enum lx_status grant(struct lx_cmd *cmd, struct lx_buf *text)
{
    const struct lx_config_server *server = &cmd->config->servers[0];
    const struct lx_config *c = cmd->config;
    bool deletes = c->delete_after && c->mode != LX_SET_SOAK;
    struct lx_err err = LX_ERR_INIT;
    LX_TRY(lx_cmd_split_table(cmd, &err));
    const char *database = cmd->database[0] != 0 ? cmd->database : "default";
    LX_TRY(lx_buf_text(text, deletes ? "GRANT SELECT, ALTER DELETE ON " : "GRANT SELECT ON "));
    LX_TRY(lx_ch_quote_name(text, lx_str_of(database)));
    LX_TRY(lx_buf_text(text, "."));
    LX_TRY(lx_ch_quote_name(text, lx_str_of(cmd->table)));
    LX_TRY(lx_buf_text(text, " TO "));
    LX_TRY(lx_ch_quote_name(
        text, lx_str_of(server->user != NULL && server->user[0] != 0 ? server->user : "default")));
    return lx_buf_text(text, ";");
}

int lx_cmd_iam(struct lx_cmd *cmd)
{
    struct lx_buf sql = LX_BUF(64 * LX_KIB);
    if (!lx_cmd_args_done(cmd, 0))
        return LX_EXIT_USAGE;
    json_t *document = cmd->config->target.is_directory ? NULL : policy(cmd->config);
    if (grant(cmd, &sql) != LX_OK) {
        json_decref(document);
        return lx_cmd_usage(cmd, "check CLICKHOUSE_DATABASE and ARCHIVE_TABLE",
                            "the names are too long");
    }
    int status = LX_EXIT_DONE;
    if (cmd->json) {
        json_t *both = json_pack("{s:s}", "grant", lx_buf_cstr(&sql));
        if (both != NULL && document != NULL)
            json_object_set(both, "policy", document);
        status = lx_cmd_print_json(cmd, both);
    } else {
        if (document != NULL) {
            printf("# S3: the policy of the user whose keys lynex has\n");
            char *text = json_dumps(document, JSON_INDENT(2));
            printf("%s\n\n", text != NULL ? text : "");
            free(text);
        }
        printf("-- ClickHouse: run as an administrator\n%s\n", lx_buf_cstr(&sql));
    }
    json_decref(document);
    lx_buf_free(&sql);
    return status;
}
