/* Foolish arguments of every I/O function: the documented code, at once, and nothing has changed. */
#define _GNU_SOURCE
#include <limits.h>
#include <sys/resource.h>

#include "fds.h"

/* A number that nobody uses: far above those that the runtime takes meanwhile. */
static int closed_fd(void) {
    int fd = fcntl(2, F_DUPFD_CLOEXEC, 700);
    CHECK(fd >= 700);
    CHECK_EQ(close(fd), 0);
    return fd;
}

static void no_such_descriptor(void *arg) {
    const int fds[] = {-1, INT_MIN, INT_MAX, closed_fd()};
    (void)arg;
    for (int i = 0; i < 4; i++) {
        int fd = fds[i];
        char bytes[4] = "abc";
        struct iovec one = {bytes, 4};
        struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1};
        struct sockaddr_in addr = {.sin_family = AF_INET};
        socklen_t len = sizeof addr;
        struct line l;
        int file = gmp_open("/proc/self/exe", O_RDONLY, 0);
        off_t at = 3;
        int64_t far = 3;
        CHECK(file >= 0);
        make_pipe(&l);
        for (int n = 0; n <= 4; n += 4) {
            CHECK_EQ(gmp_read(fd, bytes, (size_t)n, GMP_FOREVER), GMP_EBADF);
            CHECK_EQ(gmp_write(fd, bytes, (size_t)n, GMP_FOREVER), GMP_EBADF);
            CHECK_EQ(gmp_recv(fd, bytes, (size_t)n, 0, GMP_FOREVER), GMP_EBADF);
            CHECK_EQ(gmp_send(fd, bytes, (size_t)n, 0, GMP_FOREVER), GMP_EBADF);
            CHECK_EQ(gmp_recvfrom(fd, bytes, (size_t)n, 0, (struct sockaddr *)&addr, &len, GMP_FOREVER), GMP_EBADF);
            CHECK_EQ(gmp_sendto(fd, bytes, (size_t)n, 0, (struct sockaddr *)&addr, len, GMP_FOREVER), GMP_EBADF);
            CHECK_EQ(gmp_pread(fd, bytes, (size_t)n, 0), GMP_EBADF);
            CHECK_EQ(gmp_pwrite(fd, bytes, (size_t)n, 0), GMP_EBADF);
            CHECK_EQ(gmp_readv(fd, &one, n / 4, GMP_FOREVER), GMP_EBADF);
            CHECK_EQ(gmp_writev(fd, &one, n / 4, GMP_FOREVER), GMP_EBADF);
        }
        CHECK_EQ(gmp_recvmsg(fd, &message, 0, GMP_FOREVER), GMP_EBADF);
        CHECK_EQ(gmp_sendmsg(fd, &message, 0, GMP_FOREVER), GMP_EBADF);
        CHECK_CODE(gmp_accept(fd, (struct sockaddr *)&addr, &len, GMP_FOREVER), GMP_EBADF);
        CHECK_CODE(gmp_connect(fd, (struct sockaddr *)&addr, len, GMP_FOREVER), GMP_EBADF);
        CHECK_CODE(gmp_poll_fd(fd, POLLIN, GMP_FOREVER), GMP_EBADF);
        CHECK_CODE(gmp_fd_set_deadline(fd, POLLIN, GMP_NOWAIT), GMP_EBADF);
        CHECK_CODE(gmp_close_fd(fd), GMP_EBADF);
        CHECK_CODE(gmp_fsync(fd), GMP_EBADF);
        CHECK_EQ(gmp_sendfile(fd, file, &at, 4, GMP_FOREVER), GMP_EBADF);
        CHECK_EQ(gmp_sendfile(l.in, fd, &at, 4, GMP_FOREVER), GMP_EBADF);
        CHECK_EQ(gmp_splice(fd, NULL, l.in, NULL, 4, GMP_FOREVER), GMP_EBADF);
        CHECK_EQ(gmp_splice(file, &far, fd, NULL, 4, GMP_FOREVER), GMP_EBADF);
        CHECK(at == 3 && far == 3 && len == sizeof addr && strcmp(bytes, "abc") == 0);
        CHECK_OK(gmp_close_fd(file));
        line_close(&l);
    }
}

SCENARIO(no_such_descriptor_is_ebadf) {
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 720) SKIP("RLIMIT_NOFILE is too low");
    no_such_descriptor(NULL); /* before the start, from a thread */
    CHECK_OK(gmp_run(no_such_descriptor, NULL));
}

