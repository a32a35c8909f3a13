/* datagen: events as a program that watches language models sends them, for benchmarks.
 *
 *   datagen POOL ROWS [SEED]   rows of the events table as RowBinary, to stdout
 *
 * POOL is natural text, a sentence a line (scripts/textpool); each is used once before any comes
 * again. Same pool, rows and seed give the same bytes. Events come as traces: some that share
 * project, user, host and sdk, within some seconds. Columns, in order: event_id, project_id, type,
 * timestamp, sdk_name, sdk_version, body, context, queued_at, processed_at, queue_latency_ms,
 * estimated_cost_usd, _date, _hour. Times lie in 2026-05-01 to 2026-06-29, more by day than by
 * night. */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/limits.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_DAY 20574 /* 2026-05-01, in days since 1970 */
#define DAYS 60
#define PROJECTS 48
#define MAX_SENTENCES ((size_t)1 << 26)
#define DEFAULT_SEED 20260501

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "datagen: %s\n", what);
    exit(1);
}

/* -- random numbers: xoshiro256** (Blackman, Vigna) ------------------------------------------ */

static uint64_t random_state[4];

static uint64_t rotate(uint64_t value, int by)
{
    return value << by | value >> (64 - by);
}

static uint64_t random_u64(void)
{
    uint64_t *s = random_state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void random_seed(uint64_t seed)
{
    for (size_t i = 0; i < 4; i++)
        random_state[i] = mix(seed += 0x9e3779b97f4a7c15);
}

__extension__ typedef unsigned __int128 wide;

static uint64_t below(uint64_t limit)
{
    return (uint64_t)((wide)random_u64() * limit >> 64);
}

static double unit(void) /* in (0, 1] */
{
    return (double)((random_u64() >> 11) + 1) * 0x1p-53;
}

static double exponential(double mean)
{
    return -log(unit()) * mean;
}

static double normal(void)
{
    return sqrt(-2 * log(unit())) * cos(6.283185307179586 * unit());
}

static bool chance(unsigned percent)
{
    return below(100) < percent;
}

#define PICK(list) (list)[below(sizeof(list) / sizeof((list)[0]))]

/* -- text ------------------------------------------------------------------------------------ */

static struct lx_str *sentences;
static size_t sentence_count, sentence_at, sentence_step;

static void load_pool(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0)
        die("no text pool: scripts/textpool makes one");
    const char *text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED)
        die("the text pool cannot be mapped");
    const char *end = text + st.st_size;
    for (const char *p = text; p < end; p++)
        sentence_count += *p == '\n';
    if (sentence_count < 1000 || sentence_count > MAX_SENTENCES)
        die("the text pool is no pool of sentences");
    sentences = lx_calloc(sentence_count, sizeof *sentences);
    if (sentences == NULL)
        die("out of memory");
    for (size_t i = 0; i < sentence_count; i++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        sentences[i] = (struct lx_str){text, (size_t)(stop - text)};
        text = stop + 1;
    }
    close(fd);
}

/* A walk that meets every sentence once: a step that shares no divisor with their number. */
static void begin_walk(void)
{
    sentence_at = below(sentence_count);
    for (sentence_step = sentence_count * 5 / 8 + below(1000);; sentence_step++) {
        size_t a = sentence_step, b = sentence_count;
        while (b != 0) {
            size_t rest = a % b;
            a = b;
            b = rest;
        }
        if (a == 1)
            return;
    }
}

static void require(enum lx_status status)
{
    if (status != LX_OK)
        die(lx_status_text(status));
}

static void put(struct lx_buf *out, const char *text)
{
    require(lx_buf_text(out, text));
}

/* The next sentence as the inside of a JSON text, at most so many bytes of it. */
static void put_sentence(struct lx_buf *out, size_t most)
{
    struct lx_str text = sentences[sentence_at];
    sentence_at = (sentence_at + sentence_step) % sentence_count;
    if (text.len > most) {
        text.len = most;
        while (text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80)
            text.len--;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            require(lx_buf_byte(out, '\\'));
        if ((unsigned char)text.ptr[i] >= 0x20)
            require(lx_buf_byte(out, (uint8_t)text.ptr[i]));
    }
}

static void put_sentences(struct lx_buf *out, size_t count, size_t most)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            put(out, " ");
        put_sentence(out, most);
    }
}

/* -- events ---------------------------------------------------------------------------------- */

struct trace {
    uint64_t project, user, id[2];
    unsigned sdk, region, host, environment;
    int64_t start_ms;
};

struct event {
    const struct trace *trace;
    int64_t at_ms;
    double cost;
    struct lx_buf *body;
};

static const char *const models[] = {"gpt-4o",          "gpt-4o-mini",     "claude-3-5-sonnet",
                                     "claude-3-haiku",  "gemini-1.5-pro",  "llama-3.1-70b",
                                     "mistral-large-2", "text-embedding-3"};
