/* Dialling by name. The resolver is this program's: the library finds our getaddrinfo before the C library's. It answers at once, with the
 * addresses of the scenario's host, or keeps those who ask for a name that "never" answers until it is let go. */
#include <dlfcn.h>
#include <netdb.h>

#include "net.h"

static atomic_int asked, answered, waiting, let_go;
static const char *hosts[8]; /* what "host" has */

typedef int (*getaddrinfo_t)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
typedef void (*freeaddrinfo_t)(struct addrinfo *);

static void *next(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    CHECK(found != NULL);
    return found;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    struct addrinfo *first = NULL, **last = &first, numeric = *hints;
    getaddrinfo_t real;
    void *symbol = next("getaddrinfo");
    memcpy(&real, &symbol, sizeof real);
    atomic_fetch_add(&asked, 1);
    if (strncmp(host, "never", 5) == 0) {
        atomic_fetch_add(&waiting, 1);
        while (!atomic_load(&let_go)) usleep(1000);
        atomic_fetch_sub(&waiting, 1);
        atomic_fetch_add(&answered, 1);
        return real("127.0.0.1", service, hints, found);
    }
    atomic_fetch_add(&answered, 1);
    if (strcmp(host, "nobody") == 0) return EAI_NONAME;
    if (strcmp(host, "nodata") == 0) return -5; /* EAI_NODATA */
    if (strcmp(host, "later") == 0) return EAI_AGAIN;
    if (strcmp(host, "broken") == 0) return EAI_FAIL;
    if (strcmp(host, "no-memory") == 0) return EAI_MEMORY;
    if (strcmp(host, "system") == 0) {
        errno = EMFILE;
        return EAI_SYSTEM;
    }
    if (strcmp(host, "host") != 0) return real(host, service, hints, found);
    numeric.ai_flags = AI_NUMERICHOST;
    for (int i = 0; hosts[i] != NULL; i++) {
        int family = strchr(hosts[i], ':') ? AF_INET6 : AF_INET;
        if (hints->ai_family != 0 && hints->ai_family != family) continue;
        CHECK_EQ(real(hosts[i], service, &numeric, last), 0);
        while (*last) last = &(*last)->ai_next;
    }
    *found = first;
    return first ? 0 : EAI_NONAME;
}

/* The C library may have put several into one list; each was made alone. */
void freeaddrinfo(struct addrinfo *list) {
    freeaddrinfo_t real;
    void *symbol = next("freeaddrinfo");
    memcpy(&real, &symbol, sizeof real);
    while (list) {
        struct addrinfo *rest = list->ai_next;
        list->ai_next = NULL;
        real(list);
        list = rest;
    }
}

/* ------------------------------------------------------------ names */
static void by_name(void *unused) {
    int listener = gmp_listen("tcp", "127.0.0.1:0"), client, server;
    struct text at = with_port("host", port_of(listener));
    (void)unused;
    client = gmp_dial("tcp", at.at, SOON());
    CHECK_FD(client);
    server = gmp_accept(listener, NULL, NULL, SOON());
    CHECK_FD(server);
    talk(client, server);
    CHECK_OK(gmp_close_fd(client));
    CHECK_OK(gmp_close_fd(server));
    CHECK_OK(gmp_close_fd(listener));
}
SCENARIO(host_name_is_looked_up) {
    hosts[0] = "127.0.0.1";
    by_name(NULL);
    task_and_thread(by_name);
    CHECK_EQ(atomic_load(&asked), 3);
    CHECK_IDLE();
}

static void digits(void *unused) {
    int listener = gmp_listen("tcp", "127.0.0.1:0"), client;
    (void)unused;
    CHECK_FD(listener);
    client = gmp_dial("tcp", with_port("127.0.0.1", port_of(listener)).at, SOON());
    CHECK_FD(client);
    CHECK_OK(gmp_close_fd(client));
    client = gmp_dial("udp", "[::1]:9", SOON());
    if (client >= 0) CHECK_OK(gmp_close_fd(client));
    CHECK_OK(gmp_close_fd(listener));
    CHECK_EQ(atomic_load(&asked), 0);
}
SCENARIO(addresses_in_digits_ask_nobody) { task_and_thread(digits); }

