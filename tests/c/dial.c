/* Dialling addresses in digits and Unix sockets: what comes out, what is refused, and how it ends otherwise. */
#include "net.h"

/* ------------------------------------------------------------ TCP */
static void dial_tcp(const char *network, const char *listen_at, const char *host) {
    int listener = gmp_listen(network, listen_at), client, server;
    CHECK_FD(listener);
    client = gmp_dial(network, with_port(host, port_of(listener)).at, SOON());
    CHECK_FD(client);
    server = gmp_accept(listener, NULL, NULL, SOON());
    CHECK_FD(server);
    talk(client, server);
    CHECK(is_cloexec(client) && !is_nonblocking(client));
    CHECK_EQ(option_of(client, IPPROTO_TCP, TCP_NODELAY), 1);
    CHECK_EQ(option_of(client, SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_EQ(option_of(client, IPPROTO_TCP, TCP_KEEPIDLE), 15);
    CHECK_EQ(option_of(client, IPPROTO_TCP, TCP_KEEPINTVL), 15);
    CHECK_EQ(option_of(client, IPPROTO_TCP, TCP_KEEPCNT), 9);
    CHECK_OK(gmp_close_fd(client));
    CHECK_OK(gmp_close_fd(server));
    CHECK_OK(gmp_close_fd(listener));
}

static void tcp(void *unused) {
    (void)unused;
    dial_tcp("tcp", "127.0.0.1:0", "127.0.0.1");
    dial_tcp("tcp4", "127.0.0.1:0", "127.0.0.1");
    dial_tcp("tcp4", ":0", ""); /* without a host: this machine */
    dial_tcp("tcp", ":0", "");
    dial_tcp("tcp", "127.0.0.1:0", "[127.0.0.1]");
}
SCENARIO(tcp_connects_and_has_its_options) {
    long before = sockets();
    tcp(NULL); /* before the start, from a thread */
    CHECK_EQ(sockets(), before);
    task_and_thread(tcp);
}

static void tcp6(void *unused) {
    (void)unused;
    dial_tcp("tcp", "[::1]:0", "[::1]");
    dial_tcp("tcp6", "[::1]:0", "[::1]");
    dial_tcp("tcp6", ":0", "");
    dial_tcp("tcp", "[::1]:0", "[::1%lo]");
    dial_tcp("tcp", ":0", "[::1]");
    dial_tcp("tcp", "[::]:0", "127.0.0.1");
}
SCENARIO(tcp_over_ipv6) {
    if (!has_ipv6()) SKIP("no IPv6");
    task_and_thread(tcp6);
}

/* A socket for the moment of whose life the port is bound, but nobody listens. */
static void refused(void *unused) {
    int nobody = bound(SOCK_STREAM, "127.0.0.1", 0);
    struct text at = with_port("127.0.0.1", port_of(nobody));
    long before = sockets();
    (void)unused;
    CHECK_CODE(gmp_dial("tcp", at.at, SOON()), -ECONNREFUSED);
    CHECK_CODE(gmp_dial("tcp", at.at, GMP_FOREVER), -ECONNREFUSED);
    CHECK_CODE(gmp_dial("tcp", at.at, GMP_NOWAIT), -ECONNREFUSED);
    CHECK_EQ(sockets(), before);
    close(nobody);
}
SCENARIO(port_that_nobody_listens_on_is_refused) { task_and_thread(refused); }

/* ------------------------------------------------------------ without an answer */
static struct text silent;

static void never_answered(void *unused) {
    gmp_time_t start = gmp_now();
    long before;
    (void)unused;
    CHECK_CODE(gmp_dial("tcp", silent.at, gmp_after_ns(30 * MS)), GMP_ETIMEDOUT);
    CHECK(gmp_now() >= start + 30 * MS);
    before = sockets();
    CHECK_CODE(gmp_dial("tcp", silent.at, gmp_after_ns(5 * MS)), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_dial("tcp", silent.at, gmp_now() - 1), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_dial("tcp", silent.at, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(sockets(), before);
}
SCENARIO(listener_that_never_answers_ends_at_the_deadline) {
    int fd = bound(SOCK_STREAM, "127.0.0.1", 0);
    deafen(fd);
    silent = with_port("127.0.0.1", port_of(fd));
    task_and_thread(never_answered);
    CHECK_IDLE();
}

/* A descriptor's number may have been somebody's who left a deadline behind. */
static void numbers_are_used_again(void *unused) {
    gmp_time_t start;
    (void)unused;
    for (int i = 0; i < 3; i++) {
        int before = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
        CHECK(before >= 0);
        CHECK_OK(gmp_fd_set_deadline(before, POLLIN | POLLOUT, gmp_now() - 1));
        close(before);
        start = gmp_now();
        CHECK_CODE(gmp_dial("tcp", silent.at, start + 30 * MS), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= start + 30 * MS);
        before = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK_OK(gmp_fd_set_deadline(before, POLLIN | POLLOUT, gmp_now() - 1));
        close(before);
        fd = gmp_listen("tcp", "127.0.0.1:0");
        CHECK_FD(fd);
        start = gmp_now();
        CHECK_CODE(gmp_accept(fd, NULL, NULL, start + 5 * MS), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= start + 5 * MS);
        CHECK_OK(gmp_close_fd(fd));
    }
}
SCENARIO(deadline_of_a_number_used_before_does_not_count) {
    int fd = bound(SOCK_STREAM, "127.0.0.1", 0);
    deafen(fd);
    silent = with_port("127.0.0.1", port_of(fd));
    task_and_thread(numbers_are_used_again);
}

static void *dial_silent(void *unused) {
    (void)unused;
    return (void *)(intptr_t)gmp_dial("tcp", silent.at, GMP_FOREVER);
}
SCENARIO(cancel_ends_a_dial_that_waits) {
    int fd = bound(SOCK_STREAM, "127.0.0.1", 0);
    long before;
    gmp_task_t *task;
    void *result;
    deafen(fd);
    silent = with_port("127.0.0.1", port_of(fd));
    CHECK_OK(gmp_start(NULL));
    before = sockets();
    for (int round = 0; round < 20; round++) {
        CHECK_OK(gmp_spawn(dial_silent, NULL, NULL, &task));
        /* Early ones find it before its wait, late ones in it. */
        if (round % 2) UNTIL(sockets() > before, sched_yield());
        CHECK_OK(gmp_task_cancel(task));
        CHECK_OK(gmp_join(task, SOON(), &result));
        CHECK_CODE((int)(intptr_t)result, GMP_ECANCELED);
    }
    CHECK_EQ(sockets(), before);
}

static void succeeds_at_once(void *arg) {
    int fd = gmp_dial("unix", (const char *)arg, GMP_NOWAIT);
    CHECK_FD(fd);
    CHECK_OK(gmp_close_fd(fd));
}
SCENARIO(what_needs_no_wait_is_done_without_time) {
    const char *path = unix_path();
    int listener = gmp_listen("unix", path);
    CHECK_FD(listener);
    CHECK_OK(gmp_run(succeeds_at_once, (void *)path));
    succeeds_at_once((void *)path);
    CHECK_OK(gmp_close_fd(listener));
}

/* ------------------------------------------------------------ UDP, Unix */
static void udp(void *unused) {
    int receiver = gmp_listen("udp", "127.0.0.1:0"), sender, stranger;
    char buf[16];
    (void)unused;
    CHECK_FD(receiver);
    CHECK(is_cloexec(receiver) && is_nonblocking(receiver));
    CHECK_EQ(option_of(receiver, SOL_SOCKET, SO_REUSEADDR), 0);
    sender = gmp_dial("udp", with_port("127.0.0.1", port_of(receiver)).at, GMP_NOWAIT);
    CHECK_FD(sender);
    CHECK(is_cloexec(sender) && !is_nonblocking(sender));
    CHECK_EQ(option_of(sender, SOL_SOCKET, SO_BROADCAST), 1);
    CHECK_EQ(gmp_write(sender, "datagram", 8, SOON()), 8);
    CHECK_EQ(gmp_recv(receiver, buf, sizeof buf, 0, SOON()), 8);
    CHECK_EQ(memcmp(buf, "datagram", 8), 0);
    stranger = gmp_dial("udp4", "127.0.0.1:9", SOON()); /* nothing is sent, so nobody need be there */
    CHECK_FD(stranger);
    CHECK_OK(gmp_close_fd(stranger));
    CHECK_OK(gmp_close_fd(sender));
    CHECK_OK(gmp_close_fd(receiver));
}
SCENARIO(udp_says_who_is_sent_to) { task_and_thread(udp); }

static void dial_unix(const char *network, const char *name) {
    int listener = gmp_listen(network, name), client, server;
    CHECK_FD(listener);
    CHECK(is_cloexec(listener));
    client = gmp_dial(network, name, SOON());
    CHECK_FD(client);
    CHECK(is_cloexec(client) && !is_nonblocking(client));
    if (strcmp(network, "unixgram") == 0) {
        char c;
        CHECK_EQ(gmp_write(client, "x", 1, SOON()), 1);
        CHECK_EQ(gmp_read(listener, &c, 1, SOON()), 1);
    } else {
        server = gmp_accept(listener, NULL, NULL, SOON());
        CHECK_FD(server);
        talk(client, server);
        CHECK_OK(gmp_close_fd(server));
    }
    CHECK_OK(gmp_close_fd(client));
    CHECK_OK(gmp_close_fd(listener));
    if (name[0] == '@') {
        CHECK_CODE(gmp_dial(network, name, SOON()), -ECONNREFUSED);
    } else {
        CHECK_EQ(unlink(name), 0); /* it is there still */
        CHECK_CODE(gmp_dial(network, name, SOON()), GMP_ENOENT);
    }
}
static void unix_all(void *path) {
    char name[100];
    snprintf(name, sizeof name, "@gmp-test-%d-%llx", getpid(), (unsigned long long)gmp_now());
    dial_unix("unix", (const char *)path);
    dial_unix("unixpacket", (const char *)path);
    dial_unix("unixgram", (const char *)path);
    dial_unix("unix", name);
    dial_unix("unixpacket", name);
    dial_unix("unixgram", name);
}
SCENARIO(unix_sockets_of_three_kinds_by_path_and_abstract_name) {
    const char *path = unix_path();
    unix_all((void *)path);
    CHECK_OK(gmp_run(unix_all, (void *)path));
}

static void *dial_full(void *path) {
    int fd = gmp_dial("unix", (const char *)path, GMP_FOREVER);
    if (fd >= 0) CHECK_OK(gmp_close_fd(fd));
    return (void *)(intptr_t)(fd < 0 ? fd : 0);
}
SCENARIO(full_unix_backlog_is_waited_for) {
    const char *path = unix_path();
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), n = 0, fd;
    gmp_task_t *task;
    void *result;
    CHECK_OK(gmp_start(NULL));
    memcpy(at.sun_path, path, strlen(path) + 1);
    CHECK_EQ(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(listen(listener, 0), 0);
    while ((fd = gmp_dial("unix", path, GMP_NOWAIT)) >= 0) CHECK(++n < 100);
    CHECK_CODE(fd, GMP_EAGAIN);
    CHECK_CODE(gmp_dial("unix", path, gmp_after_ns(20 * MS)), GMP_ETIMEDOUT);
    CHECK_OK(gmp_spawn(dial_full, (void *)path, NULL, &task));
    CHECK_CODE(gmp_join(task, gmp_after_ns(20 * MS), NULL), GMP_ETIMEDOUT);
    CHECK_OK(gmp_task_cancel(task));
    CHECK_OK(gmp_join(task, SOON(), &result));
    CHECK_CODE((int)(intptr_t)result, GMP_ECANCELED);
    CHECK_OK(gmp_spawn(dial_full, (void *)path, NULL, &task));
    CHECK_CODE(gmp_join(task, gmp_after_ns(20 * MS), NULL), GMP_ETIMEDOUT);
    fd = accept(listener, NULL, NULL);
    CHECK_FD(fd);
    CHECK_OK(gmp_join(task, SOON(), &result));
    CHECK_OK((int)(intptr_t)result);
}

/* ------------------------------------------------------------ bad input */
static void bad(void *unused) {
    static const char *const networks[] = {"", "TCP", "tcp5", "tcp ", "ip", "unix6", "udp44", "http"};
    static const char *const addresses[] = {
        "",          "host",     "127.0.0.1", "::1",           "::1:80",     "[::1]",      "[::1]80",   "[]:80",
        "[::1:80",   "::1]:80",  "host:",     "host:65536",    "host:-1",    "host:+80",   "host: 80",  "a b:80",
        "host:1:2",  "[::1%]:1", "[]:",       "host:999999999999999999999", "1.2.3.4%lo:80", "\n:80",
    };
    char longest[400];
    (void)unused;
    CHECK_CODE(gmp_dial(NULL, "127.0.0.1:1", SOON()), GMP_EINVAL);
    CHECK_CODE(gmp_dial("tcp", NULL, SOON()), GMP_EINVAL);
    CHECK_CODE(gmp_listen(NULL, "127.0.0.1:0"), GMP_EINVAL);
    CHECK_CODE(gmp_listen("tcp", NULL), GMP_EINVAL);
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        CHECK_CODE(gmp_dial(networks[i], "127.0.0.1:1", SOON()), GMP_EINVAL);
        CHECK_CODE(gmp_listen(networks[i], "127.0.0.1:0"), GMP_EINVAL);
    }
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        CHECK_CODE(gmp_dial("tcp", addresses[i], SOON()), GMP_EINVAL);
        CHECK_CODE(gmp_dial("udp", addresses[i], GMP_NOWAIT), GMP_EINVAL);
        CHECK_CODE(gmp_listen("tcp", addresses[i]), GMP_EINVAL);
        CHECK_CODE(gmp_listen("udp", addresses[i]), GMP_EINVAL);
    }
    memset(longest, 'a', sizeof longest);
    memcpy(longest + 300, ":80", 4);
    CHECK_CODE(gmp_dial("tcp", longest, SOON()), GMP_EINVAL);
    /* The other family's. */
    CHECK_CODE(gmp_dial("tcp4", "[::1]:1", SOON()), GMP_EINVAL);
    CHECK_CODE(gmp_dial("udp6", "127.0.0.1:1", SOON()), GMP_EINVAL);
    CHECK_CODE(gmp_listen("tcp6", "127.0.0.1:0"), GMP_EINVAL);
    CHECK_CODE(gmp_listen("udp4", "[::]:0"), GMP_EINVAL);
    CHECK_CODE(gmp_dial("tcp", "[fe80::1%nowhere]:80", SOON()), -ENODEV);
    /* Unix: 107 bytes of a path, 108 of an abstract name with its sign. */
    longest[300] = 0;
    CHECK_CODE(gmp_dial("unix", "", SOON()), GMP_EINVAL);
    CHECK_CODE(gmp_dial("unix", "@", SOON()), GMP_EINVAL);
    CHECK_CODE(gmp_dial("unix", longest, SOON()), GMP_EINVAL);
    CHECK_CODE(gmp_listen("unixgram", longest), GMP_EINVAL);
    longest[108] = 0;
    CHECK_CODE(gmp_dial("unix", longest, SOON()), GMP_EINVAL);
    longest[107] = 0;
    CHECK_CODE(gmp_dial("unix", longest, SOON()), GMP_ENOENT);
    longest[107] = 'a';
    longest[0] = '@';
    CHECK_CODE(gmp_dial("unix", longest, SOON()), -ECONNREFUSED);
    longest[108] = 'a';
    longest[109] = 0;
    CHECK_CODE(gmp_dial("unix", longest, SOON()), GMP_EINVAL);
    CHECK_CODE(gmp_dial("unix", "/nowhere/at/all", SOON()), GMP_ENOENT);
}
SCENARIO(bad_networks_and_addresses_are_refused_and_open_nothing) {
    long before = sockets();
    bad(NULL);
    CHECK_EQ(sockets(), before);
    CHECK_OK(gmp_run(bad, NULL));
    CHECK_IDLE();
}
