/* Libraries that wait inside, as no program of ours would: the resolver, a database. */
//@ with ALIVE_PROCS=2
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <sys/socket.h>

#include "alive.h"

/* ------------------------------------------------------------ getaddrinfo */
static int dead;
static struct sockaddr_in dead_at;

/* The resolver's state is a thread's own: this stretch has one thread, which need not be the next one's. */
static intptr_t resolve(int index) {
    struct addrinfo *found = NULL, wanted = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    (void)index;
    if (res_init() != 0) return -1;
    _res.nscount = 1;
    _res.nsaddr_list[0] = dead_at;
    _res.retrans = 2;
    _res.retry = 3;
    foreign_starts();
    int code = getaddrinfo("nobody.invalid.", "80", &wanted, &found);
    if (code == 0) freeaddrinfo(found);
    return code != 0; /* which of its codes depends on the configuration */
}

/* To a port that nobody has the next attempt is refused at once. */
static void close_the_port(void) { close(dead); }

static void *resolve_on_a_thread(void *unused) {
    (void)unused;
    return (void *)resolve(0);
}

SCENARIO(getaddrinfo_on_a_resolver_that_never_answers) {
    socklen_t size = sizeof dead_at;
    struct pollfd asked;
    pthread_t first;
    void *code;
    dead = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    dead_at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (dead < 0 || bind(dead, (struct sockaddr *)&dead_at, sizeof dead_at) != 0) SKIP("no UDP port on the loopback");
    CHECK_EQ(getsockname(dead, (struct sockaddr *)&dead_at, &size), 0);
    /* A plain thread shows that it is this port that is asked: nsswitch.conf need not say so. */
    CHECK_EQ(pthread_create(&first, NULL, resolve_on_a_thread, NULL), 0);
    asked = (struct pollfd){.fd = dead, .events = POLLIN};
    if (poll(&asked, 1, 5000) != 1) SKIP("getaddrinfo asks no name server here");
    atomic_store(&foreign_entered, 0);
    gmp_stats_t stats = stays_alive("getaddrinfo", alive_procs(), resolve, close_the_port, 1);
    CHECK_RETAKEN(retakes_blocked, stats);
    CHECK_EQ(pthread_join(first, &code), 0);
    CHECK_EQ((intptr_t)code, 1);
}

/* ------------------------------------------------------------ sqlite3: its header need not be there */
static struct {
    int (*open)(const char *, void **);
    int (*exec)(void *, const char *, int (*)(void *, int, char **, char **), void *, char **);
    int (*busy_timeout)(void *, int);
    int (*close)(void *);
} sqlite;
static void *databases[1 + MOST_FOREIGN];

/* dlsym's result is no function by the letter of C. */
static void look_up(void *library, const char *name, void *to) {
    void *found = dlsym(library, name);
    CHECK(found != NULL);
    memcpy(to, &found, sizeof found);
}

static intptr_t insert(int index) {
    foreign_starts();
    return sqlite.exec(databases[1 + index], "INSERT INTO t VALUES (1)", NULL, NULL, NULL);
}

static void commit(void) { CHECK_EQ(sqlite.exec(databases[0], "COMMIT", NULL, NULL, NULL), 0); }

static char directory[] = "/tmp/gmp-sqlite-XXXXXX", file[64];

static void forget(void) {
    unlink(file);
    rmdir(directory);
}

SCENARIO(sqlite3_busy_while_another_connection_writes) {
    void *library = dlopen("libsqlite3.so.0", RTLD_NOW);
    if (library == NULL) SKIP("no libsqlite3.so.0 (Debian: libsqlite3-0)");
    look_up(library, "sqlite3_open", &sqlite.open);
    look_up(library, "sqlite3_exec", &sqlite.exec);
    look_up(library, "sqlite3_busy_timeout", &sqlite.busy_timeout);
    look_up(library, "sqlite3_close", &sqlite.close);
    CHECK(mkdtemp(directory) != NULL);
    snprintf(file, sizeof file, "%s/db", directory);
    atexit(forget);
    for (int i = 0; i <= alive_procs(); i++) {
        CHECK_EQ(sqlite.open(file, &databases[i]), 0);
        CHECK_EQ(sqlite.busy_timeout(databases[i], 60000), 0);
    }
    CHECK_EQ(sqlite.exec(databases[0], "CREATE TABLE t (n INTEGER)", NULL, NULL, NULL), 0);
    CHECK_EQ(sqlite.exec(databases[0], "BEGIN EXCLUSIVE", NULL, NULL, NULL), 0);
    gmp_stats_t stats = stays_alive("sqlite3 busy", alive_procs(), insert, commit, 0);
    CHECK(stats.retakes_blocked + stats.retakes_running >= 1);
    for (int i = 0; i <= alive_procs(); i++) CHECK_EQ(sqlite.close(databases[i]), 0);
}
