/* Commands on sets: a table whose items have no value. */
#include "command.h"

static void sadd(struct client *c) {
    struct item *item;
    int64_t added = 0;
    if (!need_key(c, KIND_SET, &item)) return;
    for (size_t i = 2; i < c->request.argc; i++) {
        uint64_t hash = hash_of(arg(c, i));
        if (table_find(item->value.table, hash, arg(c, i))) continue;
        if (!table_add(item->value.table, hash, arg(c, i))) {
            drop_if_empty(c, item);
            return (void)reply_no_memory(c);
        }
        added++;
    }
    reply_int(c, added);
}

static void srem(struct client *c) {
    struct item *item;
    int64_t n = 0;
    if (!find_key(c, KIND_SET, &item)) return;
    for (size_t i = 2; item && i < c->request.argc; i++) {
        struct item *member = table_take(item->value.table, hash_of(arg(c, i)), arg(c, i));
        if (!member) continue;
        item_free(member);
        n++;
    }
    if (item) drop_if_empty(c, item);
    reply_int(c, n);
}

static void scard(struct client *c) {
    struct item *item;
    if (find_key(c, KIND_SET, &item)) reply_int(c, item ? (int64_t)item->value.table->count : 0);
}

static void sismember(struct client *c) {
    struct item *item;
    if (!find_key(c, KIND_SET, &item)) return;
    reply_int(c, item && table_find(item->value.table, hash_of(arg(c, 2)), arg(c, 2)));
}

static void smembers(struct client *c) {
    struct item *item;
    if (!find_key(c, KIND_SET, &item)) return;
    reply_array(c, item ? item->value.table->count : 0);
    size_t chain = 0;
    for (struct item *member = NULL; item && !c->overflow && (member = table_next(item->value.table, &chain, member)) != NULL;) {
        reply_bulk(c, member->key, member->key_len);
    }
}

static void pop_one(struct client *c, struct table *t) {
    struct item *member = store_random(c->hash, t);
    reply_bulk(c, member->key, member->key_len);
    item_free(table_take(t, member->hash, (struct slice){member->key, member->key_len}));
}

static void spop(struct client *c) {
    struct item *item;
    int64_t most = 1;
    bool many = c->request.argc > 2;
    if (c->request.argc > 3) return (void)reply_syntax(c);
    if (many && (number_of(arg(c, 2), &most) != 0 || most < 0)) {
        return reply_error(c, "ERR value is out of range, must be positive");
    }
    if (!find_key(c, KIND_SET, &item)) return;
    if (!item) {
        if (many) reply_array(c, 0);
        else reply_nothing(c);
        return;
    }
    struct table *t = item->value.table;
    if ((uint64_t)most > t->count) most = (int64_t)t->count;
    if (many) reply_array(c, (size_t)most);
    for (int64_t i = 0; i < most; i++) pop_one(c, t);
    drop_if_empty(c, item);
}

const struct command set_commands[] = {
    {"sadd", sadd, -3, CMD_WRITES | CMD_GROWS, 1, 1, 1},
    {"srem", srem, -3, CMD_WRITES, 1, 1, 1},
    {"scard", scard, 2, 0, 1, 1, 1},
    {"sismember", sismember, 3, 0, 1, 1, 1},
    {"smembers", smembers, 2, 0, 1, 1, 1},
    {"spop", spop, -2, CMD_WRITES, 1, 1, 1},
    {NULL, NULL, 0, 0, 0, 0, 0},
};
