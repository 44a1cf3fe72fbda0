#include "client.h"

#include "budget.h"
#include "command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What a client may keep while it waits, of room for requests; for replies twice that. */
enum { KEEP = 32 * 1024 };

struct reply_limits reply_limits = {.batch = KEEP, .whole = 256u << 20};

void client_init(struct client *c, uint64_t id) {
    memset(c, 0, sizeof *c);
    c->id = id;
    request_init(&c->request);
}

void client_free(struct client *c) {
    buffer_free(&c->in);
    buffer_free(&c->out);
    request_free(&c->request);
}

bool client_room(struct client *c) {
    bool filled = c->in.len == c->in.room;
    buffer_drop_front(&c->in, c->done);
    c->done = 0;
    buffer_trim(&c->in, KEEP);
    /* A read that took all the room was not all there was to read: then more at a time, up to a bound. */
    if (filled && c->in.room < KEEP / 2 && !buffer_reserve(&c->in, c->in.room + 1)) return false;
    size_t needs = request_needs(&c->request, c->in.len);
    if (c->in.room - c->in.len >= needs) return true;
    if (c->in.room >= KEEP && budget_exhausted()) return false;
    /* Not all that a long request announces: it has as much as it sends, twice over. */
    return buffer_reserve(&c->in, needs < c->in.room || c->in.room == 0 ? needs : c->in.room);
}

void client_sent(struct client *c) {
    c->out.len = 0;
    buffer_trim(&c->out, 2 * KEEP);
}

enum wants client_run(struct client *c) {
    while (!c->closing) {
        if (c->out.len >= reply_limits.batch) return WANTS_FLUSH;
        const char *why;
        enum parsed found = request_parse(&c->request, &c->in, c->done, &why);
        if (found == PARSED_PART) return WANTS_BYTES;
        c->mark = c->out.len;
        if (found == PARSED_BAD) {
            reply_error(c, "ERR Protocol error: %s", why);
            c->closing = true;
            break;
        }
        if (c->request.argc > 0) command_run(c);
        c->done += c->request.taken;
        request_next(&c->request);
    }
    return WANTS_CLOSE;
}

/* ------------------------------------------------------------ replies */
void reply_bytes(struct client *c, const char *at, size_t len) {
    if (c->overflow) return;
    bool grows = c->out.room - c->out.len < len;
    if (c->out.len - c->mark + len > reply_limits.whole || (grows && c->out.len + len > 2 * KEEP && budget_exhausted()) ||
        !buffer_reserve(&c->out, len)) {
        c->overflow = true;
        return;
    }
    memcpy(c->out.at + c->out.len, at, len);
    c->out.len += len;
}

void reply_status(struct client *c, const char *text) {
    reply_raw(c, "+");
    reply_bytes(c, text, strlen(text));
    reply_raw(c, "\r\n");
}

/* One line, whatever a client's bytes in it are. */
void reply_error(struct client *c, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0) len = 0;
    if (len >= (int)sizeof text) len = sizeof text - 1;
    for (int i = 0; i < len; i++) {
        if (text[i] == '\r' || text[i] == '\n') text[i] = ' ';
    }
    reply_raw(c, "-");
    reply_bytes(c, text, (size_t)len);
    reply_raw(c, "\r\n");
}

/* A sign, a number and a line end. */
static void reply_number(struct client *c, char sign, int64_t n) {
    char text[24], *end = text + sizeof text, *at = end;
    uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    *--at = '\n';
    *--at = '\r';
    do *--at = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (n < 0) *--at = '-';
    *--at = sign;
    reply_bytes(c, at, (size_t)(end - at));
}

void reply_int(struct client *c, int64_t n) { reply_number(c, ':', n); }
void reply_array(struct client *c, size_t n) { reply_number(c, '*', (int64_t)n); }

void reply_bulk(struct client *c, const char *at, size_t len) {
    reply_number(c, '$', (int64_t)len);
    reply_bytes(c, at, len);
    reply_raw(c, "\r\n");
}

void reply_word(struct client *c, const char *text) { reply_bulk(c, text, strlen(text)); }
void reply_nothing(struct client *c) { reply_raw(c, "$-1\r\n"); }

bool reply_wrong_kind(struct client *c) {
    reply_error(c, "WRONGTYPE Operation against a key holding the wrong kind of value");
    return false;
}

bool reply_syntax(struct client *c) {
    reply_error(c, "ERR syntax error");
    return false;
}

bool reply_no_memory(struct client *c) {
    reply_error(c, "OOM out of memory");
    return false;
}
