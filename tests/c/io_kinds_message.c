/* Messages in several pieces: readv, writev, recvmsg, sendmsg, and descriptors sent along. */
#define _GNU_SOURCE
#include "fds.h"
#include "net.h"

/* ------------------------------------------------------------ readv and writev */
static void pieces_come_in_their_order(void *arg) {
    struct line *l = (struct line *)arg;
    char a[4] = "", b[4] = "", c[8] = "";
    struct iovec out[] = {{"one", 3}, {NULL, 0}, {"three", 5}};
    struct iovec in[] = {{a, 3}, {NULL, 0}, {b, 2}, {c, sizeof c}};
    CHECK_EQ(gmp_readv(l->out, in, 4, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(gmp_readv(l->out, in, 4, gmp_now() - 1), GMP_ETIMEDOUT);
    CHECK_EQ(gmp_readv(l->out, in, 4, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_EQ(gmp_writev(l->in, out, 3, SOON()), 8);
    until_ready(l->out, POLLIN);
    CHECK_EQ(gmp_readv(l->out, in, 4, SOON()), 8);
    CHECK(strcmp(a, "one") == 0 && strcmp(b, "th") == 0 && strcmp(c, "ree") == 0);
    CHECK_EQ(gmp_readv(l->out, in, 0, SOON()), 0);
    CHECK_EQ(gmp_writev(l->in, out, 0, SOON()), 0);
    CHECK_EQ(gmp_writev(l->in, out + 1, 1, SOON()), 0);
    CHECK_EQ(gmp_readv(l->out, in, 4, GMP_NOWAIT), GMP_EAGAIN);
}

static void tcp(struct line *l) { make_tcp(l, AF_INET); }
static void stream_pair(struct line *l) { make_pair(l, SOCK_STREAM); }
static void (*const streams[])(struct line *) = {tcp, stream_pair, make_pipe};
enum { STREAMS = sizeof streams / sizeof streams[0] };

SCENARIO(pieces_are_read_and_written_in_order) {
    check_start(2);
    for (int i = 0; i < STREAMS; i++) {
        struct line l;
        streams[i](&l);
        for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
            set_nonblocking(l.in, nonblocking);
            set_nonblocking(l.out, nonblocking);
            by_both(pieces_come_in_their_order, &l);
            CHECK_EQ(!!(flags_of(l.in) & O_NONBLOCK), nonblocking);
            CHECK_EQ(!!(flags_of(l.out) & O_NONBLOCK), nonblocking);
        }
        line_close(&l);
    }
}

enum { PIECES = 1024 };

static ssize_t do_writev(struct call *c) {
    return gmp_writev(c->fd, (const struct iovec *)(void *)c->bytes, (int)c->n, c->deadline);
}
static ssize_t do_readv(struct call *c) {
    return gmp_readv(c->fd, (const struct iovec *)(void *)c->bytes, (int)c->n, c->deadline);
}

/* Pieces of very different length, more than any buffer holds: all of it, and the pieces themselves unchanged. */
static void much_goes_whole(void (*make)(struct line *), enum kind writer) {
    struct line l;
    struct async w, r;
    static struct iovec pieces[PIECES], kept[PIECES];
    size_t total = 0;
    for (int i = 0; i < PIECES; i++) {
        pieces[i].iov_len = i % 7 == 0 ? 0 : (size_t)(i * 37 % 1900);
        total += pieces[i].iov_len;
    }
    char *bytes = (char *)malloc(total), *got = (char *)malloc(total);
    CHECK(bytes != NULL && got != NULL);
    fill(bytes, 0, total);
    total = 0;
    for (int i = 0; i < PIECES; i++) {
        pieces[i].iov_base = bytes + total;
        total += pieces[i].iov_len;
    }
    memcpy(kept, pieces, sizeof kept);
    make(&l);
    async_start(&w, writer, do_writev, l.in, pieces, PIECES);
    async_start(&r, TASK, do_read_all, l.out, got, total);
    CHECK_EQ(async_end(&w), total);
    CHECK_EQ(async_end(&r), total);
    check_fill(got, 0, total);
    CHECK(memcmp(kept, pieces, sizeof kept) == 0);
    line_close(&l);
    free(bytes);
    free(got);
}

SCENARIO(writev_writes_all_of_many_pieces) {
    check_start(2);
    for (int i = 0; i < STREAMS; i++) {
        much_goes_whole(streams[i], TASK);
        much_goes_whole(streams[i], THREAD);
    }
}

SCENARIO(waiting_readv_gets_what_comes) {
    check_start(2);
    for (int i = 0; i < STREAMS; i++) {
        for (int kind = TASK; kind <= THREAD; kind++) {
            struct line l;
            struct async r;
            char a[2] = {0}, b[6] = {0};
            struct iovec pieces[] = {{a, 2}, {b, 6}};
            streams[i](&l);
            async_start(&r, (enum kind)kind, do_readv, l.out, pieces, 2);
            until_waits(&r);
            CHECK_EQ(gmp_write(l.in, "hello", 5, SOON()), 5);
            CHECK_EQ(async_end(&r), 5);
            CHECK(memcmp(a, "he", 2) == 0 && memcmp(b, "llo", 4) == 0);
            line_close(&l);
        }
    }
}

/* ------------------------------------------------------------ recvmsg and sendmsg */
static ssize_t do_recvmsg(struct call *c) {
    return gmp_recvmsg(c->fd, (struct msghdr *)(void *)c->bytes, 0, c->deadline);
}

union control {
    char bytes[CMSG_SPACE(sizeof(int) * 2)];
    struct cmsghdr align;
};

static void send_descriptors(int socket, const int *fds, int n) {
    union control control;
    struct iovec piece = {"fds", 3};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes};
    message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
    memset(&control, 0, sizeof control);
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
    memcpy(CMSG_DATA(head), fds, sizeof(int) * (size_t)n);
    CHECK_EQ(gmp_sendmsg(socket, &message, 0, SOON()), 3);
}

/* A descriptor goes along with the bytes, to a waiting task or thread, over each type of Unix socket. */
static void descriptor_arrives(int type, enum kind receiver) {
    struct line l, given;
    struct async r;
    union control control;
    char got[8] = {0};
    struct iovec piece = {got, sizeof got};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.bytes};
    message.msg_controllen = sizeof control.bytes;
    make_pair(&l, type);
    make_pipe(&given);
    async_start(&r, receiver, do_recvmsg, l.out, &message, 1);
    until_waits(&r);
    send_descriptors(l.in, &given.in, 1);
    CHECK_EQ(async_end(&r), 3);
    CHECK(memcmp(got, "fds", 3) == 0);
    CHECK_EQ(message.msg_flags & (MSG_CTRUNC | MSG_TRUNC), 0);
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    CHECK(head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS);
    CHECK_EQ(head->cmsg_len, CMSG_LEN(sizeof(int)));
    int copy;
    memcpy(&copy, CMSG_DATA(head), sizeof copy);
    CHECK_EQ(gmp_write(copy, "through", 7, SOON()), 7);
    CHECK_EQ(gmp_read(given.out, got, sizeof got, SOON()), 7);
    CHECK_OK(gmp_close_fd(copy));
    line_close(&given);
    line_close(&l);
}

SCENARIO(descriptors_are_sent_along) {
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    check_start(2);
    for (int i = 0; i < 3; i++) {
        descriptor_arrives(types[i], TASK);
        descriptor_arrives(types[i], THREAD);
    }
}

/* Too little room for them: the bytes arrive, the flag says so, and no descriptor is left open. */
static void control_is_cut(void *arg) {
    struct line l, given;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    char got[8];
    struct iovec piece = {got, sizeof got};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    (void)arg;
    make_pair(&l, SOCK_STREAM);
    make_pipe(&given);
    long fds = open_of_kind("pipe:");
    send_descriptors(l.in, (int[]){given.in, given.out}, 2);
    CHECK_EQ(gmp_recvmsg(l.out, &message, 0, SOON()), 3);
    CHECK(message.msg_flags & MSG_CTRUNC);
    CHECK_EQ(open_of_kind("pipe:"), fds);
    send_descriptors(l.in, &given.in, 1);
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_LEN(0);
    CHECK_EQ(gmp_recvmsg(l.out, &message, 0, SOON()), 3);
    CHECK(message.msg_flags & MSG_CTRUNC);
    CHECK_EQ(open_of_kind("pipe:"), fds);
    line_close(&given);
    line_close(&l);
}

SCENARIO(descriptors_without_room_are_closed) {
    check_start(2);
    by_both(control_is_cut, NULL);
}

/* Name, pieces and flags of a datagram, in one message. */
static void all_parts_of_a_message(void *arg) {
    struct name from, to, seen;
    char a[2], b[4];
    struct iovec out[] = {{"da", 2}, {"tagram", 6}}, in[] = {{a, 2}, {b, 4}};
    struct msghdr sent = {.msg_iov = out, .msg_iovlen = 2}, got = {.msg_iov = in, .msg_iovlen = 2};
    (void)arg;
    int s = bound_socket(AF_INET, SOCK_DGRAM, &from), r = bound_socket(AF_INET, SOCK_DGRAM, &to);
    got.msg_name = &seen.addr;
    got.msg_namelen = sizeof seen.addr;
    CHECK_EQ(gmp_recvmsg(r, &got, 0, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(gmp_recvmsg(r, &got, 0, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_EQ(got.msg_namelen, sizeof seen.addr);
    sent.msg_name = &to.addr;
    sent.msg_namelen = to.len;
    CHECK_EQ(gmp_sendmsg(s, &sent, 0, SOON()), 8);
    CHECK_EQ(gmp_recvmsg(r, &got, 0, SOON()), 6);
    CHECK(memcmp(a, "da", 2) == 0 && memcmp(b, "tagr", 4) == 0);
    CHECK(got.msg_flags & MSG_TRUNC);
    CHECK_EQ(got.msg_namelen, from.len);
    CHECK(memcmp(&seen.addr, &from.addr, from.len) == 0);
    CHECK_EQ(gmp_sendmsg(s, &(struct msghdr){.msg_name = &to.addr, .msg_namelen = to.len}, 0, SOON()), 0);
    CHECK_EQ(gmp_recvmsg(r, &got, 0, SOON()), 0);
    CHECK_OK(gmp_close_fd(s));
    CHECK_OK(gmp_close_fd(r));
}

SCENARIO(message_has_name_pieces_and_flags) {
    check_start(2);
    by_both(all_parts_of_a_message, NULL);
}

/* Out-of-band data is seen by POLLPRI and read with MSG_OOB. */
static void urgent_byte(void *arg) {
    struct line l;
    char got = 0;
    (void)arg;
    make_tcp(&l, AF_INET);
    CHECK_EQ(gmp_poll_fd(l.out, POLLPRI, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(gmp_send(l.in, "!", 1, MSG_OOB, SOON()), 1);
    CHECK_EQ(gmp_poll_fd(l.out, POLLPRI, SOON()) & POLLPRI, POLLPRI);
    CHECK_EQ(gmp_recv(l.out, &got, 1, MSG_OOB, SOON()), 1);
    CHECK_EQ(got, '!');
    line_close(&l);
}

SCENARIO(urgent_data_is_polled_and_received) {
    check_start(2);
    by_both(urgent_byte, NULL);
}
