/* Deadlines of calls and of descriptors: what is there is given whatever the deadline; a wait ends at it, without an effect. */
//@ with IO_PROCS=2
#include "streams.h"

/* ------------------------------------------------------------ every call, with no time to wait */
enum { READ, RECV, RECVFROM, RECVMSG, READV, RECV_ALL, LOOK_IN, ACCEPT, SPLICE_IN, READING, WRITE = READING, SEND, SENDTO,
       SENDMSG, WRITEV, SENDFILE, CALLS };

static int ends[2], listener, a_pipe[2], a_file;

static int64_t make(int which, gmp_time_t deadline) {
    static __thread char unused;
    char bytes[64];
    struct iovec parts[2] = {{bytes, 10}, {bytes + 10, 20}};
    struct msghdr message;
    off_t begin = 0;
    (void)unused;
    memset(bytes, 0, sizeof bytes);
    memset(&message, 0, sizeof message);
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    switch (which) {
    case READ: return gmp_read(ends[0], bytes, sizeof bytes, deadline);
    case RECV: return gmp_recv(ends[0], bytes, sizeof bytes, 0, deadline);
    case RECVFROM: return gmp_recvfrom(ends[0], bytes, sizeof bytes, 0, NULL, NULL, deadline);
    case RECVMSG: return gmp_recvmsg(ends[0], &message, 0, deadline);
    case READV: return gmp_readv(ends[0], parts, 2, deadline);
    case RECV_ALL: return gmp_recv(ends[0], bytes, 2, MSG_WAITALL, deadline);
    case LOOK_IN: return gmp_poll_fd(ends[0], POLLIN, deadline);
    case ACCEPT: return gmp_accept(listener, NULL, NULL, deadline);
    case SPLICE_IN: return gmp_splice(ends[0], NULL, a_pipe[1], NULL, 10, deadline);
    case WRITE: return gmp_write(ends[0], bytes, sizeof bytes, deadline);
    case SEND: return gmp_send(ends[0], bytes, sizeof bytes, 0, deadline);
    case SENDTO: return gmp_sendto(ends[0], bytes, sizeof bytes, 0, NULL, 0, deadline);
    case SENDMSG: return gmp_sendmsg(ends[0], &message, 0, deadline);
    case WRITEV: return gmp_writev(ends[0], parts, 2, deadline);
    case SENDFILE: return gmp_sendfile(ends[0], a_file, &begin, 10, deadline);
    default: CHECK(!"a call");
    }
    return 0;
}

