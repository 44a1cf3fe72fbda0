/* Commands on texts: SET, GET and their kin, counters, MGET and MSET. */
#include "command.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static void reply_text(struct client *c, const struct item *item) {
    if (item) reply_bulk(c, item->value.text->at, item->value.text->len);
    else reply_nothing(c);
}

/* The key of that hash, whose item this is, becomes this text, and loses its time to live if `forget`. False: no memory. */
static bool set_text(uint64_t hash, struct slice key, struct item *item, struct slice value, bool forget) {
    bool done;
    if (item && item->kind == KIND_TEXT) {
        done = text_set(&item->value.text, value.at, value.len);
    } else {
        struct text *text = text_new(value.at, value.len);
        done = text && (item ? store_replace(item, KIND_TEXT, text) : store_add(hash, key, KIND_TEXT, text) != NULL);
        if (!done) value_free(KIND_TEXT, text);
    }
    if (done && item && forget) store_expire(item, 0);
    return done;
}

struct set_options {
    bool if_missing, if_there, give_old, keep_ttl;
    int64_t expires; /* when; 0: never */
};

static bool set_options(struct client *c, struct set_options *o) {
    for (size_t i = 3; i < c->request.argc; i++) {
        struct slice word = arg(c, i);
        if (is_word(word, "nx") && !o->if_there) o->if_missing = true;
        else if (is_word(word, "xx") && !o->if_missing) o->if_there = true;
        else if (is_word(word, "get")) o->give_old = true;
        else if (is_word(word, "keepttl") && o->expires == 0) o->keep_ttl = true;
        else if ((is_word(word, "ex") || is_word(word, "px")) && !o->keep_ttl && o->expires == 0 && i + 1 < c->request.argc) {
            int64_t unit = is_word(word, "ex") ? 1000 : 1, n;
            if (!int_arg(c, ++i, &n)) return false;
            if (n <= 0 || n > (INT64_MAX / 1000000 - now_ms()) / unit) {
                reply_error(c, "ERR invalid expire time in 'set' command");
                return false;
            }
            o->expires = now_ms() + n * unit;
        } else {
            return reply_syntax(c);
        }
    }
    return true;
}

static void set(struct client *c) {
    struct set_options o = {false, false, false, false, 0};
    if (c->request.argc > 3 && !set_options(c, &o)) return;
    struct slice key = arg(c, 1);
    struct item *item = store_find(c->hash, key);
    if (o.give_old) {
        if (item && item->kind != KIND_TEXT) return (void)reply_wrong_kind(c);
        reply_text(c, item);
    }
    if (item ? o.if_missing : o.if_there) {
        if (!o.give_old) reply_nothing(c);
        return;
    }
    if (!set_text(c->hash, key, item, arg(c, 2), !o.keep_ttl)) {
        c->out.len = c->mark;
        return (void)reply_no_memory(c);
    }
    if (o.expires != 0) store_expire(store_find(c->hash, key), o.expires);
    if (!o.give_old) reply_raw(c, "+OK\r\n");
}

static void get(struct client *c) {
    struct item *item;
    if (find_key(c, KIND_TEXT, &item)) reply_text(c, item);
}

static void mget(struct client *c) {
    reply_array(c, c->request.argc - 1);
    for (size_t i = 1; i < c->request.argc; i++) {
        struct item *item = store_find(hash_of(arg(c, i)), arg(c, i));
        reply_text(c, item && item->kind == KIND_TEXT ? item : NULL);
    }
}

static void mset(struct client *c) {
    if (c->request.argc % 2 == 0) return reply_error(c, "ERR wrong number of arguments for 'mset' command");
    for (size_t i = 1; i < c->request.argc; i += 2) {
        struct slice key = arg(c, i);
        uint64_t hash = hash_of(key);
        /* What is set already stays: there is nothing to put in its place. */
        if (!set_text(hash, key, store_find(hash, key), arg(c, i + 1), true)) return (void)reply_no_memory(c);
    }
    reply_raw(c, "+OK\r\n");
}

static void append(struct client *c) {
    struct item *item;
    struct slice value = arg(c, 2);
    if (!find_key(c, KIND_TEXT, &item)) return;
    if (!item) {
        if (!set_text(c->hash, arg(c, 1), NULL, value, false)) return (void)reply_no_memory(c);
        return reply_int(c, (int64_t)value.len);
    }
    if (item->value.text->len + value.len > request_limits.bulk) {
        return reply_error(c, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    }
    if (!text_append(&item->value.text, value.at, value.len)) return (void)reply_no_memory(c);
    reply_int(c, item->value.text->len);
}

static void str_len(struct client *c) {
    struct item *item;
    if (find_key(c, KIND_TEXT, &item)) reply_int(c, item ? item->value.text->len : 0);
}

/* ------------------------------------------------------------ counters */
static void add_to(struct client *c, int64_t by) {
    struct item *item;
    int64_t n = 0;
    if (!find_key(c, KIND_TEXT, &item)) return;
    if (item && number_of((struct slice){item->value.text->at, item->value.text->len}, &n) != 0) {
        return reply_error(c, "ERR value is not an integer or out of range");
    }
    if (__builtin_add_overflow(n, by, &n)) return reply_error(c, "ERR increment or decrement would overflow");
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)n);
    if (!set_text(c->hash, arg(c, 1), item, (struct slice){text, (size_t)len}, false)) return (void)reply_no_memory(c);
    reply_int(c, n);
}

static void incr(struct client *c) { add_to(c, 1); }
static void decr(struct client *c) { add_to(c, -1); }

static void incrby(struct client *c) {
    int64_t by;
    if (int_arg(c, 2, &by)) add_to(c, by);
}

static void decrby(struct client *c) {
    int64_t by;
    if (!int_arg(c, 2, &by)) return;
    if (by == INT64_MIN) return reply_error(c, "ERR decrement would overflow");
    add_to(c, -by);
}

const struct command text_commands[] = {
    {"set", set, -3, CMD_WRITES | CMD_GROWS, 1, 1, 1},
    {"get", get, 2, 0, 1, 1, 1},
    {"mget", mget, -2, 0, 1, -1, 1},
    {"mset", mset, -3, CMD_WRITES | CMD_GROWS, 1, -1, 2},
    {"append", append, 3, CMD_WRITES | CMD_GROWS, 1, 1, 1},
    {"strlen", str_len, 2, 0, 1, 1, 1},
    {"incr", incr, 2, CMD_WRITES | CMD_GROWS, 1, 1, 1},
    {"decr", decr, 2, CMD_WRITES | CMD_GROWS, 1, 1, 1},
    {"incrby", incrby, 3, CMD_WRITES | CMD_GROWS, 1, 1, 1},
    {"decrby", decrby, 3, CMD_WRITES | CMD_GROWS, 1, 1, 1},
    {NULL, NULL, 0, 0, 0, 0, 0},
};
