/* Listeners: which addresses they are for, their options, and what becomes of an address that is taken. */
#include "net.h"

/* Whether `host` reaches a listener's port by the network. */
static int reaches(const char *network, const char *host, int port) {
    int fd = gmp_dial(network, with_port(host, port).at, SOON());
    if (fd == -ECONNREFUSED) return 0;
    CHECK_FD(fd);
    CHECK_OK(gmp_close_fd(fd));
    return 1;
}

static void dual(void *unused) {
    static const char *const both[] = {":0", "[::]:0"};
    int fd, other;
    (void)unused;
    for (int i = 0; i < 2; i++) {
        fd = gmp_listen("tcp", both[i]);
        CHECK_FD(fd);
        CHECK_EQ(family_of(fd), AF_INET6);
        CHECK_EQ(option_of(fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
        CHECK(reaches("tcp", "127.0.0.1", port_of(fd)) && reaches("tcp", "[::1]", port_of(fd)));
        CHECK_OK(gmp_close_fd(fd));
    }
    /* IPv4 has the port to itself. Who is bound there without listening refuses, so that it is nobody else's. */
    do {
        fd = gmp_listen("tcp6", ":0");
        CHECK_FD(fd);
        other = bound(SOCK_STREAM, "127.0.0.1", port_of(fd));
        if (other < 0) CHECK_OK(gmp_close_fd(fd));
    } while (other < 0);
    CHECK_EQ(option_of(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    CHECK(!reaches("tcp", "127.0.0.1", port_of(fd)) && reaches("tcp", "[::1]", port_of(fd)));
    close(other);
    CHECK_OK(gmp_close_fd(fd));
    fd = gmp_listen("udp", ":0");
    CHECK_FD(fd);
    CHECK_EQ(option_of(fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
    CHECK_OK(gmp_close_fd(fd));
    fd = gmp_listen("tcp", "0.0.0.0:0");
    CHECK_FD(fd);
    CHECK_EQ(family_of(fd), AF_INET);
    CHECK_OK(gmp_close_fd(fd));
}
SCENARIO(listener_without_a_host_is_for_both_families) {
    if (!has_ipv6()) SKIP("no IPv6");
    task_and_thread(dual);
}

static void options(void *unused) {
    FILE *file = fopen("/proc/sys/net/core/somaxconn", "r");
    struct tcp_info info;
    socklen_t size = sizeof info;
    int fd = gmp_listen("tcp", "127.0.0.1:0");
    unsigned most = 0;
    (void)unused;
    CHECK_FD(fd);
    CHECK(port_of(fd) > 0);
    CHECK(is_cloexec(fd) && is_nonblocking(fd));
    CHECK_EQ(option_of(fd, SOL_SOCKET, SO_REUSEADDR), 1);
    CHECK_EQ(option_of(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    CHECK(file != NULL && fscanf(file, "%u", &most) == 1);
    fclose(file);
    memset(&info, 0, sizeof info);
    CHECK_EQ(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    CHECK_EQ(info.tcpi_sacked, most); /* of a listener: its backlog */
    CHECK_CODE(gmp_accept(fd, NULL, NULL, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_OK(gmp_close_fd(fd));
}
SCENARIO(listener_has_its_options_and_the_longest_backlog) { task_and_thread(options); }

/* Between the end of one and the beginning of the other somebody else may get the port. */
static int restart(void) {
    int fd = gmp_listen("tcp", "127.0.0.1:0"), port = port_of(fd), client, server;
    CHECK_CODE(gmp_listen("tcp", with_port("127.0.0.1", port).at), -EADDRINUSE);
    client = gmp_dial("tcp", with_port("127.0.0.1", port).at, SOON());
    CHECK_FD(client);
    server = gmp_accept(fd, NULL, NULL, SOON());
    CHECK_FD(server);
    /* The server's end goes first, and keeps the port for a minute; who restarts gets it even so. */
    CHECK_OK(gmp_close_fd(server));
    CHECK_OK(gmp_close_fd(fd));
    CHECK_OK(gmp_close_fd(client));
    fd = gmp_listen("tcp", with_port("127.0.0.1", port).at);
    if (fd == -EADDRINUSE) return 0;
    CHECK_FD(fd);
    CHECK_OK(gmp_close_fd(fd));
    return 1;
}

static void taken(void *unused) {
    int fd, rounds = 0;
    (void)unused;
    while (!restart()) CHECK(++rounds < 20);
    CHECK_CODE(gmp_listen("tcp", "203.0.113.1:0"), -EADDRNOTAVAIL); /* an address for documents */
    fd = gmp_listen("udp", "127.0.0.1:0");
    CHECK_FD(fd);
    CHECK_CODE(gmp_listen("udp", with_port("127.0.0.1", port_of(fd)).at), -EADDRINUSE);
    CHECK_OK(gmp_close_fd(fd));
}
SCENARIO(address_that_is_taken_is_refused_and_a_restart_gets_its_port) { task_and_thread(taken); }

static void stale(void *arg) {
    const char *path = (const char *)arg;
    int fd = gmp_listen("unix", path);
    CHECK_FD(fd);
    CHECK(is_cloexec(fd) && is_nonblocking(fd));
    CHECK_CODE(gmp_listen("unix", path), -EADDRINUSE);
    CHECK_OK(gmp_close_fd(fd));
    /* What is left of it is in the way until somebody takes it away. */
    CHECK_CODE(gmp_listen("unix", path), -EADDRINUSE);
    CHECK_CODE(gmp_dial("unix", path, SOON()), -ECONNREFUSED);
    CHECK_EQ(unlink(path), 0);
    fd = gmp_listen("unix", path);
    CHECK_FD(fd);
    CHECK_OK(gmp_close_fd(fd));
    CHECK_EQ(unlink(path), 0);
    CHECK_CODE(gmp_listen("unix", "/nowhere/at/all"), GMP_ENOENT);
}
SCENARIO(file_of_a_unix_socket_is_left_alone) {
    const char *path = unix_path();
    long before = sockets();
    stale((void *)path);
    CHECK_EQ(sockets(), before);
    CHECK_OK(gmp_run(stale, (void *)path));
}