static const double prices[][2] = {{2.5, 10},   {0.15, 0.6}, {3, 15}, {0.25, 1.25},
                                   {1.25, 5.0}, {0.9, 0.9},  {2, 6},  {0.02, 0}};
static const char *const names[] = {"handler.request", "db.query", "llm.chat",      "cache.get",
                                    "http.post",       "rerank",   "embed.batch",   "queue.pull",
                                    "auth.check",      "render",   "agent.step",    "vector.search",
                                    "prompt.build",    "retry",    "stream.tokens", "guardrail"};
static const char *const levels[] = {"info", "info", "info", "debug", "debug", "warn", "error"};
static const char *const files[] = {"app/api.py",    "app/worker.py", "lib/client.py",
                                    "lib/retry.py",  "agents/r.py",   "core/queue.py",
                                    "core/cache.py", "db/session.py"};

static void body_log(struct event *e)
{
    static const char *const templates[] = {"request finished in %" PRIu64 " ms",
                                            "cache miss for key user:%" PRIu64,
                                            "retrying upstream call, attempt %" PRIu64,
                                            "flushed %" PRIu64 " events to the queue",
                                            "connection pool has %" PRIu64 " idle connections",
                                            "job %" PRIu64 " done",
                                            "rate limit: %" PRIu64 " requests left",
                                            "loaded %" PRIu64 " documents"};
    struct lx_buf *out = e->body;
    require(lx_buf_printf(out, "{\"level\": \"%s\", \"message\": \"", PICK(levels)));
    if (chance(55)) {
        require(lx_buf_printf(out, PICK(templates), below(20000)));
    } else {
        put_sentences(out, 1 + below(2), 140);
    }
    require(lx_buf_printf(out, "\", \"logger\": \"%s\", \"thread\": %" PRIu64 "}", PICK(names),
                          below(32)));
}

static void body_error(struct event *e)
{
    static const char *const types[] = {"ValueError",           "TimeoutError",   "KeyError",
                                        "ConnectionResetError", "RateLimitError", "HTTPException"};
    struct lx_buf *out = e->body;
    require(lx_buf_printf(out, "{\"type\": \"%s\", \"message\": \"", PICK(types)));
    put_sentence(out, 160);
    put(out, "\", \"stack\": \"Traceback (most recent call last):");
    for (size_t frames = 2 + below(5); frames > 0; frames--)
        require(lx_buf_printf(out, "\\n  File \\\"/srv/%s\\\", line %" PRIu64 ", in %s",
                              PICK(files), 1 + below(900), PICK(names)));
    require(lx_buf_printf(out, "\", \"fingerprint\": [\"%08" PRIx64 "\"]}", below(4000)));
}

static void body_span(struct event *e)
{
    struct lx_buf *out = e->body;
    uint64_t took = (uint64_t)exp(4 + 1.4 * normal());
    require(lx_buf_printf(out,
                          "{\"spanId\": \"%016" PRIx64 "\", \"parentSpanId\": \"%016" PRIx64
                          "\", \"name\": \"%s\", \"durationMs\": %" PRIu64 ", \"attributes\": {",
                          random_u64(), e->trace->id[0], PICK(names), took));
    if (chance(35)) {
        require(lx_buf_printf(out, "\"llm.model\": \"%s\", \"llm.input\": \"", PICK(models)));
        put_sentence(out, 160);
        put(out, "\", \"llm.output\": \"");
        put_sentence(out, 200);
        put(out, "\"}}");
    } else {
        require(lx_buf_printf(out,
                              "\"http.status\": %" PRIu64 ", \"db.rows\": %" PRIu64
                              ", \"retries\": %" PRIu64 "}}",
                              chance(95) ? 200 : 400 + below(104), below(500), below(3)));
    }
}

static void body_token_usage(struct event *e)
{
    size_t model = below(sizeof models / sizeof models[0]);
    uint64_t in = (uint64_t)exp(6 + normal()), out_tokens = (uint64_t)exp(5 + normal());
    e->cost = ((double)in * prices[model][0] + (double)out_tokens * prices[model][1]) / 1e6;
    require(lx_buf_printf(e->body,
                          "{\"model\": \"%s\", \"inputTokens\": %" PRIu64
                          ", \"outputTokens\": %" PRIu64 ", \"totalTokens\": %" PRIu64
                          ", \"costUSD\": %.8g}",
                          models[model], in, out_tokens, in + out_tokens, e->cost));
}

static void body_message(struct event *e)
{
    static const char *const roles[] = {"user", "assistant", "assistant", "system", "tool"};
    require(lx_buf_printf(e->body, "{\"role\": \"%s\", \"content\": \"", PICK(roles)));
    put_sentences(e->body, 1 + below(2), 220);
    put(e->body, "\"}");
}

