/* What a request's target names: a path that stays below the root, and a query.
 *
 * The kernel is told to stay below the root as well (files.c); here the path is made one that people would recognise, and
 * what could only be meant to leave the root is refused.
 */
#include "request.h"

#include <string.h>

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

/* The byte at *at, decoded; *at moves behind it. -1: not an encoding, or of a zero, which no path or text can hold. */
static int next_byte(const char *text, size_t length, size_t *at) {
    if (text[*at] != '%') return (unsigned char)text[(*at)++];
    if (length - *at < 3) return -1;
    int high = digit(text[*at + 1]), low = digit(text[*at + 2]);
    if (high < 0 || low < 0 || (high == 0 && low == 0)) return -1;
    *at += 3;
    return high * 16 + low;
}

/* "http://host" before the path: clients that take us for a proxy, and those that follow RFC 9112 3.2.2. */
static size_t skip_authority(const char *target, size_t length) {
    static const char SCHEME[] = "http://";
    size_t n = sizeof SCHEME - 1;
    if (length < n) return 0;
    for (size_t i = 0; i < n; i++) {
        if ((target[i] | (SCHEME[i] >= 'a' ? 0x20 : 0)) != SCHEME[i]) return 0;
    }
    while (n < length && target[n] != '/' && target[n] != '?') n++;
    return n;
}

/* Takes the last segment back if it is "." or empty. False: it is "..". */
static bool end_segment(const char *path, size_t *used) {
    const char *segment = path + *used;
    while (segment > path && segment[-1] != '/') segment--;
    size_t length = (size_t)(path + *used - segment);
    if (length == 1 && segment[0] == '.') *used -= 1;
    return !(length == 2 && segment[0] == '.' && segment[1] == '.');
}

int target_path(const char *target, size_t length, char *path, size_t room, struct span *query) {
    size_t at = skip_authority(target, length), used = 0;
    *query = (struct span){0, 0};
    if (at < length && target[at] != '/' && (at == 0 || target[at] != '?')) return 400; /* "*", "host:port" */
    path[used++] = '/';
    while (at < length && target[at] != '?') {
        int byte = next_byte(target, length, &at);
        if (byte < 0) return 400;
        if (byte == '/') {
            if (!end_segment(path, &used)) return 400;
            if (path[used - 1] == '/') continue;
        }
        if (used + 1 >= room) return 414;
        path[used++] = (char)byte;
    }
    if (!end_segment(path, &used)) return 400;
    path[used] = 0;
    if (at < length) *query = (struct span){(uint32_t)(at + 1), (uint32_t)(length - at - 1)};
    return 0;
}

int query_value(const char *query, size_t length, const char *name, char *value, size_t room) {
    size_t at = 0, named = strlen(name);
    while (at < length) {
        const char *end = memchr(query + at, '&', length - at);
        size_t stop = end ? (size_t)(end - query) : length;
        if (stop - at > named && memcmp(query + at, name, named) == 0 && query[at + named] == '=') {
            size_t used = 0;
            at += named + 1;
            while (at < stop) {
                int byte = query[at] == '+' ? (at++, ' ') : next_byte(query, stop, &at);
                if (byte < 0 || used + 1 >= room) return -1;
                value[used++] = (char)byte;
            }
            value[used] = 0;
            return (int)used;
        }
        at = stop + 1;
    }
    return -1;
}
