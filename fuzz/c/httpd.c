/* The body for httpd's parser glue: bytes as one connection's requests.
 *
 * The first byte says how the rest is cut into pieces. What is said of the requests, cut and moved about in memory, must be
 * what is said of them in one piece; and what is said must hold: places lie in the head, paths stay below the root.
 */
#include "../../examples/c/httpd/request.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { HEAD = 256, BODY = 200, PATH = 64, REQUESTS = 64, SUMMARY = 512 };
static const struct request_limits LIMITS = {HEAD, BODY};
#ifdef PLANTED /* a fault for the fuzzer's own test: cut into pieces, less of a head is taken */
static const struct request_limits CUT_LIMITS = {HEAD - 20, BODY};
#else
#define CUT_LIMITS LIMITS
#endif

/* All that the server would look at. */
struct said {
    enum request_state state;
    unsigned status, method, keep_alive, expects, minor;
    int target_status, value_length;
    struct body body;
    char path[PATH], value[PATH], since[SUMMARY];
};

#define MUST(condition) ((condition) ? (void)0 : abort())

static void check_path(const char *path) {
    MUST(path[0] == '/');
    MUST(!strstr(path, "//") && !strstr(path, "/./") && !strstr(path, "/../"));
    size_t length = strlen(path);
    MUST(!(length >= 2 && strcmp(path + length - 2, "/.") == 0));
    MUST(!(length >= 3 && strcmp(path + length - 3, "/..") == 0));
}

static void look(struct request *request, const char *base, size_t length, struct said *said) {
    memset(said, 0, sizeof *said);
    MUST(request->refused == 0 && request->complete && request->headed);
    MUST(request->target.at + request->target.length <= length && request->since.at + request->since.length <= length);
    MUST(request->body.bytes <= BODY && request->taken <= HEAD && request->extra <= HEAD);
    MUST(request->body.words <= request->body.bytes && request->body.lines <= request->body.bytes);
    said->method = request->parser.method;
    said->minor = request->parser.http_minor;
    said->keep_alive = request->keep_alive;
    said->expects = request->expects;
    said->body = request->body;
    memcpy(said->since, base + request->since.at, request->since.length < SUMMARY ? request->since.length : SUMMARY - 1);
    struct span query;
    const char *target = base + request->target.at;
    said->target_status = target_path(target, request->target.length, said->path, sizeof said->path, &query);
    if (said->target_status != 0) {
        memset(said->path, 0, sizeof said->path);
        return;
    }
    check_path(said->path);
    MUST(query.at + query.length <= request->target.length);
    said->value_length = query_value(target + query.at, query.length, "name", said->value, sizeof said->value);
    if (said->value_length < 0) memset(said->value, 0, sizeof said->value);
    else MUST(strlen(said->value) == (size_t)said->value_length && said->value_length < PATH);
}

/* As the connection does, but that the bytes move before each piece. `cut` 0: in one piece. */
static size_t converse(const uint8_t *bytes, size_t size, unsigned cut, struct said *said) {
    struct request request;
    size_t begin = 0, at = 0, have = cut ? 0 : size, count = 0;
    request_init(&request, cut ? &CUT_LIMITS : &LIMITS);
    while (count < REQUESTS) {
        size_t used = at - begin;
        char *copy = malloc(have - begin + 1);
        MUST(copy != NULL);
        memcpy(copy, bytes + begin, have - begin);
        enum request_state state = request_feed(&request, copy, &used, have - begin);
        MUST(used <= have - begin && begin + used >= at);
        at = begin + used;
        if (state == REQUEST_DONE) {
            look(&request, copy, used, &said[count++]);
        } else if (state == REQUEST_BAD) {
            memset(&said[count], 0, sizeof said[count]);
            MUST(request.refused >= 400 && request.refused < 600 && !request.complete);
            said[count].state = REQUEST_BAD;
            said[count++].status = request.refused;
        }
        free(copy);
        if (state == REQUEST_BAD) break;
        if (state == REQUEST_DONE) {
            if (!said[count - 1].keep_alive) break;
            request_next(&request);
            begin = at;
            continue;
        }
        MUST(at == have);
        if (have == size) break;
        size_t piece = 1 + (cut * 2654435761u >> 7) % (cut % 5 == 0 ? 1 : cut % 40);
        cut = cut * 1103515245u + 12345u;
        if (cut == 0) cut = 1;
        have = size - have < piece ? size : have + piece;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct said whole[REQUESTS + 1], cut[REQUESTS + 1];
    if (size == 0) return 0;
    size_t count = converse(bytes + 1, size - 1, 0, whole);
    MUST(converse(bytes + 1, size - 1, bytes[0] + 1u, cut) == count);
    for (size_t i = 0; i < count; i++) MUST(memcmp(&whole[i], &cut[i], sizeof *whole) == 0);
    return 0;
}
