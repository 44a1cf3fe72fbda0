/* What the programs about I/O share: lines of every kind, calls made by tasks and threads, and how to know that
 * somebody waits for a descriptor. */
#ifndef GMP_TESTS_FDS_H
#define GMP_TESTS_FDS_H
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "waits.h"

/* A line: what is written to `in` comes out of `out`. */
struct line {
    int in, out;
};

__attribute__((unused)) static void line_close(struct line *l) {
    if (l->in >= 0) CHECK_EQ(close(l->in), 0);
    if (l->out >= 0 && l->out != l->in) CHECK_EQ(close(l->out), 0);
    l->in = l->out = -1;
}

__attribute__((unused)) static int flags_of(int fd) {
    int flags = fcntl(fd, F_GETFL);
    CHECK(flags >= 0);
    return flags;
}

__attribute__((unused)) static void set_nonblocking(int fd, int on) {
    int flags = flags_of(fd);
    CHECK_EQ(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK), 0);
}

/* What was written is there: the kernel may take a moment, on ttys and on TCP. */
__attribute__((unused)) static void until_ready(int fd, int events) {
    struct pollfd p = {fd, (short)events, 0};
    int n;
    do n = poll(&p, 1, 40000);
    while (n < 0 && errno == EINTR);
    CHECK_EQ(n, 1);
}

/* Sockets, pipes and ttys that are open: the runtime opens neither, and files of /proc as it likes. */
__attribute__((unused)) static int open_ends(void) {
    int n = 0;
    for (int fd = 0; fd < 1024; fd++) {
        struct stat st;
        if (fstat(fd, &st) == 0 && (S_ISSOCK(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))) n++;
    }
    return n;
}

/* ------------------------------------------------------------ bytes that tell where they belong */
__attribute__((unused)) static char byte_at(size_t at) { return (char)(at * 31 + (at >> 8) * 7 + (at >> 16)); }

__attribute__((unused)) static void fill(char *bytes, size_t from, size_t n) {
    for (size_t i = 0; i < n; i++) bytes[i] = byte_at(from + i);
}

__attribute__((unused)) static void check_fill(const char *bytes, size_t from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != byte_at(from + i)) CHECK_EQ((unsigned char)bytes[i], (unsigned char)byte_at(from + i));
    }
}

/* ------------------------------------------------------------ making lines */
__attribute__((unused)) static void make_pipe(struct line *l) {
    int fds[2];
    CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
    *l = (struct line){fds[1], fds[0]};
}

__attribute__((unused)) static void make_pair(struct line *l, int type) {
    int fds[2];
    CHECK_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
    *l = (struct line){fds[1], fds[0]};
}

struct name {
    struct sockaddr_storage addr;
    socklen_t len;
};

/* A socket of the family, bound to the loopback interface. */
__attribute__((unused)) static int bound_socket(int family, int type, struct name *name) {
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    if (fd < 0 && errno == EAFNOSUPPORT) SKIP("there is no IPv6");
    CHECK(fd >= 0);
    memset(name, 0, sizeof *name);
    name->addr.ss_family = (sa_family_t)family;
    if (family == AF_INET6) {
        ((struct sockaddr_in6 *)&name->addr)->sin6_addr = in6addr_loopback;
        name->len = sizeof(struct sockaddr_in6);
    } else {
        ((struct sockaddr_in *)&name->addr)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        name->len = sizeof(struct sockaddr_in);
    }
    if (bind(fd, (struct sockaddr *)&name->addr, name->len) != 0) {
        if (errno == EADDRNOTAVAIL) SKIP("the loopback interface has no IPv6");
        CHECK(!"bound");
    }
    name->len = sizeof name->addr;
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&name->addr, &name->len), 0);
    return fd;
}

