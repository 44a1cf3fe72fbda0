/* Descriptors that keep the bounds of what is sent: UDP, Unix datagrams, seqpacket. */
#define _GNU_SOURCE
#include "io_suite.h"

static void unix_datagrams_make(struct line *l) { make_pair(l, SOCK_DGRAM); }
static void seqpacket_make(struct line *l) { make_pair(l, SOCK_SEQPACKET); }

static void udp(struct line *l, int family) {
    struct name in, out;
    l->in = bound_socket(family, SOCK_DGRAM, &in);
    l->out = bound_socket(family, SOCK_DGRAM, &out);
    CHECK_EQ(connect(l->in, (struct sockaddr *)&out.addr, out.len), 0);
    CHECK_EQ(connect(l->out, (struct sockaddr *)&in.addr, in.len), 0);
}

static void udp4(struct line *l) { udp(l, AF_INET); }
static void udp6(struct line *l) { udp(l, AF_INET6); }

SCENARIO(connected_udp_over_ipv4) {
    static const struct kind_of_line kind = {.make = udp4, .packets = 1, .endless = 1};
    suite(&kind);
}

SCENARIO(connected_udp_over_ipv6) {
    static const struct kind_of_line kind = {.make = udp6, .packets = 1, .endless = 1};
    suite(&kind);
}

SCENARIO(unix_datagrams) {
    static const struct kind_of_line kind = {.make = unix_datagrams_make, .packets = 1, .endless = 1};
    suite(&kind);
}

SCENARIO(seqpacket) {
    static const struct kind_of_line kind = {.make = seqpacket_make, .packets = 1};
    suite(&kind);
}

/* ------------------------------------------------------------ bounds of packets */
static const struct {
    const char *name;
    void (*make)(struct line *l);
} packets[] = {{"udp4", udp4}, {"unix", unix_datagrams_make}, {"seqpacket", seqpacket_make}};
enum { PACKETS = sizeof packets / sizeof packets[0] };

/* Each call takes one packet; what does not fit is thrown away, and MSG_TRUNC tells how long it was. */
static void bounds_are_kept(void *arg) {
    struct line *l = (struct line *)arg;
    char got[8] = {0};
    CHECK_EQ(gmp_send(l->in, "one", 3, 0, SOON()), 3);
    CHECK_EQ(gmp_send(l->in, "four", 4, 0, SOON()), 4);
    CHECK_EQ(gmp_write(l->in, "truncated", 9, SOON()), 9);
    CHECK_EQ(gmp_send(l->in, "truncated", 9, 0, SOON()), 9);
    CHECK_EQ(gmp_send(l->in, "last", 4, 0, SOON()), 4);
    CHECK_EQ(gmp_recv(l->out, got, 2, MSG_PEEK, SOON()), 2);
    CHECK_EQ(gmp_recv(l->out, got, sizeof got, 0, SOON()), 3);
    CHECK(memcmp(got, "one", 3) == 0);
    CHECK_EQ(gmp_recv(l->out, got, sizeof got, 0, SOON()), 4);
    CHECK(memcmp(got, "four", 4) == 0);
    memset(got, 'x', sizeof got);
    CHECK_EQ(gmp_recv(l->out, got, 4, 0, SOON()), 4);
    CHECK(memcmp(got, "truncxxx", 4) == 0 && got[4] == 'x');
    CHECK_EQ(gmp_recv(l->out, got, 4, MSG_TRUNC, SOON()), 9);
    CHECK_EQ(gmp_read(l->out, got, sizeof got, SOON()), 4);
    CHECK(memcmp(got, "last", 4) == 0);
    CHECK_EQ(gmp_recv(l->out, got, sizeof got, 0, GMP_NOWAIT), GMP_EAGAIN);
}

SCENARIO(one_call_takes_one_packet) {
    check_start(2);
    for (int i = 0; i < PACKETS; i++) {
        struct line l;
        packets[i].make(&l);
        by_both(bounds_are_kept, &l);
        line_close(&l);
    }
}

/* An empty datagram is a packet: it is sent, it wakes a receiver, and it is not the end. */
static void empty_ones_arrive(void *arg) {
    struct line *l = (struct line *)arg;
    char got[4] = "abc";
    CHECK_EQ(gmp_send(l->in, "", 0, 0, SOON()), 0);
    CHECK_EQ(gmp_send(l->in, NULL, 0, 0, SOON()), 0);
    CHECK_EQ(gmp_sendto(l->in, NULL, 0, 0, NULL, 0, SOON()), 0);
    CHECK_EQ(gmp_send(l->in, "x", 1, 0, SOON()), 1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(gmp_recv(l->out, got, sizeof got, 0, SOON()), 0);
        CHECK(strcmp(got, "abc") == 0);
    }
    CHECK_EQ(gmp_recv(l->out, got, sizeof got, 0, SOON()), 1);
    CHECK_EQ(got[0], 'x');
}