static void services(void *unused) {
    int fd = gmp_dial("udp", "127.0.0.1:domain", SOON());
    struct sockaddr_in to;
    socklen_t size = sizeof to;
    (void)unused;
    CHECK_FD(fd);
    CHECK_EQ(getpeername(fd, (struct sockaddr *)&to, &size), 0);
    CHECK_EQ(ntohs(to.sin_port), 53);
    CHECK_EQ(to.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    CHECK_OK(gmp_close_fd(fd));
    CHECK_CODE(gmp_dial("tcp", "127.0.0.1:no-such-service", SOON()), GMP_ENOENT);
    CHECK_CODE(gmp_dial("tcp", ":no-such-service", SOON()), GMP_ENOENT);
    CHECK_CODE(gmp_listen("tcp", ":no-such-service"), GMP_ENOENT);
    CHECK_CODE(gmp_dial("tcp", "127.0.0.1:domain", GMP_NOWAIT), GMP_EAGAIN);
}
SCENARIO(services_have_names) {
    if (getservbyname("domain", "udp") == NULL) SKIP("no service \"domain\": no /etc/services");
    task_and_thread(services);
}

static void failures(void *unused) {
    (void)unused;
    CHECK_CODE(gmp_dial("tcp", "nobody:80", SOON()), GMP_ENOENT);
    CHECK_CODE(gmp_dial("udp", "nodata:80", SOON()), GMP_ENOENT);
    CHECK_CODE(gmp_listen("tcp", "nobody:0"), GMP_ENOENT);
    CHECK_CODE(gmp_dial("tcp", "later:80", SOON()), -EREMOTEIO);
    CHECK_CODE(gmp_dial("tcp", "broken:80", SOON()), -EREMOTEIO);
    CHECK_CODE(gmp_dial("tcp", "no-memory:80", SOON()), GMP_ENOMEM);
    CHECK_CODE(gmp_dial("tcp", "system:80", SOON()), -EMFILE);
    CHECK_CODE(gmp_dial("tcp6", "host:80", SOON()), GMP_ENOENT); /* it has IPv4 addresses only */
    CHECK_CODE(gmp_listen("udp6", "host:0"), GMP_ENOENT);
}
SCENARIO(each_failure_of_the_resolver_has_its_code) {
    hosts[0] = "127.0.0.1";
    task_and_thread(failures);
    CHECK_IDLE();
}

static void listen_by_name(void *unused) {
    int fd = gmp_listen("tcp", "host:0");
    (void)unused;
    CHECK_FD(fd);
    CHECK_EQ(family_of(fd), AF_INET);
    CHECK_OK(gmp_close_fd(fd));
}
SCENARIO(listener_takes_the_first_ipv4_address_of_a_name) {
    hosts[0] = "::1";
    hosts[1] = "127.0.0.1";
    hosts[2] = "127.0.0.2";
    task_and_thread(listen_by_name);
}

/* ------------------------------------------------------------ a resolver that never answers */
static void given_up(void *unused) {
    gmp_time_t start = gmp_now();
    int before = atomic_load(&asked);
    (void)unused;
    CHECK_CODE(gmp_dial("tcp", "never:80", GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_dial("tcp", "never:80", gmp_now() - 1), GMP_ETIMEDOUT);
    CHECK_EQ(atomic_load(&asked), before);
    CHECK_CODE(gmp_dial("tcp", "never:80", gmp_after_ns(50 * MS)), GMP_ETIMEDOUT);
    CHECK(gmp_now() >= start + 50 * MS);
}
static void until_answered(void) {
    atomic_store(&let_go, 1);
    UNTIL(atomic_load(&answered) == atomic_load(&asked), usleep(100));
}
SCENARIO(resolver_that_never_answers_is_given_up_at_the_deadline) {
    long threads = check_threads();
    task_and_thread(given_up);
    /* The lookups go on, and nobody waits for them. */
    CHECK_EQ(gmp_num_tasks(), 0);
    CHECK_IDLE();
    CHECK_OK(gmp_shutdown(SOON()));
    UNTIL(atomic_load(&waiting) == 2, usleep(100));
    until_answered();
    CHECK_THREADS(threads);
}

static void *dial_never(void *unused) {
    (void)unused;
    return (void *)(intptr_t)gmp_dial("tcp", "never:80", GMP_FOREVER);
}
SCENARIO(cancel_gives_a_lookup_up) {
    long threads = check_threads();
    gmp_task_t *task;
    void *result;
    for (int round = 0; round < 10; round++) {
        CHECK_OK(gmp_spawn(dial_never, NULL, NULL, &task));
        if (round % 2) UNTIL(atomic_load(&waiting) > round / 2, usleep(20));
        CHECK_OK(gmp_task_cancel(task));
        CHECK_OK(gmp_join(task, SOON(), &result));
        CHECK_CODE((int)(intptr_t)result, GMP_ECANCELED);
    }
    until_answered();
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_THREADS(threads);
}

enum { CROWD = 200, AT_ONCE = 64 };
static void *dial_never_for_a_while(void *unused) {
    (void)unused;
    return (void *)(intptr_t)gmp_dial("udp", "never:9", gmp_after_ns(200 * MS));
}
SCENARIO(no_more_than_64_lookups_run_at_once) {
    long threads = check_threads();
    static gmp_task_t *tasks[CROWD];
    void *result;
    int fd;
    for (int i = 0; i < CROWD; i++) CHECK_OK(gmp_spawn(dial_never_for_a_while, NULL, NULL, &tasks[i]));
    for (int i = 0; i < CROWD; i++) {
        CHECK_OK(gmp_join(tasks[i], SOON(), &result));
        CHECK_CODE((int)(intptr_t)result, GMP_ETIMEDOUT);
    }
    CHECK(atomic_load(&asked) <= AT_ONCE);
    UNTIL(atomic_load(&waiting) == atomic_load(&asked), usleep(100));
    /* Who comes now waits for a place, as long as it may; and gets it when one is free. */
    if (atomic_load(&asked) == AT_ONCE) CHECK_CODE(gmp_dial("udp", "host:9", gmp_after_ns(5 * MS)), GMP_ETIMEDOUT);
    until_answered();
    hosts[0] = "127.0.0.1";
    fd = gmp_dial("udp", "host:9", SOON());
    CHECK_FD(fd);
    CHECK_OK(gmp_close_fd(fd));
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_THREADS(threads);
}

/* While a lookup may still answer, a task that waits for it is not deadlocked. */
static void dial_late(void *unused) {
    int fd = gmp_dial("udp", "never:9", GMP_FOREVER);
    (void)unused;
    CHECK_FD(fd);
    CHECK_OK(gmp_close_fd(fd));
}
static void *let_it_go(void *unused) {
    (void)unused;
    UNTIL(atomic_load(&waiting) == 1, usleep(100));
    usleep(100 * 1000); /* ten times what makes a verdict */
    atomic_store(&let_go, 1);
    return NULL;
}
SCENARIO(lookup_that_takes_long_is_no_deadlock) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, let_it_go, NULL), 0);
    CHECK_OK(gmp_run(dial_late, NULL));
    CHECK_EQ(check_stats().deadlocks, 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void *dial_host(void *at) {
    int fd = gmp_dial("tcp", ((struct text *)at)->at, SOON());
    CHECK_FD(fd);
    CHECK_OK(gmp_close_fd(fd));
    return NULL;
}
static void dial_host_as_a_party(void *at) { dial_host(at); }
SCENARIO(many_look_a_name_up_at_once_and_each_has_its_turn) {
    static gmp_task_t *tasks[CROWD];
    int listener = gmp_listen("tcp", "127.0.0.1:0"), fd;
    struct text at = with_port("host", port_of(listener));
    struct party threads[8];
    long before = sockets();
    hosts[0] = "127.0.0.1";
    for (int i = 0; i < CROWD; i++) CHECK_OK(gmp_spawn(dial_host, &at, NULL, &tasks[i]));
    for (int i = 0; i < 8; i++) party_start(&threads[i], THREAD, dial_host_as_a_party, &at);
    for (int i = 0; i < CROWD + 8; i++) {
        fd = gmp_accept(listener, NULL, NULL, SOON());
        CHECK_FD(fd);
        CHECK_OK(gmp_close_fd(fd));
    }
    for (int i = 0; i < CROWD; i++) CHECK_OK(gmp_join(tasks[i], SOON(), NULL));
    parties_end(threads, 8);
    CHECK_EQ(atomic_load(&asked), CROWD + 8);
    CHECK_EQ(sockets(), before);
}

/* ------------------------------------------------------------ several addresses */
static void connects_to(void *arg) {
    const char *wanted = (const char *)arg;
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    char text[64];
    long before = sockets();
    int fd = gmp_dial("tcp", getenv("TEST_AT"), SOON());
    CHECK_FD(fd);
    CHECK_EQ(sockets(), before + 1);
    CHECK(epolls() <= 1); /* the runtime's */
    CHECK_EQ(getpeername(fd, (struct sockaddr *)&peer, &size), 0);
    CHECK(inet_ntop(AF_INET, &peer.sin_addr, text, sizeof text) != NULL);
    CHECK(strcmp(text, wanted) == 0);
    CHECK(!is_nonblocking(fd));
    CHECK_OK(gmp_close_fd(fd));
}
static void host_at(int port) {
    static struct text at;
    at = with_port("host", port);
    CHECK_EQ(setenv("TEST_AT", at.at, 1), 0);
}

SCENARIO(address_that_refuses_is_followed_by_the_next_at_once) {
    int fds[2], port = bound_twice("127.0.0.2", "127.0.0.1", fds);
    gmp_time_t start;
    CHECK_EQ(listen(fds[1], 100), 0);
    hosts[0] = "127.0.0.2";
    hosts[1] = "127.0.0.1";
    host_at(port);
    CHECK_OK(gmp_start(NULL));
    start = gmp_now();
    for (int i = 0; i < 20; i++) connects_to((void *)"127.0.0.1");
    CHECK(gmp_now() < start + 20 * 250 * MS);
    CHECK_OK(gmp_run(connects_to, (void *)"127.0.0.1"));
}

SCENARIO(address_that_is_silent_is_overtaken_by_the_next) {
    int fds[2], port = bound_twice("127.0.0.2", "127.0.0.1", fds);
    gmp_time_t start;
    struct party thread;
    deafen(fds[0]);
    CHECK_EQ(listen(fds[1], 100), 0);
    hosts[0] = "127.0.0.2";
    hosts[1] = "127.0.0.1";
    host_at(port);
    CHECK_OK(gmp_start(NULL));
    start = gmp_now();
    CHECK_OK(gmp_run(connects_to, (void *)"127.0.0.1"));
    CHECK(gmp_now() >= start + 240 * MS); /* the first had its time */
    party_start(&thread, THREAD, connects_to, (void *)"127.0.0.1");
    party_end(&thread);
    CHECK_IDLE();
}

SCENARIO(several_silent_addresses_are_tried_together) {
    int fds[2], port = bound_twice("127.0.0.2", "127.0.0.1", fds);
    long before;
    deafen(fds[0]);
    CHECK_EQ(listen(fds[1], 100), 0);
    for (int i = 0; i < 4; i++) hosts[i] = "127.0.0.2";
    host_at(port);
    CHECK_OK(gmp_start(NULL));
    CHECK_CODE(gmp_dial("tcp", getenv("TEST_AT"), gmp_after_ns(5 * MS)), GMP_ETIMEDOUT);
    before = sockets();
    CHECK_CODE(gmp_dial("tcp", getenv("TEST_AT"), gmp_after_ns(600 * MS)), GMP_ETIMEDOUT);
    CHECK_EQ(sockets(), before);
    CHECK(epolls() <= 1);
    CHECK_CODE(gmp_dial("tcp", getenv("TEST_AT"), GMP_NOWAIT), GMP_EAGAIN);
    hosts[4] = "127.0.0.1";
    CHECK_OK(gmp_run(connects_to, (void *)"127.0.0.1"));
}

SCENARIO(error_is_that_of_the_first_address) {
    int nobody = bound(SOCK_STREAM, "127.0.0.1", 0);
    struct text at = with_port("host", port_of(nobody));
    hosts[0] = "127.0.0.1"; /* refuses */
    hosts[1] = "255.255.255.255"; /* TCP cannot go there: another code, at once */
    CHECK_CODE(gmp_dial("tcp", at.at, SOON()), -ECONNREFUSED);
    hosts[0] = "255.255.255.255";
    hosts[1] = "127.0.0.1";
    int code = gmp_dial("tcp", at.at, SOON());
    CHECK(code < 0 && code != -ECONNREFUSED);
}

/* In a child of a fork the lookups of the parent take no places. */
SCENARIO(fork_while_lookups_are_under_way) {
    int status;
    pid_t child;
    CHECK_CODE(gmp_dial("tcp", "never:80", gmp_after_ns(10 * MS)), GMP_ETIMEDOUT);
    UNTIL(atomic_load(&waiting) == 1, usleep(100));
    hosts[0] = "127.0.0.1";
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        int fd = gmp_dial("udp", "host:9", SOON());
        _exit(fd < 0 ? -fd : 0);
    }
    CHECK_OK(gmp_wait_pid(child, &status, SOON()));
    CHECK_EQ(status, 0);
    until_answered();
}