/* Both ends are made by the kernel's own calls, with small buffers, so that they can be filled. */
__attribute__((unused)) static void make_tcp(struct line *l, int family) {
    struct name name;
    int size = 16384, listener = bound_socket(family, SOCK_STREAM, &name);
    CHECK_EQ(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    CHECK_EQ(listen(listener, 1), 0);
    l->in = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(l->in >= 0);
    CHECK_EQ(setsockopt(l->in, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    CHECK_EQ(connect(l->in, (struct sockaddr *)&name.addr, name.len), 0);
    l->out = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(l->out >= 0);
    CHECK_EQ(close(listener), 0);
}

/* A fresh directory, and a path in it. */
struct place {
    char dir[64], path[80];
};

__attribute__((unused)) static void place_make(struct place *p) {
    strcpy(p->dir, "/tmp/gmp-io-XXXXXX");
    CHECK(mkdtemp(p->dir) != NULL);
    snprintf(p->path, sizeof p->path, "%s/here", p->dir);
}

__attribute__((unused)) static void place_end(struct place *p) {
    unlink(p->path);
    CHECK_EQ(rmdir(p->dir), 0);
}

/* ------------------------------------------------------------ calls of a party */
struct call {
    ssize_t (*fn)(struct call *c);
    int fd;
    char *bytes;
    size_t n;
    gmp_time_t deadline;
    _Atomic ssize_t result;
};
enum { UNANSWERED = -4711 };

__attribute__((unused)) static ssize_t do_read(struct call *c) {
    return gmp_read(c->fd, c->bytes, c->n, c->deadline);
}
__attribute__((unused)) static ssize_t do_write(struct call *c) {
    return gmp_write(c->fd, c->bytes, c->n, c->deadline);
}
/* Until `n` bytes or the end: what it got. */
__attribute__((unused)) static ssize_t do_read_all(struct call *c) {
    size_t done = 0;
    while (done < c->n) {
        ssize_t got = gmp_read(c->fd, c->bytes + done, c->n - done < 7001 ? c->n - done : 7001, c->deadline);
        if (got < 0) return got;
        if (got == 0) break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

__attribute__((unused)) static void make_call(void *arg) {
    struct call *c = (struct call *)arg;
    check_set_errno(4711);
    ssize_t result = c->fn(c);
    CHECK_EQ(check_errno(), 4711);
    atomic_store(&c->result, result);
}

/* A call under way, by a task or a thread. */
struct async {
    struct call call;
    struct party party;
};

__attribute__((unused)) static void async_start(struct async *a, enum kind kind, ssize_t (*fn)(struct call *), int fd,
                                                void *bytes, size_t n) {
    a->call = (struct call){fn, fd, (char *)bytes, n, SOON(), UNANSWERED};
    party_start(&a->party, kind, make_call, &a->call);
}

__attribute__((unused)) static ssize_t async_end(struct async *a) {
    party_end(&a->party);
    return atomic_load(&a->call.result);
}

/* An answer that came before anything has happened fails the scenario. */
__attribute__((unused)) static int answered_early(struct async *a) {
    ssize_t result = atomic_load(&a->call.result);
    if (result != UNANSWERED) CHECK_EQ(result, UNANSWERED);
    return 0;
}

/* A task may wait parked, or in a declared section; no other task does anything meanwhile. */
__attribute__((unused)) static int tasks_wait(int64_t n) {
    gmp_stats_t s = check_stats();
    return s.tasks_parked + s.tasks_blocked == n && s.tasks_running == 0 && s.tasks_runnable == 0;
}

__attribute__((unused)) static void until_waits(struct async *a) {
    if (a->party.kind == THREAD) {
        UNTIL(answered_early(a) || thread_sleeps(atomic_load(&a->party.tid)), usleep(20));
    } else {
        UNTIL(answered_early(a) || tasks_wait(1), usleep(20));
    }
}

/* Once by this thread, once by a task. */
__attribute__((unused)) static void by_both(void (*fn)(void *), void *arg) {
    fn(arg);
    CHECK_OK(gmp_run(fn, arg));
}
#endif