static ssize_t do_recv(struct call *c) { return gmp_recv(c->fd, c->bytes, c->n, 0, c->deadline); }

SCENARIO(empty_datagrams_are_sent_and_received) {
    check_start(2);
    for (int i = 0; i < PACKETS; i++) {
        struct line l;
        packets[i].make(&l);
        by_both(empty_ones_arrive, &l);
        for (int kind = TASK; kind <= THREAD; kind++) {
            struct async r;
            char got[4] = {0};
            async_start(&r, (enum kind)kind, do_recv, l.out, got, sizeof got);
            until_waits(&r);
            CHECK_EQ(gmp_send(l.in, "", 0, 0, SOON()), 0);
            CHECK_EQ(async_end(&r), 0);
        }
        line_close(&l);
    }
}

/* A packet goes whole or not at all: too long a one is an error, and nothing of it arrives. */
static void long_ones_are_refused(void *arg) {
    struct line *l = (struct line *)arg;
    static char much[4 << 20];
    char got[4];
    CHECK_EQ(gmp_send(l->in, much, sizeof much, 0, SOON()), -EMSGSIZE);
    CHECK_EQ(gmp_write(l->in, much, sizeof much, SOON()), -EMSGSIZE);
    CHECK_EQ(gmp_recv(l->out, got, sizeof got, 0, GMP_NOWAIT), GMP_EAGAIN);
}

SCENARIO(too_long_a_packet_is_emsgsize) {
    check_start(2);
    for (int i = 0; i < PACKETS; i++) {
        struct line l;
        packets[i].make(&l);
        by_both(long_ones_are_refused, &l);
        line_close(&l);
    }
}

