/* Commands on keys, whatever they hold: DEL, EXISTS, EXPIRE, TTL, TYPE, KEYS, DBSIZE, FLUSHALL. */
#include "command.h"

#include "budget.h"

#include <limits.h>
#include <string.h>

static void del(struct client *c) {
    int64_t n = 0;
    for (size_t i = 1; i < c->request.argc; i++) {
        struct slice key = arg(c, i);
        uint64_t hash = hash_of(key);
        if (store_find(hash, key)) n += store_drop(hash, key);
    }
    reply_int(c, n);
}

static void exists(struct client *c) {
    int64_t n = 0;
    for (size_t i = 1; i < c->request.argc; i++) n += store_find(hash_of(arg(c, i)), arg(c, i)) != NULL;
    reply_int(c, n);
}

static void expire_in(struct client *c, int64_t unit, const char *name) {
    int64_t n, now = now_ms(), most = INT64_MAX / 1000000 - now;
    if (!int_arg(c, 2, &n)) return;
    if (c->request.argc > 3) {
        struct slice word = arg(c, 3);
        return reply_error(c, "ERR Unsupported option %.*s", word.len < 64 ? (int)word.len : 64, word.at);
    }
    if (n > most / unit || n < -(most / unit)) return reply_error(c, "ERR invalid expire time in '%s' command", name);
    struct item *item = store_find(c->hash, arg(c, 1));
    if (!item) return reply_int(c, 0);
    if (n <= 0) store_drop(c->hash, arg(c, 1));
    else store_expire(item, now + n * unit);
    reply_int(c, 1);
}

static void expire(struct client *c) { expire_in(c, 1000, "expire"); }
static void pexpire(struct client *c) { expire_in(c, 1, "pexpire"); }

static void persist(struct client *c) {
    struct item *item = store_find(c->hash, arg(c, 1));
    bool had = item && item->expires != 0;
    if (had) store_expire(item, 0);
    reply_int(c, had);
}

static int64_t left(struct client *c) {
    struct item *item = store_find(c->hash, arg(c, 1));
    if (!item) return -2;
    if (item->expires == 0) return -1;
    int64_t ms = item->expires - now_ms();
    return ms > 0 ? ms : 0;
}

static void pttl(struct client *c) { reply_int(c, left(c)); }

static void ttl(struct client *c) {
    int64_t ms = left(c);
    reply_int(c, ms < 0 ? ms : (ms + 500) / 1000);
}

static void type(struct client *c) {
    static const char *const names[] = {"none", "string", "list", "hash", "set"};
    struct item *item = store_find(c->hash, arg(c, 1));
    reply_status(c, names[item ? item->kind : KIND_NONE]);
}

static void keys(struct client *c) {
    const struct cursor start = {0, 0, now_ms()};
    struct slice pattern = arg(c, 1);
    size_t found = 0;
    for (int round = 0; round < 2; round++) { /* their number comes first */
        struct cursor at = start;
        if (round == 1) reply_array(c, found);
        for (struct item *item = NULL; (item = store_next(&at, item)) != NULL;) {
            if (!glob(pattern, (struct slice){item->key, item->key_len})) continue;
            if (round == 0) found++;
            else reply_bulk(c, item->key, item->key_len);
        }
    }
}

static void dbsize(struct client *c) { reply_int(c, (int64_t)store_count()); }

static void flush(struct client *c) {
    if (c->request.argc > 2 || (c->request.argc == 2 && !is_word(arg(c, 1), "sync") && !is_word(arg(c, 1), "async"))) {
        return (void)reply_syntax(c);
    }
    c->flushed = budget_alloc(SHARDS * sizeof *c->flushed);
    if (!c->flushed) return (void)reply_no_memory(c);
    store_take_all(c->flushed);
    reply_raw(c, "+OK\r\n");
}

const struct command key_commands[] = {
    {"del", del, -2, CMD_WRITES, 1, -1, 1},
    {"unlink", del, -2, CMD_WRITES, 1, -1, 1},
    {"exists", exists, -2, 0, 1, -1, 1},
    {"expire", expire, -3, CMD_WRITES, 1, 1, 1},
    {"pexpire", pexpire, -3, CMD_WRITES, 1, 1, 1},
    {"persist", persist, 2, CMD_WRITES, 1, 1, 1},
    {"ttl", ttl, 2, 0, 1, 1, 1},
    {"pttl", pttl, 2, 0, 1, 1, 1},
    {"type", type, 2, 0, 1, 1, 1},
    {"keys", keys, 2, CMD_ALL_KEYS, 0, 0, 0},
    {"dbsize", dbsize, 1, CMD_ALL_KEYS, 0, 0, 0},
    {"flushall", flush, -1, CMD_WRITES | CMD_ALL_KEYS, 0, 0, 0},
    {"flushdb", flush, -1, CMD_WRITES | CMD_ALL_KEYS, 0, 0, 0},
    {NULL, NULL, 0, 0, 0, 0, 0},
};
