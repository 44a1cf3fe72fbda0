/* sendfile and splice: from a file to a socket or a pipe, in parts, to those who read slowly or not at all. */
#define _GNU_SOURCE
#include "fds.h"

enum { LENGTH = 700001 };

static void tcp(struct line *l) { make_tcp(l, AF_INET); }
static void stream_pair(struct line *l) { make_pair(l, SOCK_STREAM); }
static void (*const lines[])(struct line *) = {tcp, stream_pair, make_pipe};
enum { LINES = sizeof lines / sizeof lines[0] };

/* A file of LENGTH bytes that has no name any more. */
static int long_file(void) {
    struct place p;
    char *bytes = (char *)malloc(LENGTH);
    CHECK(bytes != NULL);
    fill(bytes, 0, LENGTH);
    place_make(&p);
    int fd = gmp_open(p.path, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(gmp_write(fd, bytes, LENGTH, GMP_FOREVER), LENGTH);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    place_end(&p);
    free(bytes);
    return fd;
}

struct sending {
    struct line line;
    int file;
    off_t offset;
    int with_offset;
    size_t n;
    gmp_time_t deadline;
    ssize_t result;
};

static void send_it(void *arg) {
    struct sending *s = (struct sending *)arg;
    s->result = gmp_sendfile(s->line.in, s->file, s->with_offset ? &s->offset : NULL, s->n, s->deadline);
}

static void read_from(struct line *l, size_t from, size_t n) {
    char *got = (char *)malloc(n + 1);
    struct call all = {.fd = l->out, .bytes = got, .n = n, .deadline = SOON()};
    CHECK(got != NULL);
    CHECK_EQ(do_read_all(&all), n);
    check_fill(got, from, n);
    free(got);
}

/* More than any buffer holds goes whole; the offset or the position moves on by it, and not the other. */
static void file_goes_whole(void (*make)(struct line *), enum kind sender, int nonblocking, int with_offset) {
    struct sending s = {.file = long_file(), .with_offset = with_offset, .n = LENGTH, .deadline = SOON()};
    struct party p;
    size_t from = with_offset ? 1234 : 4321;
    make(&s.line);
    set_nonblocking(s.line.in, nonblocking);
    s.offset = 1234;
    CHECK_EQ(lseek(s.file, 4321, SEEK_SET), 4321);
    party_start(&p, sender, send_it, &s);
    read_from(&s.line, from, LENGTH - from);
    party_end(&p);
    CHECK_EQ(s.result, LENGTH - from);
    CHECK_EQ(s.offset, with_offset ? LENGTH : 1234);
    CHECK_EQ(lseek(s.file, 0, SEEK_CUR), with_offset ? 4321 : LENGTH);
    CHECK_EQ(gmp_sendfile(s.line.in, s.file, with_offset ? &s.offset : NULL, 10, GMP_NOWAIT), 0); /* at the end */
    CHECK_EQ(!!(flags_of(s.line.in) & O_NONBLOCK), nonblocking);
    line_close(&s.line);
    CHECK_OK(gmp_close_fd(s.file));
}

SCENARIO(file_is_sent_whole) {
    check_start(2);
    for (int i = 0; i < LINES; i++) {
        for (int mix = 0; mix < 8; mix++) file_goes_whole(lines[i], mix & 1 ? THREAD : TASK, mix >> 1 & 1, mix >> 2);
    }
}

/* Nobody reads: at the deadline the part that went is the result, the next call has the code, and not a byte is lost. */
static void slow_reader(void (*make)(struct line *), int nonblocking, int with_offset) {
    struct sending s = {.file = long_file(), .with_offset = with_offset, .n = LENGTH};
    size_t done = 0;
    make(&s.line);
    set_nonblocking(s.line.in, nonblocking);
    do {
        s.deadline = gmp_after_ns(5 * MS);
        CHECK_OK(gmp_run(send_it, &s));
        if (s.result > 0) done += (size_t)s.result;
        CHECK_EQ(with_offset ? s.offset : lseek(s.file, 0, SEEK_CUR), done);
    } while (s.result > 0);
    CHECK_EQ(s.result, GMP_ETIMEDOUT);
    CHECK(done > 0 && done < LENGTH);
    s.deadline = GMP_NOWAIT;
    send_it(&s);
    CHECK_EQ(s.result, GMP_EAGAIN);
    read_from(&s.line, 0, done);
    struct party p;
    s.deadline = SOON();
    party_start(&p, TASK, send_it, &s);
    read_from(&s.line, done, LENGTH - done);
    party_end(&p);
    CHECK_EQ(s.result, LENGTH - done);
    line_close(&s.line);
    CHECK_OK(gmp_close_fd(s.file));
}

SCENARIO(slow_reader_ends_a_sendfile_at_its_deadline) {
    check_start(2);
    for (int i = 0; i < LINES; i++) {
        for (int mix = 0; mix < 4; mix++) slow_reader(lines[i], mix & 1, mix >> 1);
    }
}

/* The reader goes away: a code and no signal, which would end the program here. */
static void nobody_reads(void *arg) {
    struct sending s = {.file = long_file(), .n = 1000, .deadline = SOON()};
    int mix = *(int *)arg;
    lines[mix >> 1](&s.line);
    set_nonblocking(s.line.in, mix & 1);
    CHECK_EQ(close(s.line.out), 0);
    s.line.out = -1;
    gmp_time_t limit = SOON();
    do send_it(&s);
    while (s.result > 0 && gmp_now() < limit);
    CHECK(s.result == GMP_EPIPE || s.result == -ECONNRESET);
    line_close(&s.line);
    CHECK_OK(gmp_close_fd(s.file));
}

SCENARIO(sendfile_to_nobody_is_a_code) {
    check_start(2);
    for (int mix = 0; mix < 2 * LINES; mix++) by_both(nobody_reads, &mix);
}

/* From a file to a file. */
static void copy_a_file(void *arg) {
    struct place p;
    char *got = (char *)malloc(LENGTH);
    int from = long_file();
    (void)arg;
    CHECK(got != NULL);
    place_make(&p);
    int to = gmp_open(p.path, O_RDWR | O_CREAT, 0600);
    CHECK(to >= 0);
    size_t done = 0;
    while (done < LENGTH) {
        ssize_t n = gmp_sendfile(to, from, NULL, LENGTH - done, GMP_NOWAIT);
        CHECK(n > 0);
        done += (size_t)n;
    }
    CHECK_EQ(gmp_pread(to, got, LENGTH, 0), LENGTH);
    check_fill(got, 0, LENGTH);
    CHECK_OK(gmp_close_fd(to));
    CHECK_OK(gmp_close_fd(from));
    place_end(&p);
    free(got);
}

SCENARIO(files_are_sent_to_files) {
    check_start(2);
    by_both(copy_a_file, NULL);
}

/* ------------------------------------------------------------ splice */
static ssize_t do_splice(struct call *c) {
    int *fds = (int *)(void *)c->bytes;
    return gmp_splice(fds[0], NULL, fds[1], NULL, c->n, c->deadline);
}

/* From a socket through a pipe to a socket: who waits is woken by either side, and bytes keep their order. */
static void through_a_pipe(enum kind kind, int nonblocking) {
    struct line a, b, tube;
    struct async w, r, first, second;
    enum { MUCH = 300000 };
    char *bytes = (char *)malloc(MUCH), *got = (char *)malloc(MUCH);
    size_t into = 0, out = 0;
    CHECK(bytes != NULL && got != NULL);
    fill(bytes, 0, MUCH);
    make_tcp(&a, AF_INET);
    make_pair(&b, SOCK_STREAM);
    make_pipe(&tube);
    int fds[] = {a.in, a.out, b.in, b.out, tube.in, tube.out};
    for (int i = 0; i < 6; i++) set_nonblocking(fds[i], nonblocking);
    int front[2] = {a.out, tube.in}, back[2] = {tube.out, b.in};
    async_start(&first, kind, do_splice, -1, front, 65536);
    until_waits(&first);
    async_start(&w, TASK, do_write, a.in, bytes, MUCH);
    async_start(&r, THREAD, do_read_all, b.out, got, MUCH);
    while (out < MUCH) {
        ssize_t n = async_end(&first);
        CHECK(n > 0);
        into += (size_t)n;
        while (out < into) {
            async_start(&second, kind, do_splice, -1, back, into - out);
            n = async_end(&second);
            CHECK(n > 0);
            out += (size_t)n;
        }
        if (out < MUCH) async_start(&first, kind, do_splice, -1, front, 65536);
    }
    CHECK_EQ(async_end(&w), MUCH);
    CHECK_EQ(async_end(&r), MUCH);
    check_fill(got, 0, MUCH);
    for (int i = 0; i < 6; i++) CHECK_EQ(!!(flags_of(fds[i]) & O_NONBLOCK), nonblocking);
    line_close(&a);
    line_close(&b);
    line_close(&tube);
    free(bytes);
    free(got);
}

SCENARIO(bytes_are_spliced_through_a_pipe) {
    check_start(2);
    for (int mix = 0; mix < 4; mix++) through_a_pipe(mix & 1 ? THREAD : TASK, mix >> 1);
}

static void splice_answers(void *arg) {
    struct line tube, other;
    char got[16];
    int64_t at = 5, bad = -1;
    int file = long_file();
    (void)arg;
    make_pipe(&tube);
    make_pipe(&other);
    CHECK_EQ(gmp_splice(tube.out, NULL, other.in, NULL, 10, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(gmp_splice(tube.out, NULL, other.in, NULL, 10, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_EQ(gmp_splice(file, &at, tube.in, NULL, 10, SOON()), 10);
    CHECK_EQ(at, 15);
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 0);
    CHECK_EQ(gmp_splice(tube.out, NULL, other.in, NULL, 100, SOON()), 10);
    CHECK_EQ(gmp_read(other.out, got, sizeof got, SOON()), 10);
    check_fill(got, 5, 10);
    CHECK_EQ(gmp_splice(file, NULL, tube.in, NULL, 0, SOON()), 0);
    at = LENGTH;
    CHECK_EQ(gmp_splice(file, &at, tube.in, NULL, 10, SOON()), 0); /* its end */
    CHECK_EQ(gmp_splice(file, &bad, tube.in, NULL, 10, SOON()), GMP_EINVAL);
    CHECK_EQ(gmp_splice(file, NULL, file, NULL, 10, SOON()), GMP_EINVAL); /* no pipe */
    CHECK_EQ(gmp_write(tube.in, "abc", 3, SOON()), 3);
    at = 0;
    CHECK_EQ(gmp_splice(tube.out, &at, other.in, NULL, 10, SOON()), -ESPIPE);
    CHECK_EQ(at, 0);
    CHECK_EQ(gmp_splice(tube.out, NULL, file, &at, 10, SOON()), 3);
    CHECK_EQ(at, 3);
    CHECK_EQ(gmp_pread(file, got, 3, 0), 3);
    CHECK(memcmp(got, "abc", 3) == 0);
    CHECK_EQ(close(tube.in), 0);
    tube.in = -1;
    CHECK_EQ(gmp_splice(tube.out, NULL, other.in, NULL, 10, SOON()), 0);
    CHECK_EQ(close(other.out), 0);
    other.out = -1;
    CHECK_EQ(gmp_splice(file, NULL, other.in, NULL, 10, SOON()), GMP_EPIPE);
    line_close(&tube);
    line_close(&other);
    CHECK_OK(gmp_close_fd(file));
}

SCENARIO(splice_answers_for_each_of_its_sides) {
    check_start(2);
    by_both(splice_answers, NULL);
}

/* A socket that nobody reads: the deadline counts there too, whether its calls block or not. */
static void splice_to_a_slow_reader(void *arg) {
    struct line tube, slow;
    char *bytes = (char *)malloc(65536);
    size_t put = 0, moved = 0;
    ssize_t n;
    CHECK(bytes != NULL);
    make_pipe(&tube);
    make_tcp(&slow, AF_INET);
    set_nonblocking(slow.in, *(int *)arg);
    do {
        fill(bytes, put, 65536);
        n = gmp_write(tube.in, bytes, 65536, GMP_NOWAIT);
        if (n > 0) put += (size_t)n;
        n = gmp_splice(tube.out, NULL, slow.in, NULL, 65536, gmp_after_ns(5 * MS));
        if (n > 0) moved += (size_t)n;
    } while (n > 0 && moved < (size_t)64 << 20);
    CHECK_EQ(n, GMP_ETIMEDOUT);
    read_from(&slow, 0, moved);
    line_close(&tube);
    line_close(&slow);
    free(bytes);
}

SCENARIO(slow_reader_ends_a_splice_at_its_deadline) {
    int nonblocking = 1;
    check_start(2);
    by_both(splice_to_a_slow_reader, &nonblocking);
}

SCENARIO(slow_reader_ends_a_splice_at_its_deadline_on_a_blocking_socket) {
    int nonblocking = 0;
    check_start(2);
    by_both(splice_to_a_slow_reader, &nonblocking);
}