/* ------------------------------------------------------------ buffers and lengths */
static void tcp(struct line *l) { make_tcp(l, AF_INET); }
static void stream_pair(struct line *l) { make_pair(l, SOCK_STREAM); }
static void datagrams(struct line *l) { make_pair(l, SOCK_DGRAM); }

static void file(struct line *l) {
    struct place p;
    place_make(&p);
    l->in = gmp_open(p.path, O_RDWR | O_CREAT | O_APPEND, 0600);
    l->out = gmp_open(p.path, O_RDONLY, 0);
    CHECK(l->in >= 0 && l->out >= 0);
    place_end(&p);
}

static void (*const lines[])(struct line *) = {tcp, stream_pair, datagrams, make_pipe, file};
enum { LINES = sizeof lines / sizeof lines[0], SOCKETS = 3 };

static void nothing_came(struct line *l, int which) {
    char byte;
    CHECK_EQ(gmp_read(l->out, &byte, 1, GMP_NOWAIT), which == 4 ? 0 : GMP_EAGAIN);
}

static void foolish_buffers(void *arg) {
    static const size_t huge[] = {(size_t)SSIZE_MAX + 1, SIZE_MAX - 1, SIZE_MAX};
    int which = *(int *)arg;
    struct line l;
    char byte = 'x';
    lines[which](&l);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(gmp_write(l.in, &byte, huge[i], GMP_FOREVER), GMP_EINVAL);
        CHECK_EQ(gmp_read(l.out, &byte, huge[i], GMP_FOREVER), GMP_EINVAL);
        CHECK_EQ(gmp_pwrite(l.in, &byte, huge[i], 0), GMP_EINVAL);
        CHECK_EQ(gmp_pread(l.out, &byte, huge[i], 0), GMP_EINVAL);
        CHECK_EQ(gmp_send(l.in, &byte, huge[i], 0, GMP_FOREVER), GMP_EINVAL);
        CHECK_EQ(gmp_recv(l.out, &byte, huge[i], 0, GMP_FOREVER), GMP_EINVAL);
        CHECK_EQ(gmp_sendto(l.in, &byte, huge[i], 0, NULL, 0, GMP_FOREVER), GMP_EINVAL);
        CHECK_EQ(gmp_recvfrom(l.out, &byte, huge[i], 0, NULL, NULL, GMP_FOREVER), GMP_EINVAL);
        CHECK_EQ(gmp_sendfile(l.in, l.out, NULL, huge[i], GMP_FOREVER), GMP_EINVAL);
        CHECK_EQ(gmp_splice(l.out, NULL, l.in, NULL, huge[i], GMP_FOREVER), GMP_EINVAL);
    }
    CHECK_EQ(gmp_write(l.in, NULL, 1, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_read(l.out, NULL, 1, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_pwrite(l.in, NULL, 1, 0), GMP_EINVAL);
    CHECK_EQ(gmp_pread(l.out, NULL, 1, 0), GMP_EINVAL);
    CHECK_EQ(gmp_send(l.in, NULL, 1, 0, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_recv(l.out, NULL, 1, 0, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_sendto(l.in, NULL, 1, 0, NULL, 0, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_recvfrom(l.out, NULL, 1, 0, NULL, NULL, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_recvmsg(l.out, NULL, 0, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_sendmsg(l.in, NULL, 0, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(byte, 'x');
    nothing_came(&l, which);
    line_close(&l);
}

SCENARIO(foolish_buffers_are_einval_and_nothing_moves) {
    check_start(2);
    for (int i = 0; i < LINES; i++) by_both(foolish_buffers, &i);
}

static void foolish_pieces(void *arg) {
    int which = *(int *)arg;
    struct line l;
    char bytes[4] = "abc";
    static struct iovec many[1025];
    struct iovec null = {NULL, 1}, too_much[] = {{bytes, SIZE_MAX}, {bytes, SIZE_MAX}},
                 just_too_much[] = {{bytes, SSIZE_MAX}, {bytes, 1}};
    lines[which](&l);
    for (int i = 0; i < 1025; i++) many[i] = (struct iovec){bytes, 0};
    for (int count = -1; count >= INT_MIN + 1; count = count > -9 ? count * 3 : INT_MIN + 1) {
        CHECK_EQ(gmp_writev(l.in, many, count, GMP_FOREVER), GMP_EINVAL);
        CHECK_EQ(gmp_readv(l.out, many, count, GMP_FOREVER), GMP_EINVAL);
        if (count == INT_MIN + 1) break;
    }
    CHECK_EQ(gmp_writev(l.in, many, 1025, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_readv(l.out, many, 1025, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_writev(l.in, many, INT_MAX, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_readv(l.out, many, INT_MAX, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_writev(l.in, NULL, 1, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_readv(l.out, NULL, 1, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_writev(l.in, &null, 1, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_readv(l.out, &null, 1, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_writev(l.in, too_much, 2, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_readv(l.out, too_much, 2, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_writev(l.in, just_too_much, 2, GMP_FOREVER), GMP_EINVAL);
    CHECK_EQ(gmp_readv(l.out, just_too_much, 2, GMP_FOREVER), GMP_EINVAL);
    nothing_came(&l, which);
    CHECK_EQ(gmp_readv(l.out, NULL, 0, GMP_FOREVER), 0);
    CHECK_EQ(gmp_readv(l.out, many, 1024, GMP_FOREVER), 0);
    if (which != 2) { /* where nothing is something */
        CHECK_EQ(gmp_writev(l.in, NULL, 0, GMP_FOREVER), 0);
        CHECK_EQ(gmp_writev(l.in, many, 1024, GMP_FOREVER), 0);
    }
    CHECK(strcmp(bytes, "abc") == 0);
    line_close(&l);
}

SCENARIO(foolish_pieces_are_einval_and_nothing_moves) {
    check_start(2);
    for (int i = 0; i < LINES; i++) by_both(foolish_pieces, &i);
}

/* There is room for more than could ever come: what is there comes. */
static void room_for_everything(void *arg) {
    static char bytes[64];
    int which = *(int *)arg;
    struct line l;
    struct iovec one = {bytes, SSIZE_MAX};
    lines[which](&l);
    CHECK_EQ(gmp_write(l.in, "abc", 3, SOON()), 3);
    CHECK_EQ(gmp_read(l.out, bytes, SSIZE_MAX, SOON()), 3);
    CHECK(memcmp(bytes, "abc", 3) == 0);
    CHECK_EQ(gmp_write(l.in, "defg", 4, SOON()), 4);
    CHECK_EQ(gmp_readv(l.out, &one, 1, SOON()), 4);
    CHECK(memcmp(bytes, "defg", 4) == 0);
    if (which < SOCKETS) {
        CHECK_EQ(gmp_write(l.in, "hi", 2, SOON()), 2);
        CHECK_EQ(gmp_recv(l.out, bytes, SSIZE_MAX, 0, SOON()), 2);
        CHECK(memcmp(bytes, "hi", 2) == 0);
    }
    line_close(&l);
}

SCENARIO(longest_read_gives_what_is_there) {
    check_start(2);
    for (int i = 0; i < LINES; i++) by_both(room_for_everything, &i);
}

/* The kernel says so; the bytes stay where they were. */
static void unmapped(void *arg) {
    void *bad = (void *)4096;
    int which = *(int *)arg;
    struct line l;
    struct iovec one = {bad, 3};
    char got[4] = "";
    lines[which](&l);
    CHECK_EQ(gmp_write(l.in, bad, 3, SOON()), -EFAULT);
    CHECK_EQ(gmp_writev(l.in, &one, 1, SOON()), -EFAULT);
    nothing_came(&l, which);
    CHECK_EQ(gmp_write(l.in, "abc", 3, SOON()), 3);
    if (which != 2) { /* a datagram is used up */
        CHECK_EQ(gmp_read(l.out, bad, 3, SOON()), -EFAULT);
        CHECK_EQ(gmp_readv(l.out, &one, 1, SOON()), -EFAULT);
    }
    CHECK_EQ(gmp_read(l.out, got, sizeof got, SOON()), 3);
    CHECK(strcmp(got, "abc") == 0);
    line_close(&l);
}

SCENARIO(memory_that_is_not_there_is_efault) {
    check_start(2);
    for (int i = 0; i < LINES; i++) by_both(unmapped, &i);
}

/* ------------------------------------------------------------ offsets */
static void foolish_offsets(void *arg) {
    struct line l;
    char byte = 'x';
    (void)arg;
    file(&l);
    CHECK_EQ(gmp_pread(l.out, &byte, 1, -1), GMP_EINVAL);
    CHECK_EQ(gmp_pread(l.out, &byte, 1, INT64_MIN), GMP_EINVAL);
    CHECK_EQ(gmp_pwrite(l.in, &byte, 1, -1), GMP_EINVAL);
    CHECK_EQ(gmp_pwrite(l.in, &byte, 1, INT64_MIN), GMP_EINVAL);
    ssize_t n = gmp_pwrite(l.in, &byte, 1, INT64_MAX);
    CHECK(n == GMP_EINVAL || n == -EFBIG);
    nothing_came(&l, 4);
    line_close(&l);
}

SCENARIO(foolish_offsets_are_einval) {
    check_start(2);
    by_both(foolish_offsets, NULL);
}