static void each_call_answers_at_once(void *unused) {
    (void)unused;
    for (int which = 0; which < CALLS; which++) {
        CHECK_CODE((int)make(which, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_CODE((int)make(which, 1), GMP_ETIMEDOUT);
        CHECK_CODE((int)make(which, -1), GMP_ETIMEDOUT);
        CHECK_CODE((int)make(which, INT64_MIN), GMP_ETIMEDOUT);
        CHECK_CODE((int)make(which, gmp_now()), GMP_ETIMEDOUT);
        gmp_time_t soon = gmp_after_ns(MS);
        CHECK_CODE((int)make(which, soon), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= soon);
    }
}

static void each_call_is_done(void *unused) {
    gmp_time_t deadlines[] = {GMP_NOWAIT, 1, -1, INT64_MIN, GMP_FOREVER};
    (void)unused;
    for (size_t d = 0; d < sizeof deadlines / sizeof *deadlines; d++) {
        for (int which = 0; which < CALLS; which++) {
            CHECK_EQ(write(ends[1], "ab", 2), 2);
            if (which == ACCEPT) continue;
            int64_t n = make(which, deadlines[d]);
            if (n <= 0) CHECK_CODE((int)n, 1);
            if (which >= READING || which == LOOK_IN) {
                char bytes[2];
                CHECK_EQ(recv(ends[0], bytes, 2, MSG_WAITALL), 2);
            }
        }
    }
}

static void open_all(enum pair kind) {
    struct sockaddr_in address;
    pair_make(kind, ends);
    listener = tcp_listener(1, &address);
    CHECK_EQ(pipe2(a_pipe, O_CLOEXEC), 0);
    a_file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(a_file >= 0);
}

static void answers_at_once(enum pair kind, int in_a_task) {
    io_start();
    open_all(kind);
    if (in_a_task) CHECK_OK(gmp_run(each_call_is_done, NULL));
    else each_call_is_done(NULL);
    /* An acknowledgement that TCP held back may make room later. */
    while (fill_up(ends[0]) > 0 && kind == TCP) usleep(400000);
    if (in_a_task) CHECK_OK(gmp_run(each_call_answers_at_once, NULL));
    else each_call_answers_at_once(NULL);
}

SCENARIO(every_call_of_a_task_over_tcp) { answers_at_once(TCP, 1); }
SCENARIO(every_call_of_a_task_over_unix) { answers_at_once(UNIX, 1); }
SCENARIO(every_call_of_a_thread_over_unix) { answers_at_once(UNIX, 0); }

/* ------------------------------------------------------------ deadlines of the descriptor */
SCENARIO(deadline_of_the_descriptor_ends_a_wait_under_way) {
    io_start();
    for (int round = 0; round < 40; round++) {
        struct call calls[3];
        int fds[2];
        pair_make(round % 2 ? TCP : UNIX, fds);
        for (int i = 0; i < 3; i++) call_start(&calls[i], i == 2 ? THREAD : TASK, fds[0], POLLIN, i ? SOON() : GMP_FOREVER);
        until_calls_wait(calls, 3);
        gmp_time_t when = round % 4 ? gmp_after_ns(MS) : 1;
        CHECK_OK(gmp_fd_set_deadline(fds[0], POLLIN, when));
        for (int i = 0; i < 3; i++) CHECK_CODE((int)call_end(&calls[i]), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= when);
        pair_close(fds);
    }
}

SCENARIO(deadline_of_the_descriptor_counts_for_waits_only_and_stays) {
    char bytes[8];
    int fds[2];
    io_start();
    pair_make(UNIX, fds);
    CHECK_OK(gmp_fd_set_deadline(fds[0], POLLIN | POLLOUT, 1));
    for (int i = 0; i < 3; i++) {
        CHECK_CODE((int)gmp_read(fds[0], bytes, sizeof bytes, SOON()), GMP_ETIMEDOUT);
        CHECK_CODE((int)gmp_read(fds[0], bytes, sizeof bytes, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_CODE(gmp_poll_fd(fds[0], POLLIN, GMP_FOREVER), GMP_ETIMEDOUT);
        write_whole(fds[1], "ab", 2);
        CHECK_EQ(gmp_poll_fd(fds[0], POLLIN, GMP_FOREVER), POLLIN);
        CHECK_EQ(gmp_read(fds[0], bytes, sizeof bytes, SOON()), 2);
        write_whole(fds[0], "cd", 2); /* there is room */
        read_whole(fds[1], bytes, 2); /* the other end has no deadline */
    }
    fill_up(fds[0]);
    CHECK_CODE((int)gmp_write(fds[0], bytes, 1, GMP_FOREVER), GMP_ETIMEDOUT);
    pair_close(fds);
}

/* Cleared, or moved to later, while somebody waits: that wait goes on. */
SCENARIO(deadline_of_the_descriptor_is_cleared_under_way) {
    io_start();
    for (int round = 0; round < 30; round++) {
        struct call call;
        int fds[2];
        pair_make(UNIX, fds);
        CHECK_OK(gmp_fd_set_deadline(fds[0], POLLIN, gmp_after_ns(20 * SECOND)));
        call_start(&call, round % 2 ? TASK : THREAD, fds[0], POLLIN, GMP_FOREVER);
        until_calls_wait(&call, 1);
        CHECK_OK(gmp_fd_set_deadline(fds[0], POLLIN, gmp_after_ns(30 * SECOND)));
        CHECK_OK(gmp_fd_set_deadline(fds[0], POLLIN, GMP_FOREVER));
        CHECK_OK(gmp_fd_set_deadline(fds[0], POLLIN, gmp_after_ns(2 * SECOND)));
        CHECK_OK(gmp_fd_set_deadline(fds[0], POLLIN, GMP_FOREVER));
        /* Once for a task and once for a thread: one that was forgotten would be over by then. */
        usleep(round >= 2 ? 100 : 2200000);
        CHECK_EQ(atomic_load(&call.answered), 0);
        write_whole(fds[1], "x", 1);
        CHECK_EQ(call_end(&call), 1);
        CHECK_CODE((int)gmp_read(fds[0], &call.byte, 1, gmp_after_ns(1000)), GMP_ETIMEDOUT);
        pair_close(fds);
    }
}

/* Per direction: the reader ends, the writer waits on; and the other way. */
SCENARIO(deadline_of_one_direction_leaves_the_other) {
    io_start();
    for (int round = 0; round < 20; round++) {
        struct call calls[2];
        int fds[2], first = round % 2;
        enum kind kind = round % 4 < 2 ? TASK : THREAD;
        pair_make(UNIX, fds);
        size_t full = fill_up(fds[0]);
        (void)full;
        call_start(&calls[0], kind, fds[0], POLLIN, GMP_FOREVER);
        call_start(&calls[1], kind, fds[0], POLLOUT, GMP_FOREVER);
        until_calls_wait(calls, 2);
        CHECK_OK(gmp_fd_set_deadline(fds[0], first ? POLLOUT : POLLIN, 1));
        CHECK_CODE((int)call_end(&calls[first]), GMP_ETIMEDOUT);
        usleep(100);
        CHECK_EQ(atomic_load(&calls[!first].answered), 0);
        CHECK_OK(gmp_fd_set_deadline(fds[0], first ? POLLIN : POLLOUT, gmp_now()));
        CHECK_CODE((int)call_end(&calls[!first]), GMP_ETIMEDOUT);
        pair_close(fds);
    }
}

/* The earlier of both counts. */
SCENARIO(earlier_deadline_counts) {
    char byte;
    int fds[2];
    io_start();
    pair_make(UNIX, fds);
    gmp_time_t far = gmp_after_ns(30 * SECOND);
    CHECK_OK(gmp_fd_set_deadline(fds[0], POLLIN, far));
    CHECK_CODE((int)gmp_read(fds[0], &byte, 1, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_OK(gmp_fd_set_deadline(fds[0], POLLIN, gmp_after_ns(MS)));
    CHECK_CODE((int)gmp_read(fds[0], &byte, 1, far), GMP_ETIMEDOUT);
    CHECK(gmp_now() < far);
    pair_close(fds);
}

SCENARIO(foolish_deadlines_of_a_descriptor_are_refused) {
    int fds[2];
    io_start();
    pair_make(UNIX, fds);
    int events[] = {0, POLLPRI, POLLIN | POLLPRI, -1, 1 << 20};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        CHECK_CODE(gmp_fd_set_deadline(fds[0], events[i], GMP_FOREVER), GMP_EINVAL);
        CHECK_CODE(gmp_poll_fd(fds[0], events[i] == POLLPRI || events[i] == (POLLIN | POLLPRI) ? 0 : events[i],
                               GMP_NOWAIT), GMP_EINVAL);
    }
    CHECK_CODE(gmp_fd_set_deadline(-1, POLLIN, GMP_FOREVER), GMP_EBADF);
    pair_close(fds);
    CHECK_CODE(gmp_fd_set_deadline(fds[0], POLLIN, GMP_FOREVER), GMP_EBADF);
}

/* Set again and again by many, while others wait: nobody is lost, and none is left with an old one. */
struct setter {
    struct party party;
    int fd;
    uint64_t random;
};

static atomic_int over;

static void set_and_set(void *arg) {
    struct setter *s = (struct setter *)arg;
    while (!atomic_load(&over)) {
        uint64_t r = check_random(&s->random);
        gmp_time_t when = r % 3 == 0 ? GMP_FOREVER : gmp_after_ns((int64_t)(r % 100000));
        CHECK_OK(gmp_fd_set_deadline(s->fd, r % 5 ? POLLIN : POLLIN | POLLOUT, when));
        give_way();
    }
}

static void read_and_read(void *arg) {
    struct setter *s = (struct setter *)arg;
    for (int i = 0; i < 1500; i++) {
        char byte;
        int code = (int)gmp_read(s->fd, &byte, 1, gmp_after_ns((int64_t)(check_random(&s->random) % 2000000)));
        CHECK_CODE(code, GMP_ETIMEDOUT);
    }
}

SCENARIO(deadlines_are_set_while_many_wait) {
    struct setter readers[4], setters[2];
    int fds[2];
    io_start();
    pair_make(UNIX, fds);
    for (int i = 0; i < 4; i++) {
        readers[i] = (struct setter){.fd = fds[0], .random = check_seed() + (uint64_t)i + 1};
        party_start(&readers[i].party, i ? TASK : THREAD, read_and_read, &readers[i]);
    }
    for (int i = 0; i < 2; i++) {
        setters[i] = (struct setter){.fd = fds[0], .random = check_seed() + (uint64_t)i + 10};
        party_start(&setters[i].party, i ? TASK : THREAD, set_and_set, &setters[i]);
    }
    for (int i = 0; i < 4; i++) party_end(&readers[i].party);
    atomic_store(&over, 1);
    for (int i = 0; i < 2; i++) party_end(&setters[i].party);
    pair_close(fds);
    CHECK_IDLE();
    UNTIL(check_stats().timers_pending == 0, usleep(100));
}
