#include "value.h"

#include "budget.h"

#include <string.h>
#include <sys/random.h>

/* ------------------------------------------------------------ hashes */
static uint64_t key0, key1;

void hash_seed(void) {
    uint64_t keys[2] = {0x9e3779b97f4a7c15, 0xd1b54a32d192ed03};
    if (getrandom(keys, sizeof keys, 0) < 0) keys[0] ^= (uintptr_t)&keys; /* then only the layout is secret */
    key0 = keys[0];
    key1 = keys[1];
}

static inline uint64_t rotated(uint64_t x, int by) { return x << by | x >> (64 - by); }

#define SIP_ROUND \
    (a += b, c += d, b = rotated(b, 13) ^ a, d = rotated(d, 16) ^ c, a = rotated(a, 32), \
     c += b, a += d, b = rotated(b, 17) ^ c, d = rotated(d, 21) ^ a, c = rotated(c, 32))

/* SipHash-1-3 (Aumasson and Bernstein). */
uint64_t hash_of(struct slice key) {
    uint64_t a = key0 ^ 0x736f6d6570736575, b = key1 ^ 0x646f72616e646f6d;
    uint64_t c = key0 ^ 0x6c7967656e657261, d = key1 ^ 0x7465646279746573;
    const char *at = key.at;
    size_t left = key.len;
    uint64_t word;
    for (; left >= 8; left -= 8, at += 8) {
        memcpy(&word, at, 8);
        d ^= word;
        SIP_ROUND;
        a ^= word;
    }
    word = 0;
    for (size_t i = 0; i < left; i++) word |= (uint64_t)(unsigned char)at[i] << (8 * i);
    word |= (uint64_t)key.len << 56;
    d ^= word;
    SIP_ROUND;
    a ^= word;
    c ^= 0xff;
    SIP_ROUND;
    SIP_ROUND;
    SIP_ROUND;
    return a ^ b ^ c ^ d;
}

uint64_t random_bits(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x * 0x2545f4914f6cdd1d;
}

/* ------------------------------------------------------------ texts */
struct text *text_new(const char *at, size_t len) {
    struct text *text = budget_alloc(sizeof *text + len);
    if (!text) return NULL;
    text->len = text->room = (uint32_t)len;
    if (len > 0) memcpy(text->at, at, len);
    return text;
}

bool text_set(struct text **text, const char *at, size_t len) {
    struct text *old = *text;
    if (old && len <= old->room && old->room / 2 <= len + 32) {
        memcpy(old->at, at, len);
        old->len = (uint32_t)len;
        return true;
    }
    struct text *new = text_new(at, len);
    if (!new) return false;
    budget_free(old);
    *text = new;
    return true;
}

bool text_append(struct text **text, const char *at, size_t len) {
    struct text *t = *text;
    if (t->room - t->len < len) {
        size_t room = (size_t)t->len + len;
        room += room < (1u << 20) ? room : (1u << 20); /* so that n appends copy about n times */
        t = budget_grow(t, sizeof *t + room);
        if (!t) return false;
        t->room = (uint32_t)room;
        *text = t;
    }
    memcpy(t->at + t->len, at, len);
    t->len += (uint32_t)len;
    return true;
}

/* ------------------------------------------------------------ lists */
struct list *list_new(void) {
    struct list *l = budget_alloc(sizeof *l);
    if (l) *l = (struct list){NULL, 0, 0, 0};
    return l;
}

static bool list_resize(struct list *l, size_t room) {
    struct text **ring = budget_alloc(room * sizeof *ring);
    if (!ring) return false;
    for (size_t i = 0; i < l->count; i++) ring[i] = list_at(l, i);
    budget_free(l->ring);
    *l = (struct list){ring, 0, l->count, room};
    return true;
}

struct text *list_at(const struct list *l, size_t i) { return l->ring[(l->first + i) & (l->room - 1)]; }

bool list_push(struct list *l, struct text *text, bool left) {
    if (l->count == l->room && !list_resize(l, l->room ? 2 * l->room : 4)) return false;
    if (left) l->first = (l->first - 1) & (l->room - 1);
    l->ring[(l->first + (left ? 0 : l->count)) & (l->room - 1)] = text;
    l->count++;
    return true;
}

