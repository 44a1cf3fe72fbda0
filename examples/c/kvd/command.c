#include "command.h"

#include "budget.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { PLACES = 256, LONGEST_NAME = 15, MOST_COMMANDS = 128 };

static const struct command *all[MOST_COMMANDS];
static const struct command *places[PLACES]; /* by name; the next free place when it is taken */
static size_t count;

static size_t place_of(const char *name, size_t len) {
    size_t sum = len;
    for (size_t i = 0; i < len; i++) sum = sum * 31 + (size_t)(name[i] | 0x20);
    return sum % PLACES;
}

static void add_all(const struct command *from) {
    for (; from->name; from++) {
        size_t at = place_of(from->name, strlen(from->name));
        while (places[at]) at = (at + 1) % PLACES;
        places[at] = all[count++] = from;
    }
}

void commands_init(void) {
    if (count > 0) return;
    add_all(key_commands);
    add_all(text_commands);
    add_all(list_commands);
    add_all(hash_commands);
    add_all(set_commands);
    add_all(server_commands);
}

bool is_word(struct slice text, const char *word) {
    return strlen(word) == text.len && strncasecmp(text.at, word, text.len) == 0;
}

const struct command *command_find(struct slice name) {
    if (name.len > LONGEST_NAME) return NULL;
    for (size_t at = place_of(name.at, name.len); places[at]; at = (at + 1) % PLACES) {
        if (is_word(name, places[at]->name)) return places[at];
    }
    return NULL;
}

const struct command *command_number(size_t i) { return i < count ? all[i] : NULL; }

static void unknown(struct client *c) {
    char text[256];
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 1; i < c->request.argc && len < 128; i++) {
        struct slice word = arg(c, i);
        len += (size_t)snprintf(text + len, sizeof text - len, "'%.*s' ", word.len < 64 ? (int)word.len : 64, word.at);
    }
    struct slice name = arg(c, 0);
    reply_error(c, "ERR unknown command '%.*s', with args beginning with: %s", name.len < 128 ? (int)name.len : 128, name.at, text);
}

/* The shards of the request's keys. The first key's hash is kept: most commands have no other. */
static shards_t shards_of(struct client *c, const struct command *command) {
    if (command->flags & CMD_ALL_KEYS) return ALL_SHARDS;
    if (command->first_key == 0) return 0;
    c->hash = hash_of(arg(c, (size_t)command->first_key));
    shards_t which = shard_of(c->hash);
    size_t last = command->last_key < 0 ? c->request.argc - 1 : (size_t)command->last_key;
    for (size_t i = (size_t)(command->first_key + command->step); i <= last; i += (size_t)command->step) {
        which |= shard_of(hash_of(arg(c, i)));
    }
    return which;
}

static void free_flushed(struct client *c) {
    for (int i = 0; i < SHARDS; i++) table_empty(&c->flushed[i]);
    budget_free(c->flushed);
    c->flushed = NULL;
}

static void too_long(struct client *c) {
    c->overflow = false;
    c->out.len = c->mark;
    reply_error(c, "ERR the reply is too long, or there is no memory for it");
    if (c->overflow) c->closing = true;
}

void command_run(struct client *c) {
    const struct command *command = command_find(arg(c, 0));
    size_t argc = c->request.argc;
    if (!command) return unknown(c);
    if (command->arity < 0 ? argc < (size_t)-command->arity : argc != (size_t)command->arity) {
        return reply_error(c, "ERR wrong number of arguments for '%s' command", command->name);
    }
    if ((command->flags & CMD_GROWS) && budget_spent()) {
        return reply_error(c, "OOM command not allowed when used memory > 'maxmemory'.");
    }
    shards_t which = shards_of(c, command);
    store_lock(which);
    command->run(c);
    store_unlock(which);
    if (c->flushed) free_flushed(c);
    if (c->overflow) too_long(c);
}

/* ------------------------------------------------------------ for the commands */
bool int_arg(struct client *c, size_t i, int64_t *out) {
    if (number_of(arg(c, i), out) == 0) return true;
    reply_error(c, "ERR value is not an integer or out of range");
    return false;
}

bool find_key(struct client *c, enum kind kind, struct item **out) {
    *out = store_find(c->hash, arg(c, 1));
    return !*out || (*out)->kind == kind || reply_wrong_kind(c);
}

bool need_key(struct client *c, enum kind kind, struct item **out) {
    if (!find_key(c, kind, out)) return false;
    if (*out) return true;
    void *value = kind == KIND_LIST ? (void *)list_new() : (void *)table_new();
    if (!value) return reply_no_memory(c);
    *out = add_key(c, kind, value);
    return *out != NULL;
}

struct item *add_key(struct client *c, enum kind kind, void *value) {
    struct item *item = store_add(c->hash, arg(c, 1), kind, value);
    if (item) return item;
    value_free(kind, value);
    reply_no_memory(c);
    return NULL;
}

void drop_if_empty(struct client *c, const struct item *item) {
    size_t left = item->kind == KIND_LIST ? item->value.list->count : item->value.table->count;
    if (left == 0) store_drop(c->hash, arg(c, 1));
}

/* One [set]: whether it holds `c`. `*at` comes to the byte behind it. An unclosed one ends with the pattern. */
static bool in_set(const char **at, const char *end, unsigned char c) {
    const char *p = *at + 1;
    bool not = p < end && *p == '^', found = false;
    for (p += not; p < end && *p != ']'; p++) {
        if (*p == '\\' && end - p > 1) {
            found |= (unsigned char)*++p == c;
        } else if (end - p > 2 && p[1] == '-') {
            unsigned char low = (unsigned char)p[0], high = (unsigned char)p[2];
            found |= low <= high ? low <= c && c <= high : high <= c && c <= low;
            p += 2;
        } else {
            found |= (unsigned char)*p == c;
        }
    }
    *at = p < end ? p + 1 : p;
    return found != not;
}

/* Only the last star is ever taken back, so no pattern takes longer than pattern times text. */
bool glob(struct slice pattern, struct slice text) {
    const char *p = pattern.at, *end = p + pattern.len, *star = NULL;
    size_t i = 0, from = 0;
    while (i < text.len) {
        bool fits = false;
        if (p < end && *p == '*') {
            star = ++p;
            from = i;
            continue;
        }
        if (p < end && *p == '?') {
            fits = true;
            p++;
        } else if (p < end && *p == '[') {
            fits = in_set(&p, end, (unsigned char)text.at[i]);
        } else if (p < end) {
            if (*p == '\\' && end - p > 1) p++;
            fits = *p++ == text.at[i];
        }
        if (fits) {
            i++;
        } else {
            if (!star) return false;
            p = star;
            i = ++from;
        }
    }
    while (p < end && *p == '*') p++;
    return p == end;
}
