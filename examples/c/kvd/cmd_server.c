/* Commands about the server and the connection: what redis-cli and redis-benchmark ask before they begin, and INFO. */
#include "command.h"

#include "budget.h"
#include "figures.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void ping(struct client *c) {
    if (c->request.argc > 2) return reply_error(c, "ERR wrong number of arguments for 'ping' command");
    if (c->request.argc == 2) reply_bulk(c, arg(c, 1).at, arg(c, 1).len);
    else reply_raw(c, "+PONG\r\n");
}

static void echo(struct client *c) { reply_bulk(c, arg(c, 1).at, arg(c, 1).len); }

static void quit(struct client *c) {
    reply_raw(c, "+OK\r\n");
    c->closing = true;
}

static void select_db(struct client *c) {
    int64_t n;
    if (!int_arg(c, 1, &n)) return;
    if (n != 0) return reply_error(c, "ERR DB index is out of range");
    reply_raw(c, "+OK\r\n");
}

static void unknown_part(struct client *c, const char *command) {
    struct slice word = arg(c, 1);
    reply_error(c, "ERR unknown subcommand '%.*s'. Try %s HELP.", word.len < 128 ? (int)word.len : 128, word.at, command);
}

static void wrong_number(struct client *c, const char *command, const char *part) {
    reply_error(c, "ERR wrong number of arguments for '%s|%s' command", command, part);
}

/* ------------------------------------------------------------ CONFIG */
struct setting {
    const char *name;
    long long (*value)(void); /* NULL: `text` */
    const char *text;
};

static long long max_memory(void) { return (long long)budget_limit(); }
static long long max_bulk(void) { return (long long)request_limits.bulk; }
static long long max_clients(void) { return figures.max_clients; }
static long long timeout(void) { return figures.idle_seconds; }
static long long port(void) { return figures.port; }

static const struct setting settings[] = {
    {"save", NULL, ""},
    {"appendonly", NULL, "no"},
    {"databases", NULL, "1"},
    {"maxmemory", max_memory, NULL},
    {"maxmemory-policy", NULL, "noeviction"},
    {"maxclients", max_clients, NULL},
    {"proto-max-bulk-len", max_bulk, NULL},
    {"timeout", timeout, NULL},
    {"port", port, NULL},
};
enum { SETTINGS = sizeof settings / sizeof *settings };

static bool is_asked(struct client *c, const struct setting *setting) {
    char name[32];
    size_t len = strlen(setting->name);
    memcpy(name, setting->name, len);
    for (size_t i = 2; i < c->request.argc; i++) {
        if (glob(arg(c, i), (struct slice){name, len})) return true;
    }
    return false;
}

static void config(struct client *c) {
    if (is_word(arg(c, 1), "resetstat")) return reply_status(c, "OK");
    if (is_word(arg(c, 1), "set") && c->request.argc > 3) {
        struct slice name = arg(c, 2);
        return reply_error(c, "ERR CONFIG SET failed (possibly related to argument '%.*s') - can't set immutable config",
                           name.len < 64 ? (int)name.len : 64, name.at);
    }
    if (!is_word(arg(c, 1), "get")) return unknown_part(c, "CONFIG");
    if (c->request.argc < 3) return wrong_number(c, "config", "get");
    size_t found = 0;
    for (int i = 0; i < SETTINGS; i++) found += is_asked(c, &settings[i]);
    reply_array(c, 2 * found);
    for (int i = 0; i < SETTINGS; i++) {
        char text[24];
        if (!is_asked(c, &settings[i])) continue;
        reply_word(c, settings[i].name);
        if (settings[i].value) snprintf(text, sizeof text, "%lld", settings[i].value());
        reply_word(c, settings[i].value ? text : settings[i].text);
    }
}

/* ------------------------------------------------------------ COMMAND */
static void describe(struct client *c, const struct command *command) {
    reply_array(c, 6);
    reply_word(c, command->name);
    reply_int(c, command->arity);
    reply_array(c, (command->flags & CMD_GROWS) ? 2 : 1);
    reply_status(c, (command->flags & CMD_WRITES) ? "write" : "readonly");
    if (command->flags & CMD_GROWS) reply_status(c, "denyoom");
    reply_int(c, command->first_key);
    reply_int(c, command->last_key);
    reply_int(c, command->step);
}

static void command(struct client *c) {
    size_t count = 0;
    while (command_number(count)) count++;
    if (c->request.argc == 1) {
        reply_array(c, count);
        for (size_t i = 0; i < count; i++) describe(c, command_number(i));
    } else if (is_word(arg(c, 1), "count")) {
        reply_int(c, (int64_t)count);
    } else if (is_word(arg(c, 1), "docs")) {
        reply_array(c, 0); /* what redis-cli asks first; it knows the common ones itself */
    } else if (is_word(arg(c, 1), "info")) {
        reply_array(c, c->request.argc - 2);
        for (size_t i = 2; i < c->request.argc; i++) {
            const struct command *asked = command_find(arg(c, i));
            if (asked) describe(c, asked);
            else reply_raw(c, "*-1\r\n");
        }
    } else {
        unknown_part(c, "COMMAND");
    }
}

