/* The JSON routes:
 *   GET  /api/hello[?name=NAME]   {"hello":"NAME"}
 *   GET  /api/stats               what the server has done and is doing
 *   POST /api/count               how many bytes, lines and words the body has
 */
#include "httpd.h"

#include <string.h>

enum { NAME_ROOM = 128 };

static void put_key(struct output *output, const char *before, const char *key, uint64_t number) {
    put_text(output, before);
    put_text(output, key);
    put_text(output, "\":");
    put_number(output, number);
}

static void hello(struct exchange *exchange, struct output *body) {
    char name[NAME_ROOM];
    bool named = query_value(exchange->query, exchange->query_length, "name", name, sizeof name) >= 0;
    put_text(body, "{\"hello\":");
    put_json_text(body, named ? name : "world");
    put_text(body, "}\n");
}

static void stats(struct exchange *exchange, struct output *body) {
    gmp_stats_t of_runtime;
    (void)exchange;
    put_key(body, "{\"", "connections", atomic_load(&server.connections));
    put_key(body, ",\"", "open", (uint64_t)atomic_load(&server.open_now));
    put_key(body, ",\"", "resting", (uint64_t)atomic_load(&server.resting));
    put_key(body, ",\"", "requests", atomic_load(&server.requests));
    if (gmp_stats(&of_runtime, sizeof of_runtime) == GMP_OK) {
        put_key(body, ",\"", "tasks", (uint64_t)gmp_num_tasks());
        put_key(body, ",\"", "threads", (uint64_t)of_runtime.threads);
        put_key(body, ",\"", "switches", of_runtime.switches);
    }
    put_text(body, "}\n");
}

static void count(struct exchange *exchange, struct output *body) {
    put_key(body, "{\"", "bytes", exchange->request->body.bytes);
    put_key(body, ",\"", "lines", exchange->request->body.lines);
    put_key(body, ",\"", "words", exchange->request->body.words);
    put_text(body, "}\n");
}

static const struct {
    const char *path;
    bool posted;
    void (*answer)(struct exchange *exchange, struct output *body);
} ROUTES[] = {{"/api/hello", false, hello}, {"/api/stats", false, stats}, {"/api/count", true, count}};

bool answer_api(struct exchange *exchange) {
    struct output *output = exchange->output;
    for (size_t i = 0; i < sizeof ROUTES / sizeof *ROUTES; i++) {
        if (strcmp(exchange->path, ROUTES[i].path) != 0) continue;
        bool posted = exchange->request->parser.method == HTTP_POST;
        if (posted != ROUTES[i].posted) {
            const char *allow = ROUTES[i].posted ? "POST" : "GET, HEAD";
            put_refusal(output, 405, allow, exchange->close, exchange->old, exchange->head_only);
            return true;
        }
        /* The head says how long the body is, so the body is written first, behind the most that a head needs. */
        size_t start = output->used;
        output->used += HEAD_MOST;
        ROUTES[i].answer(exchange, output);
        size_t length = output->used - start - HEAD_MOST;
        output->used = start;
        struct head head = {.status = 200,
                            .type = "application/json",
                            .length = (int64_t)length,
                            .close = exchange->close,
                            .old = exchange->old};
        put_head(output, &head);
        if (!exchange->head_only) {
            memmove(output->bytes + output->used, output->bytes + start + HEAD_MOST, length);
            output->used += length;
        }
        return true;
    }
    return false;
}
