/* What the programs about dialling and listening share: addresses on the loopback, and descriptors looked at. */
#ifndef GMP_TESTS_NET_H
#define GMP_TESTS_NET_H
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "waits.h"

#define CHECK_FD(expression)                                                                                           \
    do {                                                                                                               \
        int check_fd = (expression);                                                                                   \
        if (check_fd < 0) check_wrong_code(__FILE__, __LINE__, #expression, check_fd, 0);                              \
    } while (0)

__attribute__((unused)) static int port_of(int fd) {
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                          : ((struct sockaddr_in *)&at)->sin_port);
}

__attribute__((unused)) static int family_of(int fd) {
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    return at.ss_family;
}

__attribute__((unused)) static int option_of(int fd, int level, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    CHECK_EQ(getsockopt(fd, level, option, &value, &size), 0);
    return value;
}

__attribute__((unused)) static int is_nonblocking(int fd) { return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0; }
__attribute__((unused)) static int is_cloexec(int fd) { return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0; }

/* Open descriptors of a kind, "socket:" or "anon_inode:[pidfd]" say. The runtime has some of its own, of other kinds, which come and go: it
 * reads about its threads. */
__attribute__((unused)) static long open_of_kind(const char *kind) {
    DIR *all = opendir("/proc/self/fd");
    struct dirent *entry;
    char kind_of[64];
    long n = 0;
    CHECK(all != NULL);
    while ((entry = readdir(all)) != NULL) {
        ssize_t len = readlinkat(dirfd(all), entry->d_name, kind_of, sizeof kind_of);
        n += len >= (ssize_t)strlen(kind) && memcmp(kind_of, kind, strlen(kind)) == 0;
    }
    closedir(all);
    return n;
}
__attribute__((unused)) static long sockets(void) { return open_of_kind("socket:"); }
__attribute__((unused)) static long epolls(void) { return open_of_kind("anon_inode:[eventpoll]"); }

/* "HOST:PORT"; the last of a few calls on one thread or task. */
struct text {
    char at[300];
};
__attribute__((unused)) static struct text with_port(const char *host, int port) {
    struct text t;
    snprintf(t.at, sizeof t.at, "%s:%d", host, port);
    return t;
}

/* A plain IPv4 socket of `type`, bound to `host` and `port` (0: any). -1: taken. */
__attribute__((unused)) static int bound(int type, const char *host, int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_EQ(inet_pton(AF_INET, host, &at.sin_addr), 1);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0) return fd;
    CHECK_EQ(errno, EADDRINUSE);
    close(fd);
    return -1;
}

/* Two sockets of one port, on two addresses of the loopback. */
__attribute__((unused)) static int bound_twice(const char *first, const char *second, int fds[2]) {
    for (;;) {
        fds[0] = bound(SOCK_STREAM, first, 0);
        fds[1] = bound(SOCK_STREAM, second, port_of(fds[0]));
        if (fds[1] >= 0) return port_of(fds[0]);
        close(fds[0]);
    }
}

/* Makes a bound socket a listener whose backlog is full: whoever connects to it gets no answer. */
__attribute__((unused)) static void deafen(int fd) {
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    CHECK_EQ(listen(fd, 0), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    for (int waiting = 0; !waiting;) {
        struct pollfd connected = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), .events = POLLOUT};
        CHECK(connected.fd >= 0);
        CHECK(connect(connected.fd, (struct sockaddr *)&at, sizeof at) == 0 || errno == EINPROGRESS);
        /* On the loopback an answer is there at once, if one comes. */
        waiting = poll(&connected, 1, 300) == 0;
    }
}

__attribute__((unused)) static int has_ipv6(void) {
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), there;
    if (fd < 0) return 0;
    there = bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
    close(fd);
    return there;
}

/* A byte there and a byte back. */
__attribute__((unused)) static void talk(int client, int server) {
    char c = 'x';
    CHECK_EQ(gmp_write(client, &c, 1, SOON()), 1);
    c = 0;
    CHECK_EQ(gmp_read(server, &c, 1, SOON()), 1);
    CHECK_EQ(c, 'x');
    CHECK_EQ(gmp_write(server, "y", 1, SOON()), 1);
    CHECK_EQ(gmp_read(client, &c, 1, SOON()), 1);
    CHECK_EQ(c, 'y');
}

/* A directory of the scenario's own, removed with the one socket in it. */
static char net_directory[] = "/tmp/gmp-net-XXXXXX", net_path[64];
static void net_forget(void) {
    unlink(net_path);
    rmdir(net_directory);
}
__attribute__((unused)) static const char *unix_path(void) {
    CHECK(mkdtemp(net_directory) != NULL);
    snprintf(net_path, sizeof net_path, "%s/socket", net_directory);
    atexit(net_forget);
    return net_path;
}

/* The same from a task, and from a thread that is none. */
__attribute__((unused)) static void task_and_thread(void (*fn)(void *)) {
    struct party p;
    CHECK_OK(gmp_run(fn, NULL));
    party_start(&p, THREAD, fn, NULL);
    party_end(&p);
}
#endif
