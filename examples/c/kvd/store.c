#include "store.h"

#include "budget.h"

#include <stdatomic.h>
#include <stddef.h>

struct shard {
    gmp_mutex_t lock;
    struct table keys;
    struct item *gone; /* freed after the unlock */
    size_t swept;      /* the chain that store_sweep looks at next */
    uint64_t random;
} __attribute__((aligned(128)));

static struct shard shards[SHARDS];
static atomic_size_t expiring;
static void (*expiry_hook)(void);

int64_t now_ms(void) { return gmp_now() / 1000000; }

/* The tables use the low bits. */
static struct shard *home(uint64_t hash) { return &shards[hash >> 58]; }
shards_t shard_of(uint64_t hash) { return (shards_t)1 << (hash >> 58); }

void store_lock(shards_t which) {
    for (; which; which &= which - 1) gmp_mutex_lock(&shards[__builtin_ctzll(which)].lock, GMP_FOREVER);
}

void store_unlock(shards_t which) {
    struct item *gone[SHARDS];
    int n = 0;
    for (; which; which &= which - 1) {
        struct shard *shard = &shards[__builtin_ctzll(which)];
        if (shard->gone) gone[n++] = shard->gone;
        shard->gone = NULL;
        gmp_mutex_unlock(&shard->lock);
    }
    while (n > 0) items_free(gone[--n]);
}

static bool is_over(const struct item *item, int64_t now) { return item->expires != 0 && item->expires <= now; }

struct item *store_find(uint64_t hash, struct slice key) {
    struct item *item = table_find(&home(hash)->keys, hash, key);
    if (!item || item->expires == 0 || !is_over(item, now_ms())) return item;
    store_drop(hash, key);
    return NULL;
}

struct item *store_add(uint64_t hash, struct slice key, enum kind kind, void *value) {
    struct item *item = table_add(&home(hash)->keys, hash, key);
    if (!item) return NULL;
    item->kind = (uint8_t)kind;
    item->value.text = value;
    return item;
}

static void throw_away(struct shard *shard, struct item *item) {
    item->next = shard->gone;
    shard->gone = item;
}

bool store_drop(uint64_t hash, struct slice key) {
    struct item *item = table_take(&home(hash)->keys, hash, key);
    if (!item) return false;
    store_expire(item, 0);
    throw_away(home(hash), item);
    return true;
}

bool store_replace(struct item *item, enum kind kind, void *value) {
    struct item *old = budget_alloc(sizeof *old);
    if (!old) return false;
    *old = (struct item){.kind = item->kind, .value = item->value};
    throw_away(home(item->hash), old);
    item->kind = (uint8_t)kind;
    item->value.text = value;
    return true;
}

void store_expire(struct item *item, int64_t when) {
    if ((item->expires != 0) != (when != 0)) {
        if (when == 0) atomic_fetch_sub(&expiring, 1);
        else if (atomic_fetch_add(&expiring, 1) == 0 && expiry_hook) expiry_hook();
    }
    item->expires = when;
}

struct item *store_random(uint64_t hash, const struct table *t) {
    struct shard *shard = home(hash);
    if (shard->random == 0) shard->random = hash | 1; /* nobody outside knows it */
    return table_random(t, &shard->random);
}

size_t store_count(void) {
    size_t count = 0;
    for (int i = 0; i < SHARDS; i++) count += shards[i].keys.count;
    return count;
}

void store_take_all(struct table out[SHARDS]) {
    for (int i = 0; i < SHARDS; i++) {
        out[i] = shards[i].keys;
        shards[i].keys = (struct table){NULL, 0, 0};
    }
    atomic_store(&expiring, 0);
}

struct item *store_next(struct cursor *at, struct item *before) {
    for (; at->shard < SHARDS; at->shard++, at->chain = 0) {
        do before = table_next(&shards[at->shard].keys, &at->chain, before);
        while (before && is_over(before, at->now));
        if (before) return before;
    }
    return NULL;
}

size_t store_expiring(void) { return atomic_load(&expiring); }
void store_set_expiry_hook(void (*hook)(void)) { expiry_hook = hook; }

static void sweep_shard(struct shard *shard, size_t most, int64_t now) {
    shards_t which = (shards_t)1 << (shard - shards);
    store_lock(which);
    for (size_t n = 0; n < most && n < shard->keys.room; n++) {
        /* Taking one may rebuild the table: the place is found again each time. */
        size_t chain = shard->swept++ & (shard->keys.room - 1);
        for (struct item *item = shard->keys.chains[chain]; item;) {
            struct item *next = item->next;
            if (is_over(item, now)) {
                size_t room = shard->keys.room;
                store_drop(item->hash, (struct slice){item->key, item->key_len});
                if (shard->keys.room != room) break;
            }
            item = next;
        }
    }
    store_unlock(which);
}

void store_sweep(size_t most) {
    int64_t now = now_ms();
    for (int i = 0; i < SHARDS; i++) sweep_shard(&shards[i], most, now);
}