/* ------------------------------------------------------------ addresses */
static void answers_go_to_where_questions_came_from(void *arg) {
    int family = *(int *)arg;
    struct name asker, server, from;
    char got[8] = {0};
    int a = bound_socket(family, SOCK_DGRAM, &asker), s = bound_socket(family, SOCK_DGRAM, &server);
    from.len = sizeof from.addr;
    CHECK_EQ(gmp_recvfrom(s, got, sizeof got, 0, (struct sockaddr *)&from.addr, &from.len, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(from.len, sizeof from.addr);
    CHECK_EQ(gmp_sendto(a, "ask", 3, 0, (struct sockaddr *)&server.addr, server.len, SOON()), 3);
    CHECK_EQ(gmp_recvfrom(s, got, sizeof got, 0, (struct sockaddr *)&from.addr, &from.len, SOON()), 3);
    CHECK_EQ(from.len, asker.len);
    CHECK(memcmp(&from.addr, &asker.addr, asker.len) == 0);
    CHECK_EQ(gmp_sendto(s, "answer", 6, 0, (struct sockaddr *)&from.addr, from.len, SOON()), 6);
    CHECK_EQ(gmp_recvfrom(a, got, sizeof got, 0, NULL, NULL, SOON()), 6);
    CHECK(memcmp(got, "answer", 6) == 0);
    /* Without a place for the whole address its beginning is written, and how long it would have been. */
    char small[4];
    memset(small, 'x', sizeof small);
    CHECK_EQ(gmp_sendto(a, "ask", 3, 0, (struct sockaddr *)&server.addr, server.len, SOON()), 3);
    from.len = 2;
    CHECK_EQ(gmp_recvfrom(s, got, sizeof got, 0, (struct sockaddr *)small, &from.len, SOON()), 3);
    CHECK_EQ(from.len, asker.len);
    CHECK(memcmp(small, &asker.addr, 2) == 0 && small[2] == 'x');
    CHECK_OK(gmp_close_fd(a));
    CHECK_OK(gmp_close_fd(s));
}

SCENARIO(datagrams_carry_addresses) {
    int family = AF_INET;
    check_start(2);
    by_both(answers_go_to_where_questions_came_from, &family);
    family = AF_INET6;
    by_both(answers_go_to_where_questions_came_from, &family);
}

/* gmp_connect on a datagram socket only sets the peer, and takes it back. */
static void peer_is_set(void *arg) {
    struct name one, two;
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    char got[4];
    (void)arg;
    int a = bound_socket(AF_INET, SOCK_DGRAM, &one), b = bound_socket(AF_INET, SOCK_DGRAM, &two);
    CHECK_EQ(gmp_send(a, "x", 1, 0, SOON()), -EDESTADDRREQ);
    CHECK_OK(gmp_connect(a, (struct sockaddr *)&two.addr, two.len, GMP_NOWAIT));
    CHECK_EQ(flags_of(a) & O_NONBLOCK, 0);
    CHECK_EQ(gmp_send(a, "x", 1, 0, SOON()), 1);
    CHECK_EQ(gmp_recv(b, got, sizeof got, 0, SOON()), 1);
    CHECK_OK(gmp_connect(a, &none, sizeof none, GMP_NOWAIT));
    CHECK_EQ(gmp_send(a, "x", 1, 0, SOON()), -EDESTADDRREQ);
    CHECK_OK(gmp_close_fd(a));
    CHECK_OK(gmp_close_fd(b));
}

SCENARIO(connect_sets_the_peer_of_a_datagram_socket) {
    check_start(2);
    by_both(peer_is_set, NULL);
}

/* What the last datagram met is told once: nobody is there. */
static void refusal_is_told(void *arg) {
    struct name gone;
    struct line l;
    struct async r;
    char got[4];
    (void)arg;
    /* A socket that is connected to itself keeps the port and hears nobody else. */
    int keeper = bound_socket(AF_INET, SOCK_DGRAM, &gone);
    CHECK_EQ(connect(keeper, (struct sockaddr *)&gone.addr, gone.len), 0);
    l.in = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    l.out = -1;
    CHECK(l.in >= 0);
    CHECK_EQ(connect(l.in, (struct sockaddr *)&gone.addr, gone.len), 0);
    async_start(&r, THREAD, do_recv, l.in, got, sizeof got);
    until_waits(&r);
    CHECK_EQ(gmp_send(l.in, "x", 1, 0, SOON()), 1);
    CHECK_EQ(async_end(&r), -ECONNREFUSED);
    CHECK_EQ(gmp_recv(l.in, got, sizeof got, 0, GMP_NOWAIT), GMP_EAGAIN);
    line_close(&l);
    CHECK_EQ(close(keeper), 0);
}

SCENARIO(refused_datagram_is_an_error_of_the_next_receive) {
    check_start(2);
    refusal_is_told(NULL);
    CHECK_OK(gmp_run(refusal_is_told, NULL));
}

SCENARIO(unix_datagrams_by_name) {
    struct place p;
    struct sockaddr_un name = {.sun_family = AF_UNIX}, from;
    socklen_t len = sizeof from;
    char got[8];
    check_start(2);
    place_make(&p);
    strcpy(name.sun_path, p.path);
    int server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), asker = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(server >= 0 && asker >= 0);
    CHECK_EQ(gmp_sendto(asker, "x", 1, 0, (struct sockaddr *)&name, sizeof name, SOON()), GMP_ENOENT);
    CHECK_EQ(bind(server, (struct sockaddr *)&name, sizeof name), 0);
    CHECK_EQ(gmp_sendto(asker, "ask", 3, 0, (struct sockaddr *)&name, sizeof name, SOON()), 3);
    CHECK_EQ(gmp_recvfrom(server, got, sizeof got, 0, (struct sockaddr *)&from, &len, SOON()), 3);
    CHECK_EQ(len, 0); /* it has no name */
    CHECK_OK(gmp_close_fd(server));
    CHECK_EQ(gmp_sendto(asker, "x", 1, 0, (struct sockaddr *)&name, sizeof name, SOON()), -ECONNREFUSED);
    CHECK_OK(gmp_close_fd(asker));
    place_end(&p);
}

/* A full queue of datagrams: senders wait for room, in whatever manner the socket may wait. */
SCENARIO(sender_waits_for_room_and_loses_nothing) {
    check_start(2);
    for (int i = 1; i < PACKETS; i++) { /* UDP throws away what finds no room */
        for (int kind = TASK; kind <= THREAD; kind++) {
            struct line l;
            struct async w;
            uint32_t sent = 0, got;
            ssize_t n;
            packets[i].make(&l);
            while ((n = gmp_send(l.in, &sent, sizeof sent, 0, GMP_NOWAIT)) == sizeof sent) sent++;
            CHECK_EQ(n, GMP_EAGAIN);
            CHECK_EQ(gmp_send(l.in, &sent, sizeof sent, 0, gmp_after_ns(2 * MS)), GMP_ETIMEDOUT);
            async_start(&w, (enum kind)kind, do_write, l.in, &sent, sizeof sent);
            until_waits(&w);
            for (uint32_t k = 0; k <= sent; k++) {
                CHECK_EQ(gmp_recv(l.out, &got, sizeof got, 0, SOON()), sizeof got);
                CHECK_EQ(got, k);
            }
            CHECK_EQ(async_end(&w), sizeof sent);
            CHECK_EQ(gmp_recv(l.out, &got, sizeof got, 0, GMP_NOWAIT), GMP_EAGAIN);
            line_close(&l);
        }
    }
}
