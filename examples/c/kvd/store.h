/* The keys, in 64 shards of a table and a mutex each.
 *
 * Always true: who looks at or changes a shard holds its mutex, and takes several in ascending order, so a command over
 * many keys is one step to all others. Nothing waits for a socket or frees much while it holds one. An expired key is
 * treated as gone from its moment on; its memory is given back when it is next met, or by store_sweep. */
#ifndef KVD_STORE_H
#define KVD_STORE_H
#include "value.h"

#include <gmprt.h>

enum { SHARDS = 64 };
typedef uint64_t shards_t; /* a set of shards */
#define ALL_SHARDS UINT64_MAX

int64_t now_ms(void);
shards_t shard_of(uint64_t hash);
void store_lock(shards_t which);
void store_unlock(shards_t which);

/* With the key's shard locked. An item is valid until the unlock or store_drop. */
struct item *store_find(uint64_t hash, struct slice key);
struct item *store_add(uint64_t hash, struct slice key, enum kind kind, void *value); /* a key that store_find did not find */
bool store_drop(uint64_t hash, struct slice key);           /* whether it was there; its memory goes after the unlock */
/* The key holds this from now on; what it held goes after the unlock. False: no memory, and nothing has changed. */
bool store_replace(struct item *item, enum kind kind, void *value);
void store_expire(struct item *item, int64_t when);         /* 0: never */
struct item *store_random(uint64_t hash, const struct table *t); /* of the value of a key with this hash */

/* With all shards locked. */
size_t store_count(void);
void store_take_all(struct table out[SHARDS]);
struct cursor {
    size_t shard, chain;
    int64_t now; /* keys that are over by then are passed over */
};
struct item *store_next(struct cursor *at, struct item *before); /* from {0, 0, now_ms()} and NULL on */

size_t store_expiring(void);        /* keys with a time to live; a guess while others work */
void store_sweep(size_t most);      /* looks at so many chains of each shard for expired keys. Locks by itself */
void store_set_expiry_hook(void (*hook)(void)); /* called when there was no key with a time to live and there is one */
#endif
