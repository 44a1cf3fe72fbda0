/* The body for kvd: bytes as one client sends them, through its parser, its commands and their replies, without sockets and without
 * the runtime, whose four functions that they use are here.
 *
 * However the bytes are cut they are answered alike; the replies are well-formed; locks are taken in ascending order and all
 * given back, and so is the memory.
 */
#include "client.h"

#include "budget.h"
#include "command.h"
#include "figures.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { MOST_OUTPUT = 4 << 20, LONGEST_BULK = 2000 };
#ifdef PLANTED /* a fault for the fuzzer's own test: cut into pieces, less of an argument is taken */
enum { CUT_BULK = 1500 };
#else
enum { CUT_BULK = LONGEST_BULK };
#endif

struct figures figures;

static int depth;              /* locks held */
static const void *last_taken; /* of those */

#define MUST(holds) \
    do \
        if (!(holds)) { \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #holds); \
            abort(); \
        } \
    while (0)

/* ------------------------------------------------------------ in place of the runtime */
int gmp_mutex_lock(gmp_mutex_t *m, gmp_time_t deadline) {
    (void)deadline;
    MUST(m->opaque[0] == 0);
    MUST(depth == 0 || (const void *)m > last_taken);
    m->opaque[0] = 1;
    depth++;
    last_taken = m;
    return GMP_OK;
}

int gmp_mutex_unlock(gmp_mutex_t *m) {
    MUST(m->opaque[0] == 1);
    m->opaque[0] = 0;
    depth--;
    return GMP_OK;
}

/* Time goes by with the bytes and not by itself, so that two runs are alike. */
static gmp_time_t now;
gmp_time_t gmp_now(void) { return now; }

int gmp_stats(gmp_stats_t *stats, size_t size) {
    memset(stats, 0, size);
    return GMP_OK;
}

/* ------------------------------------------------------------ one run */
struct output {
    char *at;
    size_t len;
    bool whole; /* there was no more */
};

static void take(struct client *c, struct output *out) {
    size_t room = MOST_OUTPUT - out->len, n = c->out.len < room ? c->out.len : room;
    if (n > 0) memcpy(out->at + out->len, c->out.at, n);
    out->len += n;
    if (n < c->out.len) out->whole = false;
    client_sent(c);
}

static void forget_keys(void) {
    struct table tables[SHARDS];
    store_lock(ALL_SHARDS);
    store_take_all(tables);
    store_unlock(ALL_SHARDS);
    for (int i = 0; i < SHARDS; i++) table_empty(&tables[i]);
}

/* The conversation with its bytes cut at random, or not at all where `cuts` is 0. */
static void converse(const uint8_t *bytes, size_t n, uint64_t cuts, struct output *out) {
    struct client c;
    enum wants wants = WANTS_BYTES;
    size_t at = 0;
    request_limits.bulk = cuts ? CUT_BULK : LONGEST_BULK;
    client_init(&c, 7);
    out->len = 0;
    out->whole = true;
    now = 1000000000;
    while (at < n && wants != WANTS_CLOSE) {
        MUST(client_room(&c));
        MUST(c.in.room > c.in.len);
        size_t piece = c.in.room - c.in.len;
        size_t most = random_bits(&cuts) % 4 ? 7 : piece;
        if (cuts && piece > most) piece = most;
        if (cuts) piece = 1 + random_bits(&cuts) % piece;
        if (piece > n - at) piece = n - at;
        memcpy(c.in.at + c.in.len, bytes + at, piece);
        c.in.len += piece;
        at += piece;
        do {
            wants = client_run(&c);
            MUST(depth == 0 && !c.flushed && !c.overflow);
            MUST(wants != WANTS_FLUSH || c.out.len > 0);
            take(&c, out);
        } while (wants == WANTS_FLUSH);
    }
    client_free(&c);
    forget_keys();
    MUST(budget_used() == 0 && store_expiring() == 0);
}

/* ------------------------------------------------------------ what came out */

/* The number on a line, which must be one, and where the next begins. */
static long long number(const char **at, const char *end) {
    char text[32] = "";
    size_t n = 0;
    while (*at < end && **at != '\r' && n < sizeof text - 1) text[n++] = *(*at)++;
    char *stop;
    long long value = strtoll(text, &stop, 10);
    MUST(n > 0 && *stop == '\0' && end - *at >= 2 && memcmp(*at, "\r\n", 2) == 0);
    *at += 2;
    return value;
}

static void check_replies(const char *at, const char *end) {
    long long open = 0; /* members of arrays that are still to come */
    while (at < end) {
        char kind = *at++;
        if (open > 0) open--;
        if (kind == ':') {
            number(&at, end);
        } else if (kind == '*') {
            long long n = number(&at, end);
            open += n > 0 ? n : 0;
        } else if (kind == '$') {
            long long n = number(&at, end);
            if (n < 0) continue;
            MUST(end - at >= n + 2 && memcmp(at + n, "\r\n", 2) == 0);
            at += n + 2;
        } else {
            MUST(kind == '+' || kind == '-');
            const char *line = memchr(at, '\n', (size_t)(end - at));
            MUST(line && line > at && line[-1] == '\r' && !memchr(at, '\r', (size_t)(line - 1 - at)));
            at = line + 1;
        }
    }
    MUST(open == 0);
}

/* Whatever the case of its letters. */
static bool has(const void *bytes, size_t n, const char *word) {
    const char *at = bytes;
    for (size_t i = 0, matched; i < n; i++) {
        for (matched = 0; word[matched] && i + matched < n && tolower((unsigned char)at[i + matched]) == word[matched];) matched++;
        if (!word[matched]) return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static struct output whole, cut;
    if (!whole.at) {
        commands_init();
        request_limits = (struct request_limits){.bulk = LONGEST_BULK, .whole = 8000};
        reply_limits = (struct reply_limits){.batch = 500, .whole = 20000};
        whole.at = malloc(MOST_OUTPUT);
        cut.at = malloc(MOST_OUTPUT);
        MUST(whole.at && cut.at);
    }
    converse(bytes, size, 0, &whole);
    if (whole.whole) check_replies(whole.at, whole.at + whole.len);
    converse(bytes, size, size * 2654435761u + 1, &cut);
    /* Buffers, and so the memory that INFO tells, depend on how bytes come; members that SPOP draws on all draws before. */
    if (has(bytes, size, "info") || has(bytes, size, "spop")) return 0;
    MUST(cut.len == whole.len && memcmp(cut.at, whole.at, whole.len) == 0);
    return 0;
}