static void body_model_response(struct event *e)
{
    require(lx_buf_printf(e->body, "{\"model\": \"%s\", \"prompt\": \"", PICK(models)));
    put_sentence(e->body, 200);
    put(e->body, "\", \"response\": \"");
    put_sentences(e->body, 1 + below(2), 220);
    require(lx_buf_printf(e->body, "\", \"finishReason\": \"%s\", \"latencyMs\": %" PRIu64 "}",
                          chance(90) ? "stop" : "length", (uint64_t)exp(7 + 0.6 * normal())));
}

static void body_agent_action(struct event *e)
{
    require(lx_buf_printf(
        e->body, "{\"agentName\": \"planner-%" PRIu64 "\", \"action\": \"%s\", \"input\": \"",
        below(12), PICK(names)));
    put_sentence(e->body, 200);
    put(e->body, "\", \"output\": \"");
    put_sentence(e->body, 200);
    put(e->body, "\"}");
}

static void body_retrieval(struct event *e)
{
    put(e->body, "{\"query\": \"");
    put_sentence(e->body, 120);
    put(e->body, "\", \"results\": [");
    for (size_t i = 0, count = 1 + below(3); i < count; i++) {
        require(lx_buf_printf(e->body,
                              "%s{\"id\": \"doc_%" PRIu64 "\", \"score\": %.4f, \"text\": \"",
                              i > 0 ? ", " : "", below(200000), 0.5 + unit() / 2));
        put_sentence(e->body, 240);
        put(e->body, "\"}");
    }
    put(e->body, "]}");
}

static void body_tool_call(struct event *e)
{
    require(lx_buf_printf(e->body,
                          "{\"toolName\": \"%s\", \"arguments\": {\"id\": %" PRIu64
                          ", \"limit\": %" PRIu64 "}, \"result\": \"",
                          PICK(names), below(1000000), 10 * (1 + below(10))));
    put_sentence(e->body, 160);
    require(lx_buf_printf(e->body, "\", \"latencyMs\": %" PRIu64 "}", (uint64_t)exp(5 + normal())));
}

static void body_eval_metric(struct event *e)
{
    static const char *const metrics[] = {"faithfulness", "relevance", "toxicity", "bleu"};
    require(lx_buf_printf(
        e->body, "{\"suiteId\": \"suite_%" PRIu64 "\", \"metric\": \"%s\", \"value\": %.3f}",
        below(60), PICK(metrics), unit()));
}

static void body_custom(struct event *e)
{
    require(lx_buf_printf(e->body,
                          "{\"name\": \"%s\", \"payload\": {\"seq\": %" PRIu64 ", \"note\": \"",
                          PICK(names), below(100000)));
    put_sentence(e->body, 120);
    put(e->body, "\"}}");
}

static const struct {
    const char *name;
    unsigned percent;
    void (*body)(struct event *e);
} event_types[] = {
    {"log", 36, body_log},
    {"span", 25, body_span},
    {"token_usage", 14, body_token_usage},
    {"message", 6, body_message},
    {"tool_call", 4, body_tool_call},
    {"eval_metric", 4, body_eval_metric},
    {"error", 4, body_error},
    {"model_response", 3, body_model_response},
    {"agent_action", 2, body_agent_action},
    {"retrieval", 1, body_retrieval},
    {"custom", 1, body_custom},
};

/* -- rows ------------------------------------------------------------------------------------ */

/* Weights 1, 1/2, 1/3, … */
static uint64_t pick_project(double *sums)
{
    double total = 0, wanted;
    if (sums[PROJECTS - 1] == 0) /* first call */
        for (size_t i = 0; i < PROJECTS; i++)
            sums[i] = total += 1.0 / (double)(1 + i);
    wanted = unit() * sums[PROJECTS - 1];
    size_t i = 0;
    while (i + 1 < PROJECTS && sums[i] < wanted)
        i++;
    return i;
}

static void begin_trace(struct trace *trace)
{
    static double sums[PROJECTS];
    double hour;
    do
        hour = unit() * 24;
    while (unit() > 0.25 + 0.75 * sin(hour * 0.1308996938995747)); /* most at noon */
    *trace = (struct trace){
        .project = pick_project(sums),
        .user = (uint64_t)exp(unit() * 10.5),
        .id = {random_u64(), random_u64()},
        .sdk = (unsigned)below(6),
        .region = (unsigned)below(4),
        .host = (unsigned)below(40),
        .environment = (unsigned)below(10),
        .start_ms = (FIRST_DAY + (int64_t)below(DAYS)) * 86400000 + (int64_t)(hour * 3600000),
    };
}

static void put_bytes(struct lx_buf *row, const void *bytes, size_t size)
{
    require(lx_buf_append(row, bytes, size));
}

