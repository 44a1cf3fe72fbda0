/* Requests in RESP2: an array of bulk strings, or a line of words as a person types it.
 *
 * Always true: what was looked at once is not looked at again, so a request that arrives byte by byte costs no more than
 * one that arrives whole (but for its one unfinished line, of at most 64 KiB); no memory is taken for what was only announced. */
#ifndef KVD_REQUEST_H
#define KVD_REQUEST_H
#include "buffer.h"

#include <stdint.h>

enum { ARGS_AT_HAND = 12 };

struct request {
    size_t argc;         /* arguments found so far */
    struct slice *argv;  /* valid when whole, until the buffer changes */
    size_t taken;        /* bytes of the buffer's front that belong to it */
    /* how far we are */
    int64_t wanted;      /* arguments announced; 0: not known yet */
    int64_t bulk;        /* length of the argument that comes next, -1: not known yet */
    size_t room;
    char complaint[32];
    struct slice at_hand[ARGS_AT_HAND];
};

enum parsed {
    PARSED_PART,  /* more bytes are needed; `request_needs` says how many at least */
    PARSED_WHOLE, /* argc, argv; argc 0 asks for nothing and gets no reply */
    PARSED_BAD,   /* `why` says why; the connection cannot go on */
};

struct request_limits {
    size_t bulk;  /* longest argument */
    size_t whole; /* longest request */
};
extern struct request_limits request_limits;

void request_init(struct request *r);
void request_free(struct request *r);
void request_next(struct request *r); /* forgets a whole one */
/* Looks at the bytes from `in->at + from` on. They may be written to: a line's quotes are taken out in place. */
enum parsed request_parse(struct request *r, struct buffer *in, size_t from, const char **why);
size_t request_needs(const struct request *r, size_t there);

/* As Redis reads integers: digits with an optional minus, no sign or zero in front, nothing around. */
int number_of(struct slice text, int64_t *out); /* 0, or -1 */
#endif
