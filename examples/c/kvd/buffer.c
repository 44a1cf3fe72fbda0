#include "buffer.h"

#include "budget.h"

#include <stdint.h>
#include <string.h>

/* Most clients wait, most of the time, with nothing in their buffers; this holds a batch of short commands. */
enum { FIRST = 768 - 16 };

bool buffer_reserve(struct buffer *b, size_t more) {
    if (b->room - b->len >= more) return true;
    if (more > SIZE_MAX / 4 - b->len) return false;
    size_t room = b->room ? 2 * b->room : FIRST;
    if (room < b->len + more) room = b->len + more;
    char *at = budget_grow(b->at, room);
    if (!at) return false;
    b->at = at;
    b->room = room;
    return true;
}

void buffer_drop_front(struct buffer *b, size_t n) {
    if (n == 0) return;
    b->len -= n;
    if (b->len > 0) memmove(b->at, b->at + n, b->len);
}

void buffer_trim(struct buffer *b, size_t room) {
    if (b->len == 0 && b->room > room) buffer_free(b);
}

void buffer_free(struct buffer *b) {
    budget_free(b->at);
    *b = (struct buffer){NULL, 0, 0};
}
