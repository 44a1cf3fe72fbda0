/* One connection's requests, as llhttp reads them out of the bytes that came.
 *
 * Owns: the parser, and what a request says that the server wants to know. No input or output, no memory of its own.
 * Always true: what a request is said to be does not depend on how its bytes were cut into pieces (fuzz/c/httpd.c).
 * A head lies in one piece at `base`: places in it are offsets, so the bytes may be moved between two calls.
 */
#ifndef HTTPD_REQUEST_H
#define HTTPD_REQUEST_H
#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct request_limits {
    uint32_t head; /* request line and headers; and again for what trailers and chunk extensions add up to */
    uint64_t body;
};

struct span {
    uint32_t at, length;
};

/* What is counted of a body while it passes: it is never kept. */
struct body {
    uint64_t bytes, lines, words;
    bool in_word;
};

struct request {
    llhttp_t parser;
    const struct request_limits *limits;
    const char *base; /* where this request begins; good during a call of request_feed only */

    /* From here on: about the request under way, all zero at its beginning. */
    uint32_t taken;     /* bytes of the head that the parser has had */
    uint32_t extra;     /* bytes of trailers and chunk extensions */
    uint16_t refused;   /* the status that says what is wrong with it, or 0 */
    uint8_t hosts;
    bool named;         /* the target is complete */
    bool headed;        /* the head is complete */
    bool complete;
    bool keep_alive;    /* good once complete */
    bool expects;       /* the client waits for "100 Continue" */
    struct span target, field, value;
    struct span since;  /* If-Modified-Since */
    struct body body;
};

enum request_state {
    REQUEST_MORE, /* the bytes are used up, the request goes on */
    REQUEST_DONE, /* it is complete */
    REQUEST_BAD,  /* it is refused, with the status in `refused`; nothing after it can be read */
};

/* Once a connection. */
void request_init(struct request *request, const struct request_limits *limits);

/* After REQUEST_DONE: the next request begins. */
void request_next(struct request *request);

/* Reads on in base[*from..to), where base is where the request begins; *from moves to behind what was used. */
enum request_state request_feed(struct request *request, const char *base, size_t *from, size_t to);

/* A request's path, decoded: starts with '/', without "//", "/./" or "/../", ended by a zero. `query` is what follows the
 * '?', as it came. 0, or the status to refuse the target with. */
int target_path(const char *target, size_t length, char *path, size_t room, struct span *query);

/* The value of `name` in a query, decoded and ended by a zero. Its length, or -1 if it is not there, or unfit or too long. */
int query_value(const char *query, size_t length, const char *name, char *value, size_t room);
#endif
