/* Foolish arguments of what is for sockets: addresses, flags, events, and things that are no sockets. */
#define _GNU_SOURCE
#include <limits.h>

#include "fds.h"

/* ------------------------------------------------------------ no sockets, or others */
static void no_socket(int fd) {
    char byte = 'x';
    struct iovec one = {&byte, 1};
    struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1};
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t len = sizeof addr;
    int flags = flags_of(fd);
    CHECK_EQ(gmp_recv(fd, &byte, 1, 0, SOON()), -ENOTSOCK);
    CHECK_EQ(gmp_send(fd, &byte, 1, 0, SOON()), -ENOTSOCK);
    CHECK_EQ(gmp_recvfrom(fd, &byte, 1, 0, NULL, NULL, SOON()), -ENOTSOCK);
    CHECK_EQ(gmp_sendto(fd, &byte, 1, 0, (struct sockaddr *)&addr, len, SOON()), -ENOTSOCK);
    CHECK_EQ(gmp_recvmsg(fd, &message, 0, SOON()), -ENOTSOCK);
    CHECK_EQ(gmp_sendmsg(fd, &message, 0, SOON()), -ENOTSOCK);
    CHECK_CODE(gmp_accept(fd, (struct sockaddr *)&addr, &len, SOON()), -ENOTSOCK);
    CHECK_CODE(gmp_connect(fd, (struct sockaddr *)&addr, len, SOON()), -ENOTSOCK);
    CHECK_EQ(len, sizeof addr);
    CHECK_EQ(flags_of(fd), flags);
    CHECK_EQ(byte, 'x');
}

static void things_that_are_no_sockets(void *arg) {
    struct line l;
    (void)arg;
    make_pipe(&l);
    no_socket(l.in);
    no_socket(l.out);
    line_close(&l);
    int null = gmp_open("/dev/null", O_RDWR, 0), dir = gmp_open("/", O_RDONLY | O_DIRECTORY, 0);
    no_socket(null);
    no_socket(dir);
    CHECK_OK(gmp_close_fd(null));
    CHECK_OK(gmp_close_fd(dir));
}

SCENARIO(no_socket_is_enotsock) {
    check_start(2);
    by_both(things_that_are_no_sockets, NULL);
}

/* Whether its calls block or not: a code, at once, where a wait would have no end. */
static void sockets_that_do_not_listen(void *arg) {
    struct sockaddr_storage addr;
    struct name name;
    struct line l;
    int nonblocking = *(int *)arg;
    socklen_t len = sizeof addr;
    int fresh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), udp = bound_socket(AF_INET, SOCK_DGRAM, &name);
    make_tcp(&l, AF_INET);
    set_nonblocking(fresh, nonblocking);
    set_nonblocking(udp, nonblocking);
    set_nonblocking(l.in, nonblocking);
    CHECK_CODE(gmp_accept(fresh, (struct sockaddr *)&addr, &len, SOON()), GMP_EINVAL);
    CHECK_CODE(gmp_accept(l.in, (struct sockaddr *)&addr, &len, SOON()), GMP_EINVAL);
    CHECK_CODE(gmp_accept(udp, (struct sockaddr *)&addr, &len, SOON()), GMP_ENOTSUP);
    CHECK_EQ(len, sizeof addr);
    CHECK_OK(gmp_close_fd(fresh));
    CHECK_OK(gmp_close_fd(udp));
    line_close(&l);
}

SCENARIO(accept_where_nobody_listens_answers_at_once) {
    check_start(2);
    for (int nonblocking = 1; nonblocking >= 0; nonblocking--) by_both(sockets_that_do_not_listen, &nonblocking);
}

static void not_connected(void *arg) {
    char byte = 'x';
    (void)arg;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(gmp_read(fd, &byte, 1, SOON()), -ENOTCONN);
    CHECK_EQ(gmp_recv(fd, &byte, 1, 0, SOON()), -ENOTCONN);
    CHECK_EQ(gmp_write(fd, &byte, 1, SOON()), GMP_EPIPE);
    CHECK_EQ(gmp_send(fd, &byte, 1, 0, SOON()), GMP_EPIPE);
    CHECK_OK(gmp_close_fd(fd));
}

SCENARIO(socket_without_a_connection_answers_at_once) {
    check_start(2);
    by_both(not_connected, NULL);
}

