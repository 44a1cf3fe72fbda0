/* Bytes that grow at their end. All-zero is an empty one. */
#ifndef KVD_BUFFER_H
#define KVD_BUFFER_H
#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *at;
    size_t len, room;
};

/* A part of somebody else's bytes. */
struct slice {
    char *at;
    size_t len;
};

bool buffer_reserve(struct buffer *b, size_t more); /* room for so many after `len`; false: no memory */
void buffer_drop_front(struct buffer *b, size_t n);
void buffer_trim(struct buffer *b, size_t room);    /* an empty buffer with more room than that gives it back */
void buffer_free(struct buffer *b);
#endif
