/* One client's conversation: bytes in, bytes out. Knows no socket. */
#ifndef KVD_CLIENT_H
#define KVD_CLIENT_H
#include "request.h"
#include "store.h"

struct client {
    struct buffer in, out;
    size_t done;            /* bytes of `in` whose requests were answered */
    struct request request; /* the one that is looked at */
    uint64_t id;
    uint64_t hash;          /* of the command's first key */
    size_t mark;            /* where the command's reply began */
    bool overflow;          /* the reply was too long, or there was no memory for it */
    bool closing;
    struct table *flushed;  /* SHARDS of them, freed when no lock is held */
    char name[64];
};

enum wants {
    WANTS_BYTES, /* everything whole was answered */
    WANTS_FLUSH, /* so far; there is much to send already */
    WANTS_CLOSE, /* after `out` was sent */
};

struct reply_limits {
    size_t batch; /* replies that wait together; past it they are sent before the next command */
    size_t whole; /* one command's reply */
};
extern struct reply_limits reply_limits;

void client_init(struct client *c, uint64_t id);
void client_free(struct client *c);
bool client_room(struct client *c);  /* room in `in` for what is read next; false: no memory */
enum wants client_run(struct client *c);
void client_sent(struct client *c);  /* `out` is with the kernel */

/* ------------------------------------------------------------ replies */
#define reply_raw(c, literal) reply_bytes(c, literal, sizeof(literal) - 1)
void reply_bytes(struct client *c, const char *at, size_t len);
void reply_status(struct client *c, const char *text);
void reply_error(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reply_int(struct client *c, int64_t n);
void reply_bulk(struct client *c, const char *at, size_t len);
void reply_word(struct client *c, const char *text); /* as a bulk string */
void reply_nothing(struct client *c);                /* the null bulk string */
void reply_array(struct client *c, size_t n);        /* n replies follow */
bool reply_wrong_kind(struct client *c);
bool reply_syntax(struct client *c);
bool reply_no_memory(struct client *c);
#endif
