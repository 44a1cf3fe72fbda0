/* Commands on lists. */
#include "command.h"

static void push(struct client *c, bool left) {
    struct item *item;
    if (!need_key(c, KIND_LIST, &item)) return;
    struct list *list = item->value.list;
    for (size_t i = 2; i < c->request.argc; i++) {
        struct text *text = text_new(arg(c, i).at, arg(c, i).len);
        if (text && list_push(list, text, left)) continue;
        value_free(KIND_TEXT, text);
        drop_if_empty(c, item);
        return (void)reply_no_memory(c);
    }
    reply_int(c, (int64_t)list->count);
}

static void lpush(struct client *c) { push(c, true); }
static void rpush(struct client *c) { push(c, false); }

/* One, or with a count up to so many, as an array. */
static void pop(struct client *c, bool left, const char *name) {
    struct item *item;
    int64_t most = 1;
    bool many = c->request.argc > 2;
    if (c->request.argc > 3) return reply_error(c, "ERR wrong number of arguments for '%s' command", name);
    if (many && (number_of(arg(c, 2), &most) != 0 || most < 0)) {
        return reply_error(c, "ERR value is out of range, must be positive");
    }
    if (!find_key(c, KIND_LIST, &item)) return;
    if (!item) {
        if (many) reply_raw(c, "*-1\r\n");
        else reply_nothing(c);
        return;
    }
    struct list *list = item->value.list;
    if ((uint64_t)most > list->count) most = (int64_t)list->count;
    if (many) reply_array(c, (size_t)most);
    for (int64_t i = 0; i < most; i++) {
        struct text *text = list_pop(list, left);
        reply_bulk(c, text->at, text->len);
        value_free(KIND_TEXT, text);
    }
    drop_if_empty(c, item);
}

static void lpop(struct client *c) { pop(c, true, "lpop"); }
static void rpop(struct client *c) { pop(c, false, "rpop"); }

static void llen(struct client *c) {
    struct item *item;
    if (find_key(c, KIND_LIST, &item)) reply_int(c, item ? (int64_t)item->value.list->count : 0);
}

static void lrange(struct client *c) {
    struct item *item;
    int64_t from, to;
    if (!int_arg(c, 2, &from) || !int_arg(c, 3, &to) || !find_key(c, KIND_LIST, &item)) return;
    int64_t count = item ? (int64_t)item->value.list->count : 0;
    if (from < 0) from = from < -count ? 0 : from + count;
    if (to < 0) to = to < -count ? -1 : to + count;
    if (to >= count) to = count - 1;
    if (from > to) return reply_array(c, 0);
    reply_array(c, (size_t)(to - from + 1));
    for (int64_t i = from; i <= to && !c->overflow; i++) {
        struct text *text = list_at(item->value.list, (size_t)i);
        reply_bulk(c, text->at, text->len);
    }
}

static void lindex(struct client *c) {
    struct item *item;
    int64_t i;
    if (!int_arg(c, 2, &i) || !find_key(c, KIND_LIST, &item)) return;
    int64_t count = item ? (int64_t)item->value.list->count : 0;
    if (i < 0) i += count;
    if (i < 0 || i >= count) return reply_nothing(c);
    struct text *text = list_at(item->value.list, (size_t)i);
    reply_bulk(c, text->at, text->len);
}

const struct command list_commands[] = {
    {"lpush", lpush, -3, CMD_WRITES | CMD_GROWS, 1, 1, 1},
    {"rpush", rpush, -3, CMD_WRITES | CMD_GROWS, 1, 1, 1},
    {"lpop", lpop, -2, CMD_WRITES, 1, 1, 1},
    {"rpop", rpop, -2, CMD_WRITES, 1, 1, 1},
    {"llen", llen, 2, 0, 1, 1, 1},
    {"lrange", lrange, 4, 0, 1, 1, 1},
    {"lindex", lindex, 3, 0, 1, 1, 1},
    {NULL, NULL, 0, 0, 0, 0, 0},
};
