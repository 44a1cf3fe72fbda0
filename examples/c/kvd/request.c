#include "request.h"

#include "budget.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST_LINE = 64 * 1024, MOST_ARGS = 1024 * 1024 };

struct request_limits request_limits = {.bulk = 16u << 20, .whole = 64u << 20};

void request_init(struct request *r) {
    *r = (struct request){.bulk = -1, .room = ARGS_AT_HAND};
    r->argv = r->at_hand;
}

void request_free(struct request *r) {
    if (r->argv != r->at_hand) budget_free(r->argv);
    r->argv = r->at_hand;
    r->room = ARGS_AT_HAND;
}

void request_next(struct request *r) {
    if (r->room > 1024) request_free(r);
    r->argc = r->taken = 0;
    r->wanted = 0;
    r->bulk = -1;
}

int number_of(struct slice text, int64_t *out) {
    const char *at = text.at, *end = text.at + text.len;
    bool minus = at < end && *at == '-';
    at += minus;
    if (at == end || end - at > 19 || (*at == '0' && (end - at > 1 || minus))) return -1;
    uint64_t value = 0;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9') return -1;
        value = value * 10 + (uint64_t)(*at - '0');
    }
    if (value > (uint64_t)INT64_MAX + minus) return -1;
    *out = minus ? (int64_t)(0 - value) : (int64_t)value;
    return 0;
}

/* Offsets while the request is under way, as the buffer may move. */
static bool add(struct request *r, size_t from, size_t len) {
    if (r->argc == r->room) {
        size_t room = 2 * r->room;
        struct slice *old = r->argv == r->at_hand ? NULL : r->argv;
        struct slice *more = budget_grow(old, room * sizeof *more);
        if (!more) return false;
        if (!old) memcpy(more, r->at_hand, sizeof r->at_hand);
        r->argv = more;
        r->room = room;
    }
    r->argv[r->argc++] = (struct slice){(char *)(uintptr_t)from, len};
    return true;
}

static enum parsed whole(struct request *r, char *base) {
    for (size_t i = 0; i < r->argc; i++) r->argv[i].at = base + (uintptr_t)r->argv[i].at;
    return PARSED_WHOLE;
}

static enum parsed bad(const char **why, const char *what) {
    *why = what;
    return PARSED_BAD;
}

/* ------------------------------------------------------------ lines of words */
static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0'; }

static char unescaped(char c) {
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
    }
}

/* Takes one word's quotes out, in place. Gives the end of the word, or NULL when a quote is not closed. */
static char *unquote(char *at, char *end, size_t *len) {
    char *to = at, *from = at;
    while (from < end && !is_space(*from)) {
        char quote = *from;
        if (quote != '"' && quote != '\'') {
            *to++ = *from++;
            continue;
        }
        for (from++;; from++) {
            if (from == end) return NULL;
            if (*from == quote) break;
            if (*from == '\\' && end - from > 1 && quote == '\'' && from[1] == '\'') {
                *to++ = *++from;
            } else if (*from == '\\' && end - from > 1 && quote == '"') {
                if (end - from > 3 && from[1] == 'x' && hex_digit(from[2]) >= 0 && hex_digit(from[3]) >= 0) {
                    *to++ = (char)(hex_digit(from[2]) * 16 + hex_digit(from[3]));
                    from += 3;
                } else {
                    *to++ = unescaped(*++from);
                }
            } else {
                *to++ = *from;
            }
        }
        from++;
        if (from < end && !is_space(*from)) return NULL; /* a closing quote ends its word */
    }
    *len = (size_t)(to - at);
    return from;
}

static enum parsed parse_line(struct request *r, char *base, size_t there, const char **why) {
    size_t look = there < LONGEST_LINE ? there : LONGEST_LINE;
    char *end = memchr(base, '\n', look);
    if (!end) return look == LONGEST_LINE ? bad(why, "too big inline request") : PARSED_PART;
    r->taken = (size_t)(end - base) + 1;
    if (end > base && end[-1] == '\r') end--;
    for (char *at = base;;) {
        while (at < end && is_space(*at)) at++;
        if (at == end) return whole(r, base);
        char *word = at;
        size_t len;
        at = unquote(at, end, &len);
        if (!at) return bad(why, "unbalanced quotes in request");
        if (!add(r, (size_t)(word - base), len)) return bad(why, "no memory for the request");
    }
}

/* ------------------------------------------------------------ arrays of bulk strings */

/* The number on a line "?NUMBER\r\n" at `taken`. */
static enum parsed number_line(struct request *r, char *base, size_t there, int64_t *out, const char **why,
                               const char *too_long, const char *wrong) {
    char *line = base + r->taken;
    size_t look = there - r->taken;
    if (look > LONGEST_LINE) look = LONGEST_LINE;
    char *end = memchr(line, '\r', look);
    if (!end) return look == LONGEST_LINE ? bad(why, too_long) : PARSED_PART;
    if ((size_t)(end - line) + 1 == there - r->taken) return PARSED_PART;
    if (end[1] != '\n' || number_of((struct slice){line + 1, (size_t)(end - line) - 1}, out) != 0) return bad(why, wrong);
    r->taken += (size_t)(end - line) + 2;
    return PARSED_WHOLE;
}

static enum parsed parse_bulk(struct request *r, char *base, size_t there, const char **why) {
    if (r->bulk < 0) {
        if (r->taken == there) return PARSED_PART;
        if (base[r->taken] != '$') {
            char got = base[r->taken];
            snprintf(r->complaint, sizeof r->complaint, "expected '$', got '%c'", got >= ' ' && got <= '~' ? got : '?');
            return bad(why, r->complaint);
        }
        int64_t len;
        enum parsed done = number_line(r, base, there, &len, why, "too big bulk count string", "invalid bulk length");
        if (done != PARSED_WHOLE) return done;
        if (len < 0 || (uint64_t)len > request_limits.bulk) return bad(why, "invalid bulk length");
        if (r->taken + (uint64_t)len + 2 > request_limits.whole) return bad(why, "too big request");
        r->bulk = len;
    }
    if (there - r->taken < (size_t)r->bulk + 2) return PARSED_PART;
    if (memcmp(base + r->taken + r->bulk, "\r\n", 2) != 0) return bad(why, "bulk string without its end");
    if (!add(r, r->taken, (size_t)r->bulk)) return bad(why, "no memory for the request");
    r->taken += (size_t)r->bulk + 2;
    r->bulk = -1;
    return PARSED_WHOLE;
}

enum parsed request_parse(struct request *r, struct buffer *in, size_t from, const char **why) {
    char *base = in->at + from;
    size_t there = in->len - from;
    if (there == 0) return PARSED_PART;
    if (r->wanted == 0) {
        if (*base != '*') return parse_line(r, base, there, why);
        enum parsed done =
            number_line(r, base, there, &r->wanted, why, "too big mbulk count string", "invalid multibulk length");
        if (done != PARSED_WHOLE) return done;
        if (r->wanted > MOST_ARGS) return bad(why, "invalid multibulk length");
        if (r->wanted <= 0) return PARSED_WHOLE;
    }
    while (r->argc < (size_t)r->wanted) {
        enum parsed done = parse_bulk(r, base, there, why);
        if (done != PARSED_WHOLE) return done;
    }
    return whole(r, base);
}

size_t request_needs(const struct request *r, size_t there) {
    size_t end = r->bulk < 0 ? 0 : r->taken + (size_t)r->bulk + 2;
    return end > there ? end - there : 1;
}