struct text *list_pop(struct list *l, bool left) {
    if (l->count == 0) return NULL;
    l->count--;
    struct text *text = list_at(l, left ? 0 : l->count);
    if (left) l->first = (l->first + 1) & (l->room - 1);
    if (l->room > 64 && l->count < l->room / 8) list_resize(l, l->room / 2); /* without memory it stays as it is */
    return text;
}

/* ------------------------------------------------------------ tables */
struct table *table_new(void) {
    struct table *t = budget_alloc(sizeof *t);
    if (t) *t = (struct table){NULL, 0, 0};
    return t;
}

static bool is(const struct item *item, uint64_t hash, struct slice key) {
    return item->hash == hash && item->key_len == key.len && memcmp(item->key, key.at, key.len) == 0;
}

struct item *table_find(const struct table *t, uint64_t hash, struct slice key) {
    if (t->room == 0) return NULL;
    struct item *item = t->chains[hash & (t->room - 1)];
    while (item && !is(item, hash, key)) item = item->next;
    return item;
}

static bool table_resize(struct table *t, size_t room) {
    struct item **chains = budget_alloc(room * sizeof *chains);
    if (!chains) return false;
    memset(chains, 0, room * sizeof *chains);
    for (size_t i = 0; i < t->room; i++) {
        for (struct item *item = t->chains[i], *next; item; item = next) {
            struct item **to = &chains[item->hash & (room - 1)];
            next = item->next;
            item->next = *to;
            *to = item;
        }
    }
    budget_free(t->chains);
    t->chains = chains;
    t->room = room;
    return true;
}

struct item *table_add(struct table *t, uint64_t hash, struct slice key) {
    /* Without memory for more chains the chains get longer. */
    if (t->count >= t->room && !table_resize(t, t->room ? 2 * t->room : 4) && t->room == 0) return NULL;
    struct item *item = budget_alloc(sizeof *item + key.len);
    if (!item) return NULL;
    struct item **chain = &t->chains[hash & (t->room - 1)];
    *item = (struct item){.next = *chain, .hash = hash, .key_len = (uint32_t)key.len};
    memcpy(item->key, key.at, key.len);
    *chain = item;
    t->count++;
    return item;
}

struct item *table_take(struct table *t, uint64_t hash, struct slice key) {
    if (t->room == 0) return NULL;
    struct item **at = &t->chains[hash & (t->room - 1)];
    while (*at && !is(*at, hash, key)) at = &(*at)->next;
    struct item *item = *at;
    if (!item) return NULL;
    *at = item->next;
    item->next = NULL;
    t->count--;
    if (t->room > 64 && t->count < t->room / 8) table_resize(t, t->room / 4);
    return item;
}

struct item *table_random(const struct table *t, uint64_t *state) {
    if (t->count == 0) return NULL;
    size_t i = random_bits(state) & (t->room - 1);
    while (!t->chains[i]) i = (i + 1) & (t->room - 1);
    size_t length = 0;
    for (struct item *item = t->chains[i]; item; item = item->next) length++;
    struct item *item = t->chains[i];
    for (size_t skip = random_bits(state) % length; skip > 0; skip--) item = item->next;
    return item;
}

struct item *table_next(const struct table *t, size_t *chain, struct item *before) {
    if (before && before->next) return before->next;
    while (*chain < t->room) {
        struct item *item = t->chains[(*chain)++];
        if (item) return item;
    }
    return NULL;
}

/* ------------------------------------------------------------ ends */
void value_free(enum kind kind, void *value) {
    if (!value) return;
    if (kind == KIND_LIST) {
        struct list *l = value;
        for (size_t i = 0; i < l->count; i++) budget_free(list_at(l, i));
        budget_free(l->ring);
    } else if (kind == KIND_HASH || kind == KIND_SET) {
        table_empty(value);
    }
    budget_free(value);
}

void item_free(struct item *item) {
    value_free(item->kind, item->value.text);
    budget_free(item);
}

void items_free(struct item *first) {
    while (first) {
        struct item *next = first->next;
        item_free(first);
        first = next;
    }
}

void table_empty(struct table *t) {
    for (size_t i = 0; i < t->room; i++) items_free(t->chains[i]);
    budget_free(t->chains);
    *t = (struct table){NULL, 0, 0};
}
