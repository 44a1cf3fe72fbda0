/* What the programs about streams share: connected pairs, bytes that tell their place, parties that call once and keep the
 * answer, and how to know that they wait.
 *
 * "Waits" is asked of the stats and of /proc, and holds whichever way the library waits: a task is then parked, or lies in a
 * declared section. */
#ifndef GMP_TESTS_STREAMS_H
#define GMP_TESTS_STREAMS_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "waits.h"

/* `//@ with IO_PROCS=2` */
__attribute__((unused)) static int io_procs(void) {
    const char *text = getenv("IO_PROCS");
    return text ? atoi(text) : 1;
}

__attribute__((unused)) static void io_start(void) { check_start(io_procs()); }

/* ------------------------------------------------------------ pairs */
enum pair { UNIX, TCP, PAIRS };

__attribute__((unused)) static const char *pair_name(enum pair kind) { return kind == TCP ? "tcp" : "unix"; }

/* A listener of plain calls on the loopback, at a port that the kernel chose. The address is this process's own among
 * 127.0.0.0/8: a port that was given up cannot be that of another program a moment later. */
__attribute__((unused)) static int tcp_listener(int backlog, struct sockaddr_in *address) {
    socklen_t length = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl((127u << 24) + (1u << 16) + (uint32_t)getpid() % 0xfffe + 1);
    CHECK_EQ(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    CHECK_EQ(listen(fd, backlog), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)address, &length), 0);
    return fd;
}

__attribute__((unused)) static int tcp_client(const struct sockaddr_in *address) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    CHECK(fd >= 0);
    CHECK_EQ(connect(fd, (const struct sockaddr *)address, sizeof *address), 0);
    CHECK_EQ(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
    return fd;
}

/* Blocking sockets, connected to each other. */
__attribute__((unused)) static void pair_make(enum pair kind, int ends[2]) {
    struct sockaddr_in address;
    int listener, one = 1;
    if (kind == UNIX) {
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        return;
    }
    listener = tcp_listener(1, &address);
    ends[0] = tcp_client(&address);
    ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(ends[1] >= 0);
    CHECK_EQ(setsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
    close(listener);
}

__attribute__((unused)) static void pair_close(int ends[2]) {
    CHECK_OK(gmp_close_fd(ends[0]));
    CHECK_OK(gmp_close_fd(ends[1]));
}

/* The peer sees ECONNRESET. */
__attribute__((unused)) static void reset(int fd) {
    struct linger at_once = {1, 0};
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    CHECK_EQ(close(fd), 0);
}

/* A small buffer in the kernel, so that a writer soon waits. A receive buffer is left alone: TCP crawls with a small one. */
__attribute__((unused)) static void narrow(int fd) {
    int bytes = 16384;
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
}

/* Writes until nothing more fits; gives the number of bytes. */
__attribute__((unused)) static size_t fill_up(int fd) {
    static const char zeros[65536];
    size_t all = 0;
    int protocol = 0;
    socklen_t length = sizeof protocol;
    (void)getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length);
    for (;;) {
        ssize_t n = gmp_write(fd, zeros, sizeof zeros, GMP_NOWAIT);
        if (n > 0) {
            all += (size_t)n;
            continue;
        }
        CHECK_CODE((int)n, GMP_EAGAIN);
        /* TCP's own work may make room a moment later: until it has made none for a while. */
        struct pollfd room = {fd, POLLOUT, 0};
        if (protocol != IPPROTO_TCP || poll(&room, 1, 300) == 0) return all;
    }
}

/* ------------------------------------------------------------ bytes */
/* Of a stream's byte number `place`: a lost, doubled or moved byte shows. */
__attribute__((unused)) static unsigned char byte_at(uint64_t place) {
    return (unsigned char)(place * 167 + (place >> 8) * 59 + (place >> 16) * 31 + (place >> 24));
}

__attribute__((unused)) static void bytes_make(unsigned char *bytes, size_t n, uint64_t place) {
    for (size_t i = 0; i < n; i++) bytes[i] = byte_at(place + i);
}

__attribute__((unused)) static void bytes_check(const unsigned char *bytes, size_t n, uint64_t place) {
    for (size_t i = 0; i < n; i++) CHECK_EQ(bytes[i], byte_at(place + i));
}

/* All of it, or fails. */
__attribute__((unused)) static void read_whole(int fd, void *bytes, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t got = gmp_read(fd, (char *)bytes + done, n - done, SOON());
        if (got <= 0) CHECK_CODE((int)got, 1);
        done += (size_t)got;
    }
}

__attribute__((unused)) static void write_whole(int fd, const void *bytes, size_t n) {
    CHECK_EQ(gmp_write(fd, bytes, n, SOON()), (ssize_t)n);
}

/* ------------------------------------------------------------ one call, kept with its answer */
struct call {
    struct party party;
    int fd;
    short direction;        /* POLLIN: one byte is read; POLLOUT: CALL_MUCH is written */
    gmp_time_t deadline;
    ssize_t answer;
    unsigned char byte;
    atomic_int answered;
};

/* More than the kernel's buffers take. */
enum { CALL_MUCH = 64 << 20 };
static unsigned char call_zeros[CALL_MUCH];

__attribute__((unused)) static void call_make(void *arg) {
    struct call *c = (struct call *)arg;
    if (c->direction == POLLIN) c->answer = gmp_read(c->fd, &c->byte, 1, c->deadline);
    else c->answer = gmp_write(c->fd, call_zeros, CALL_MUCH, c->deadline);
    atomic_store(&c->answered, 1);
}

__attribute__((unused)) static void call_start(struct call *c, enum kind kind, int fd, short direction,
                                               gmp_time_t deadline) {
    c->fd = fd;
    c->direction = direction;
    c->deadline = deadline;
    c->answer = 4711;
    atomic_store(&c->answered, 0);
    party_start(&c->party, kind, call_make, c);
}

__attribute__((unused)) static ssize_t call_end(struct call *c) {
    UNTIL(atomic_load(&c->answered), usleep(50));
    party_end(&c->party);
    return c->answer;
}

/* Until `n` tasks wait and none runs; for threads that ask. */
__attribute__((unused)) static void until_tasks_wait(int64_t n) {
    gmp_stats_t s;
    UNTIL((s = check_stats(), s.tasks_parked + s.tasks_blocked == n && s.tasks_running == 0 && s.tasks_runnable == 0),
          usleep(20));
}

__attribute__((unused)) static void until_calls_wait(struct call *c, int n) {
    int tasks = 0;
    for (int i = 0; i < n; i++) {
        if (c[i].party.kind == TASK) tasks++;
        else UNTIL(thread_sleeps(atomic_load(&c[i].party.tid)), usleep(20));
    }
    until_tasks_wait(tasks);
}

/* ------------------------------------------------------------ children */
/* A child that ends with its parent, and by itself when it hangs. */
__attribute__((unused)) static pid_t child_start(void) {
    pid_t parent = getpid(), pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGKILL), 0);
        if (getppid() != parent) _exit(1);
        alarm(45);
    }
    return pid;
}

__attribute__((unused)) static void child_end(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) != pid) CHECK_EQ(check_errno(), EINTR);
    CHECK_EQ(status, 0);
}
#endif