/* ------------------------------------------------------------ addresses */
static void foolish_addresses(void *arg) {
    struct name name;
    struct sockaddr_storage addr;
    struct sockaddr_un nowhere = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/socket"};
    socklen_t len = sizeof addr;
    char byte = 'x';
    (void)arg;
    int udp = bound_socket(AF_INET, SOCK_DGRAM, &name), tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr *good = (struct sockaddr *)&name.addr, *bad = (struct sockaddr *)4096;
    int listener = bound_socket(AF_INET, SOCK_STREAM, &name);
    CHECK_EQ(listen(listener, 1), 0);
    for (int fd = udp;; fd = tcp) {
        CHECK_CODE(gmp_connect(fd, NULL, name.len, SOON()), GMP_EINVAL);
        CHECK_CODE(gmp_connect(fd, good, 0, SOON()), GMP_EINVAL);
        CHECK_CODE(gmp_connect(fd, good, 1, SOON()), GMP_EINVAL);
        CHECK_CODE(gmp_connect(fd, good, name.len - 1, SOON()), GMP_EINVAL);
        CHECK_CODE(gmp_connect(fd, good, sizeof addr + 1, SOON()), GMP_EINVAL);
        CHECK_CODE(gmp_connect(fd, good, (socklen_t)-1, SOON()), GMP_EINVAL);
        CHECK_CODE(gmp_connect(fd, bad, name.len, SOON()), -EFAULT);
        CHECK_CODE(gmp_connect(fd, (struct sockaddr *)&nowhere, sizeof nowhere, SOON()), -EAFNOSUPPORT);
        CHECK_EQ(flags_of(fd) & O_NONBLOCK, 0);
        if (fd == tcp) break;
    }
    CHECK_EQ(gmp_sendto(udp, &byte, 1, 0, good, 1, SOON()), GMP_EINVAL);
    CHECK_EQ(gmp_sendto(udp, &byte, 1, 0, good, sizeof addr + 1, SOON()), GMP_EINVAL);
    CHECK_EQ(gmp_sendto(udp, &byte, 1, 0, good, (socklen_t)-1, SOON()), GMP_EINVAL);
    CHECK_EQ(gmp_sendto(udp, &byte, 1, 0, bad, name.len, SOON()), -EFAULT);
    CHECK_EQ(gmp_sendto(udp, &byte, 1, 0, NULL, 0, SOON()), -EDESTADDRREQ);
    CHECK_EQ(gmp_recvfrom(udp, &byte, 1, 0, (struct sockaddr *)&addr, NULL, SOON()), GMP_EINVAL);
    CHECK_CODE(gmp_accept(listener, (struct sockaddr *)&addr, NULL, SOON()), GMP_EINVAL);
    CHECK_CODE(gmp_accept(listener, (struct sockaddr *)&addr, &len, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_accept(listener, NULL, NULL, gmp_now() - 1), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_accept(listener, NULL, &len, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_EQ(len, sizeof addr);
    int unix_socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_CODE(gmp_connect(unix_socket, (struct sockaddr *)&nowhere, sizeof nowhere, SOON()), GMP_ENOENT);
    CHECK_CODE(gmp_connect(unix_socket, (struct sockaddr *)&nowhere, sizeof nowhere + 1, SOON()), GMP_EINVAL);
    CHECK_CODE(gmp_connect(unix_socket, good, name.len, SOON()), GMP_EINVAL);
    CHECK_OK(gmp_close_fd(unix_socket));
    CHECK_OK(gmp_close_fd(udp));
    CHECK_OK(gmp_close_fd(tcp));
    CHECK_OK(gmp_close_fd(listener));
}

SCENARIO(foolish_addresses_are_refused) {
    check_start(2);
    by_both(foolish_addresses, NULL);
}

/* ------------------------------------------------------------ flags and events */
static void foolish_flags(void *arg) {
    struct line tcp, dgram;
    char byte = 'x';
    (void)arg;
    make_tcp(&tcp, AF_INET);
    make_pair(&dgram, SOCK_DGRAM);
    CHECK_EQ(gmp_recv(tcp.out, &byte, 1, MSG_OOB, SOON()), GMP_EINVAL); /* there is no urgent byte */
    CHECK_EQ(gmp_recv(dgram.out, &byte, 1, MSG_OOB, SOON()), GMP_ENOTSUP);
    CHECK_EQ(gmp_send(dgram.in, &byte, 1, MSG_OOB, SOON()), GMP_ENOTSUP);
    CHECK_EQ(gmp_recv(tcp.out, &byte, 1, MSG_DONTWAIT, GMP_FOREVER), GMP_EAGAIN);
    CHECK_EQ(gmp_recv(dgram.out, &byte, 1, MSG_ERRQUEUE, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(byte, 'x');
    line_close(&tcp);
    line_close(&dgram);
}

SCENARIO(foolish_flags_answer_as_the_kernel_does) {
    check_start(2);
    by_both(foolish_flags, NULL);
}

static void foolish_events(void *arg) {
    static const int polls[] = {0, -1, POLLERR, POLLHUP, POLLNVAL, POLLIN | POLLERR, 1 << 20, POLLIN | 1 << 20, INT_MIN, INT_MAX};
    static const int deadlines[] = {0, -1, POLLPRI, POLLIN | POLLPRI, POLLRDHUP, POLLERR, 1 << 20, POLLIN | 1 << 20, INT_MIN};
    struct line l;
    char byte;
    (void)arg;
    make_pair(&l, SOCK_STREAM);
    CHECK_EQ(gmp_write(l.in, "x", 1, SOON()), 1);
    for (size_t i = 0; i < sizeof polls / sizeof polls[0]; i++) {
        CHECK_CODE(gmp_poll_fd(l.out, polls[i], GMP_FOREVER), GMP_EINVAL);
    }
    for (size_t i = 0; i < sizeof deadlines / sizeof deadlines[0]; i++) {
        CHECK_CODE(gmp_fd_set_deadline(l.out, deadlines[i], GMP_NOWAIT), GMP_EINVAL);
    }
    /* No deadline was set by these. */
    CHECK_EQ(gmp_read(l.out, &byte, 1, SOON()), 1);
    CHECK_EQ(gmp_read(l.out, &byte, 1, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    line_close(&l);
}

SCENARIO(foolish_events_are_einval) {
    check_start(2);
    by_both(foolish_events, NULL);
}

/* ------------------------------------------------------------ messages */
static void foolish_messages(void *arg) {
    struct line l;
    char byte = 'x';
    static struct iovec many[1025];
    struct iovec one = {&byte, 1}, bad = {(void *)4096, 3};
    struct msghdr message = {.msg_iov = many, .msg_iovlen = 1025};
    char control[4] = {0};
    (void)arg;
    make_pair(&l, SOCK_STREAM);
    CHECK_EQ(gmp_sendmsg(l.in, &message, 0, SOON()), -EMSGSIZE);
    CHECK_EQ(gmp_recvmsg(l.out, &message, 0, SOON()), -EMSGSIZE);
    message = (struct msghdr){.msg_iov = NULL, .msg_iovlen = 1};
    CHECK_EQ(gmp_sendmsg(l.in, &message, 0, SOON()), -EFAULT);
    message = (struct msghdr){.msg_iov = &bad, .msg_iovlen = 1};
    CHECK_EQ(gmp_sendmsg(l.in, &message, 0, SOON()), -EFAULT);
    struct cmsghdr head = {.cmsg_len = 3, .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    message = (struct msghdr){.msg_iov = &one, .msg_iovlen = 1, .msg_control = &head, .msg_controllen = sizeof head};
    CHECK_EQ(gmp_sendmsg(l.in, &message, 0, SOON()), GMP_EINVAL); /* shorter than its own head */
    CHECK_EQ(gmp_read(l.out, &byte, 1, GMP_NOWAIT), GMP_EAGAIN);
    message = (struct msghdr){.msg_iov = &one, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK_EQ(gmp_recvmsg(l.out, &message, 0, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(byte, 'x');
    line_close(&l);
}

SCENARIO(foolish_messages_are_refused) {
    check_start(2);
    by_both(foolish_messages, NULL);
}

/* ------------------------------------------------------------ the task itself */
static void *is_cancelled_already(void *arg) {
    struct line l;
    char byte = 'x';
    gmp_ctx_t *mine = (gmp_ctx_t *)arg;
    CHECK_OK(gmp_ctx_cancel(mine));
    make_pair(&l, SOCK_STREAM);
    CHECK_EQ(gmp_read(l.out, &byte, 1, GMP_FOREVER), GMP_ECANCELED);
    CHECK_EQ(gmp_read(l.out, &byte, 1, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(gmp_recv(l.out, &byte, 1, 0, gmp_now() - 1), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_poll_fd(l.out, POLLIN, GMP_FOREVER), GMP_ECANCELED);
    CHECK_EQ(gmp_write(l.in, "y", 1, GMP_FOREVER), 1); /* what needs no waiting is done */
    CHECK_EQ(gmp_read(l.out, &byte, 1, GMP_FOREVER), 1);
    CHECK_EQ(byte, 'y');
    line_close(&l);
    return arg;
}

SCENARIO(cancelled_task_does_what_needs_no_waiting) {
    gmp_ctx_t *ctx;
    gmp_task_t *task;
    gmp_spawn_opts_t opts;
    check_start(2);
    CHECK_OK(gmp_ctx_new(NULL, GMP_FOREVER, &ctx));
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.ctx = ctx;
    CHECK_OK(gmp_spawn(is_cancelled_already, ctx, &opts, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    gmp_ctx_free(ctx);
}
