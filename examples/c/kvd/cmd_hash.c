/* Commands on hashes: a table of fields, each a text. */
#include "command.h"

/* Its number of new fields, or -1 without memory. */
static int set_field(struct table *fields, struct slice name, struct slice value) {
    uint64_t hash = hash_of(name);
    struct item *field = table_find(fields, hash, name);
    if (field) return text_set(&field->value.text, value.at, value.len) ? 0 : -1;
    struct text *text = text_new(value.at, value.len);
    field = text ? table_add(fields, hash, name) : NULL;
    if (!field) {
        value_free(KIND_TEXT, text);
        return -1;
    }
    field->kind = KIND_TEXT;
    field->value.text = text;
    return 1;
}

static void set_fields(struct client *c, const char *name, bool count) {
    struct item *item;
    int64_t added = 0;
    if (c->request.argc % 2 != 0) return reply_error(c, "ERR wrong number of arguments for '%s' command", name);
    if (!need_key(c, KIND_HASH, &item)) return;
    for (size_t i = 2; i < c->request.argc; i += 2) {
        int new = set_field(item->value.table, arg(c, i), arg(c, i + 1));
        if (new < 0) {
            drop_if_empty(c, item);
            return (void)reply_no_memory(c);
        }
        added += new;
    }
    if (count) reply_int(c, added);
    else reply_raw(c, "+OK\r\n");
}

static void hset(struct client *c) { set_fields(c, "hset", true); }
static void hmset(struct client *c) { set_fields(c, "hmset", false); }

static struct item *field_of(const struct item *item, struct slice name) {
    return item ? table_find(item->value.table, hash_of(name), name) : NULL;
}

static void reply_field(struct client *c, const struct item *field) {
    if (field) reply_bulk(c, field->value.text->at, field->value.text->len);
    else reply_nothing(c);
}

static void hget(struct client *c) {
    struct item *item;
    if (find_key(c, KIND_HASH, &item)) reply_field(c, field_of(item, arg(c, 2)));
}

static void hmget(struct client *c) {
    struct item *item;
    if (!find_key(c, KIND_HASH, &item)) return;
    reply_array(c, c->request.argc - 2);
    for (size_t i = 2; i < c->request.argc; i++) reply_field(c, field_of(item, arg(c, i)));
}

static void hexists(struct client *c) {
    struct item *item;
    if (find_key(c, KIND_HASH, &item)) reply_int(c, field_of(item, arg(c, 2)) != NULL);
}

static void hdel(struct client *c) {
    struct item *item;
    int64_t n = 0;
    if (!find_key(c, KIND_HASH, &item)) return;
    for (size_t i = 2; item && i < c->request.argc; i++) {
        struct item *field = table_take(item->value.table, hash_of(arg(c, i)), arg(c, i));
        if (!field) continue;
        item_free(field);
        n++;
    }
    if (item) drop_if_empty(c, item);
    reply_int(c, n);
}

static void hlen(struct client *c) {
    struct item *item;
    if (find_key(c, KIND_HASH, &item)) reply_int(c, item ? (int64_t)item->value.table->count : 0);
}

static void each_field(struct client *c, bool names, bool values) {
    struct item *item;
    if (!find_key(c, KIND_HASH, &item)) return;
    reply_array(c, item ? item->value.table->count * (size_t)(names + values) : 0);
    size_t chain = 0;
    for (struct item *field = NULL; item && !c->overflow && (field = table_next(item->value.table, &chain, field)) != NULL;) {
        if (names) reply_bulk(c, field->key, field->key_len);
        if (values) reply_field(c, field);
    }
}

static void hgetall(struct client *c) { each_field(c, true, true); }
static void hkeys(struct client *c) { each_field(c, true, false); }
static void hvals(struct client *c) { each_field(c, false, true); }

const struct command hash_commands[] = {
    {"hset", hset, -4, CMD_WRITES | CMD_GROWS, 1, 1, 1},
    {"hmset", hmset, -4, CMD_WRITES | CMD_GROWS, 1, 1, 1},
    {"hget", hget, 3, 0, 1, 1, 1},
    {"hmget", hmget, -3, 0, 1, 1, 1},
    {"hexists", hexists, 3, 0, 1, 1, 1},
    {"hdel", hdel, -3, CMD_WRITES, 1, 1, 1},
    {"hlen", hlen, 2, 0, 1, 1, 1},
    {"hgetall", hgetall, 2, 0, 1, 1, 1},
    {"hkeys", hkeys, 2, 0, 1, 1, 1},
    {"hvals", hvals, 2, 0, 1, 1, 1},
    {NULL, NULL, 0, 0, 0, 0, 0},
};