static void put_string(struct lx_buf *row, struct lx_str text)
{
    size_t left = text.len;
    for (; left >= 128; left >>= 7)
        require(lx_buf_byte(row, (uint8_t)(left | 128)));
    require(lx_buf_byte(row, (uint8_t)left));
    require(lx_buf_str(row, text));
}

static void put_context(struct lx_buf *row, const struct trace *trace)
{
    static const char *const regions[] = {"eu-west-1", "us-east-1", "us-west-2", "ap-south-1"};
    char text[256];
    int size = snprintf(text, sizeof text,
                        "{\"trace_id\": \"%016" PRIx64 "%016" PRIx64 "\", \"user\": \"u_%" PRIu64
                        "\", \"env\": \"%s\", \"region\": \"%s\", \"host\": \"node-%02u\"}",
                        trace->id[0], trace->id[1], trace->user,
                        trace->environment == 0 ? "staging" : "production", regions[trace->region],
                        trace->host);
    put_string(row, (struct lx_str){text, (size_t)size});
}

static void put_times(struct lx_buf *row, const struct event *e)
{
    int64_t queued = e->at_ms + 20 + (int64_t)exponential(180);
    double waited = exp(3.2 + 0.9 * normal());
    float latency = (float)(floor(waited * 1000) / 1000);
    int64_t processed = queued + (int64_t)waited;
    uint16_t date = (uint16_t)(e->at_ms / 86400000);
    uint32_t hour = (uint32_t)(e->at_ms / 3600000 * 3600);
    put_bytes(row, &queued, sizeof queued);
    put_bytes(row, &processed, sizeof processed);
    put_bytes(row, &latency, sizeof latency);
    put_bytes(row, &e->cost, sizeof e->cost);
    put_bytes(row, &date, sizeof date);
    put_bytes(row, &hour, sizeof hour);
}

static void put_row(struct lx_buf *row, struct event *e)
{
    static const char *const sdks[] = {"watch-python", "watch-js",   "watch-go",
                                       "langchain",    "llamaindex", "otel-bridge"};
    char text[64];
    uint64_t id[2] = {(random_u64() & ~(uint64_t)0xf000) | 0x4000,
                      (random_u64() >> 2) | (uint64_t)1 << 63};
    uint64_t roll = below(100);
    size_t type = 0;
    while (roll >= event_types[type].percent)
        roll -= event_types[type++].percent;
    put_bytes(row, id, sizeof id); /* as two little-endian halves, as RowBinary has them */
    int size = snprintf(text, sizeof text, "proj_%016" PRIx64,
                        mix(e->trace->project + 0x9e3779b97f4a7c15));
    put_string(row, (struct lx_str){text, (size_t)size});
    put_string(row, lx_str_of(event_types[type].name));
    put_bytes(row, &e->at_ms, sizeof e->at_ms);
    put_string(row, lx_str_of(sdks[e->trace->sdk]));
    /* A new version every twenty days; some stay behind. */
    uint64_t release = (uint64_t)(e->at_ms / 86400000 - FIRST_DAY) / 20 + below(2);
    size = snprintf(text, sizeof text, "%u.%" PRIu64 ".%u", e->trace->sdk % 3, release + 4,
                    e->trace->host % 4);
    put_string(row, (struct lx_str){text, (size_t)size});
    lx_buf_clear(e->body);
    event_types[type].body(e);
    put_string(row, lx_buf_view(e->body));
    put_context(row, e->trace);
    put_times(row, e);
}

int main(int argc, char **argv)
{
    uint64_t rows = 0, seed = DEFAULT_SEED;
    if (argc < 3 || argc > 4 || !lx_str_to_u64(lx_str_of(argv[2]), &rows) ||
        (argc == 4 && !lx_str_to_u64(lx_str_of(argv[3]), &seed)))
        die("usage: datagen POOL ROWS [SEED]");
    random_seed(seed);
    load_pool(argv[1]);
    begin_walk();
    struct lx_buf row = LX_BUF(2 * LX_MIB), body = LX_BUF(LX_MIB);
    struct trace trace;
    while (rows > 0) {
        begin_trace(&trace);
        int64_t at = trace.start_ms;
        for (uint64_t events = 1 + (uint64_t)exponential(3.2); events > 0 && rows > 0; events--) {
            struct event event = {.trace = &trace, .at_ms = at, .body = &body};
            put_row(&row, &event);
            at += (int64_t)exponential(800);
            rows--;
        }
        if (row.len > LX_MIB || rows == 0) {
            if (fwrite(row.data, 1, row.len, stdout) != row.len)
                die("cannot write");
            lx_buf_clear(&row);
        }
    }
    if (fflush(stdout) != 0)
        die("cannot write");
    lx_buf_free(&row);
    lx_buf_free(&body);
    lx_free(sentences);
    return 0;
}