/* ------------------------------------------------------------ CLIENT */
static void set_name(struct client *c) {
    struct slice name = arg(c, 2);
    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] > ' ' && name.at[i] <= '~') continue;
        return reply_error(c, "ERR Client names cannot contain spaces, newlines or special characters.");
    }
    if (name.len >= sizeof c->name) return reply_error(c, "ERR Client names have at most %zu bytes", sizeof c->name - 1);
    memcpy(c->name, name.at, name.len);
    c->name[name.len] = '\0';
    reply_raw(c, "+OK\r\n");
}

static void client(struct client *c) {
    struct slice part = arg(c, 1);
    size_t argc = c->request.argc;
    if (is_word(part, "id")) {
        reply_int(c, (int64_t)c->id);
    } else if (is_word(part, "getname")) {
        if (c->name[0]) reply_word(c, c->name);
        else reply_nothing(c);
    } else if (is_word(part, "setname")) {
        if (argc != 3) return wrong_number(c, "client", "setname");
        set_name(c);
    } else if (is_word(part, "setinfo")) {
        if (argc != 4) return wrong_number(c, "client", "setinfo");
        reply_raw(c, "+OK\r\n");
    } else {
        unknown_part(c, "CLIENT");
    }
}

/* Only version 2 is spoken. */
static void hello(struct client *c) {
    int64_t version = 2;
    if (c->request.argc > 1 && (number_of(arg(c, 1), &version) != 0 || version != 2)) {
        return reply_error(c, "NOPROTO unsupported protocol version");
    }
    reply_array(c, 8);
    reply_word(c, "server");
    reply_word(c, "kvd");
    reply_word(c, "version");
    reply_word(c, KVD_VERSION);
    reply_word(c, "proto");
    reply_int(c, 2);
    reply_word(c, "id");
    reply_int(c, (int64_t)c->id);
}

static void info(struct client *c) {
    char text[1024];
    gmp_stats_t stats = {.struct_size = sizeof stats};
    if (gmp_stats(&stats, sizeof stats) != GMP_OK) memset(&stats, 0, sizeof stats);
    int len = snprintf(text, sizeof text,
                       "# Server\r\nredis_version:%s\r\nredis_mode:standalone\r\nprocess_id:%ld\r\ntcp_port:%d\r\n"
                       "uptime_in_seconds:%lld\r\n"
                       "# Clients\r\nconnected_clients:%lld\r\nmaxclients:%d\r\n"
                       "# Memory\r\nused_memory:%zu\r\nmaxmemory:%zu\r\nmaxmemory_policy:noeviction\r\n"
                       "# Stats\r\ntotal_connections_received:%llu\r\nrejected_connections:%llu\r\ntimed_out_connections:%llu\r\n"
                       "# Runtime\r\ngmp_procs:%d\r\ngmp_threads:%d\r\ngmp_switches:%llu\r\ngmp_polls:%llu\r\n"
                       "# Keyspace\r\ndb0:keys=%zu,expires=%zu\r\n",
                       KVD_VERSION, (long)getpid(), figures.port, (long long)((gmp_now() - figures.started) / 1000000000),
                       (long long)atomic_load(&figures.clients), figures.max_clients, budget_used(), budget_limit(),
                       (unsigned long long)atomic_load(&figures.accepted), (unsigned long long)atomic_load(&figures.refused),
                       (unsigned long long)atomic_load(&figures.timed_out), stats.procs, stats.threads,
                       (unsigned long long)stats.switches, (unsigned long long)stats.polls, store_count(), store_expiring());
    reply_bulk(c, text, len < (int)sizeof text ? (size_t)len : sizeof text - 1);
}

const struct command server_commands[] = {
    {"ping", ping, -1, 0, 0, 0, 0},
    {"echo", echo, 2, 0, 0, 0, 0},
    {"quit", quit, -1, 0, 0, 0, 0},
    {"select", select_db, 2, 0, 0, 0, 0},
    {"config", config, -2, 0, 0, 0, 0},
    {"command", command, -1, 0, 0, 0, 0},
    {"client", client, -2, 0, 0, 0, 0},
    {"hello", hello, -1, 0, 0, 0, 0},
    {"info", info, -1, CMD_ALL_KEYS, 0, 0, 0},
    {NULL, NULL, 0, 0, 0, 0, 0},
};
