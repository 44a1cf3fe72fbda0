/* What a key may hold: a text, a list of texts, or a table (a hash's fields, a set's members, and the keys themselves).
 *
 * A table is an array of chains that doubles and halves; it is rebuilt in one go, which for the store's tables means a
 * sixty-fourth of the keys at a time. Its hash is keyed at start, so that nobody can choose keys that collide. */
#ifndef KVD_VALUE_H
#define KVD_VALUE_H
#include "buffer.h"

#include <stdint.h>

struct text {
    uint32_t len, room;
    char at[];
};

/* A ring: both ends grow and shrink. */
struct list {
    struct text **ring;
    size_t first, count, room; /* room is 0 or a power of two */
};

enum kind { KIND_NONE, KIND_TEXT, KIND_LIST, KIND_HASH, KIND_SET };

struct item {
    struct item *next;
    uint64_t hash;
    int64_t expires; /* milliseconds of gmp_now; 0: never. Keys of the store only */
    union {
        struct text *text;
        struct list *list;
        struct table *table;
    } value; /* NULL in a set's members */
    uint32_t key_len;
    uint8_t kind;
    char key[];
};

struct table {
    struct item **chains;
    size_t room, count; /* room is 0 or a power of two */
};

void hash_seed(void); /* once, before the first hash */
uint64_t hash_of(struct slice key);
uint64_t random_bits(uint64_t *state); /* good enough to pick a member; any state but 0 */

/* Each that makes something gives NULL or false without memory, and has then changed nothing. */
struct text *text_new(const char *at, size_t len);
bool text_set(struct text **text, const char *at, size_t len);    /* in place where it fits, and is not far too large */
bool text_append(struct text **text, const char *at, size_t len);
struct list *list_new(void);
bool list_push(struct list *l, struct text *text, bool left); /* the list's from then on */
struct text *list_pop(struct list *l, bool left);             /* the caller's from then on; NULL when empty */
struct text *list_at(const struct list *l, size_t i);

struct table *table_new(void);
struct item *table_find(const struct table *t, uint64_t hash, struct slice key);
struct item *table_add(struct table *t, uint64_t hash, struct slice key); /* which is not there */
struct item *table_take(struct table *t, uint64_t hash, struct slice key); /* NULL or one that is the caller's */
struct item *table_random(const struct table *t, uint64_t *state);        /* NULL when empty */
/* The items one after the other: *chain from 0 on, NULL at first. Nothing may be added or taken meanwhile. */
struct item *table_next(const struct table *t, size_t *chain, struct item *before);

void value_free(enum kind kind, void *value);
void item_free(struct item *item);        /* with its value */
void items_free(struct item *first);      /* a chain of them */
void table_empty(struct table *t);        /* frees every item and the chains */
#endif
