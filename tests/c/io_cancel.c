/* Cancelled waits for descriptors: GMP_ECANCELED, and nothing has happened; what had come is not lost. */
//@ with IO_PROCS=2
#include "streams.h"

static int ends[2], full[2], listener, a_pipe[2];

enum { READ, RECV, RECVMSG, LOOK, ACCEPT, WRITE, SEND, WRITEV, LOOK_OUT, CONNECT, CALLS };

struct caller {
    int which;
    gmp_time_t deadline;
    gmp_ctx_t *ctx;
    gmp_task_t *task;
    int64_t answer;
    int shielded;
};

static struct sockaddr_un dialled;

static int64_t make(int which, gmp_time_t deadline) {
    char bytes[64] = "untouched";
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr message;
    int64_t n;
    memset(&message, 0, sizeof message);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    switch (which) {
    case READ: n = gmp_read(ends[0], bytes, sizeof bytes, deadline); break;
    case RECV: n = gmp_recv(ends[0], bytes, sizeof bytes, MSG_WAITALL, deadline); break;
    case RECVMSG: n = gmp_recvmsg(ends[0], &message, 0, deadline); break;
    case LOOK: return gmp_poll_fd(ends[0], POLLIN, deadline);
    case ACCEPT: return gmp_accept(listener, NULL, NULL, deadline);
    case WRITE: return gmp_write(full[0], bytes, sizeof bytes, deadline);
    case SEND: return gmp_send(full[0], bytes, sizeof bytes, 0, deadline);
    case WRITEV: return gmp_writev(full[0], &part, 1, deadline);
    case LOOK_OUT: return gmp_poll_fd(full[0], POLLOUT, deadline);
    default: {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        n = gmp_connect(fd, (struct sockaddr *)&dialled, sizeof dialled, deadline);
        close(fd);
        return n;
    }
    }
    if (n < 0) CHECK_EQ(strcmp(bytes, "untouched"), 0);
    return n;
}

static void *call(void *arg) {
    struct caller *c = (struct caller *)arg;
    if (c->shielded) CHECK_EQ(gmp_shield(1), 0);
    c->answer = make(c->which, c->deadline);
    return NULL;
}

static void caller_start(struct caller *c, int which, int round) {
    gmp_spawn_opts_t opts;
    memset(c, 0, sizeof *c);
    c->which = which;
    c->deadline = round % 2 ? SOON() : GMP_FOREVER;
    CHECK_OK(gmp_ctx_new(NULL, round % 4 == 3 ? gmp_after_ns(MS) : GMP_FOREVER, &c->ctx));
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.ctx = c->ctx;
    CHECK_OK(gmp_spawn(call, c, &opts, &c->task));
}

/* A Unix listener whose backlog is full: who connects to it has to wait for room. */
static void crowd_the_listener(int fd) {
    char directory[] = "/tmp/gmp-io-XXXXXX";
    CHECK(mkdtemp(directory) != NULL);
    dialled.sun_family = AF_UNIX;
    snprintf(dialled.sun_path, sizeof dialled.sun_path, "%s/s", directory);
    CHECK_EQ(bind(fd, (struct sockaddr *)&dialled, sizeof dialled), 0);
    CHECK_EQ(listen(fd, 0), 0);
    for (int code = 0; code == 0;) {
        int one = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        code = gmp_connect(one, (struct sockaddr *)&dialled, sizeof dialled, GMP_NOWAIT);
        if (code != 0) CHECK_CODE(code, GMP_EAGAIN);
    }
}

static void forget_the_path(void) {
    unlink(dialled.sun_path);
    *strrchr(dialled.sun_path, '/') = 0;
    rmdir(dialled.sun_path);
}

static void open_all(void) {
    struct sockaddr_in address;
    pair_make(TCP, ends);
    pair_make(UNIX, full);
    fill_up(full[0]);
    listener = tcp_listener(1, &address);
    CHECK_EQ(pipe2(a_pipe, O_CLOEXEC), 0);
}

/* By the task, by its context, by its context's deadline. */
SCENARIO(every_wait_is_ended_by_a_cancel) {
    io_start();
    open_all();
    for (int round = 0; round < 16; round++) {
        for (int which = 0; which < CONNECT; which++) {
            struct caller c;
            caller_start(&c, which, round);
            if (round % 4 != 3 && round % 8 < 4) until_tasks_wait(1);
            if (round % 4 < 2) CHECK_OK(gmp_task_cancel(c.task));
            else if (round % 4 == 2) CHECK_OK(gmp_ctx_cancel(c.ctx));
            CHECK_OK(gmp_join(c.task, SOON(), NULL));
            CHECK_CODE((int)c.answer, GMP_ECANCELED);
            gmp_ctx_free(c.ctx);
        }
    }
    /* Nothing has happened: what is there, and what fits, is as before. */
    char bytes[4];
    CHECK_EQ(write(ends[1], "abc", 3), 3);
    CHECK_EQ(gmp_read(ends[0], bytes, sizeof bytes, SOON()), 3);
    CHECK_CODE((int)gmp_write(full[0], "x", 1, GMP_NOWAIT), GMP_EAGAIN);
    UNTIL(check_stats().poll_waiters == 0, usleep(50));
}

SCENARIO(connect_that_waits_for_room_is_ended_by_a_cancel) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), answers[4];
    io_start();
    crowd_the_listener(fd);
    for (int round = 0; round < 4; round++) {
        struct caller c;
        caller_start(&c, CONNECT, round);
        if (round % 4 < 2) CHECK_OK(gmp_task_cancel(c.task));
        else if (round % 4 == 2) CHECK_OK(gmp_ctx_cancel(c.ctx));
        CHECK_OK(gmp_join(c.task, SOON(), NULL));
        answers[round] = (int)c.answer;
        gmp_ctx_free(c.ctx);
    }
    int late = (int)make(CONNECT, gmp_after_ns(MS));
    forget_the_path();
    for (int round = 0; round < 4; round++) CHECK_CODE(answers[round], GMP_ECANCELED);
    CHECK_CODE(late, GMP_ETIMEDOUT);
}

/* What needs no waiting is done in a cancelled task. */
static void *done_although_cancelled(void *unused) {
    char bytes[64];
    (void)unused;
    while (gmp_checkpoint() != GMP_ECANCELED) gmp_yield();
    CHECK_EQ(gmp_read(ends[0], bytes, sizeof bytes, SOON()), 3);
    CHECK_CODE((int)gmp_read(ends[0], bytes, sizeof bytes, SOON()), GMP_ECANCELED);
    CHECK_CODE((int)gmp_read(ends[0], bytes, sizeof bytes, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(gmp_write(ends[0], "xyz", 3, GMP_FOREVER), 3);
    CHECK_EQ(gmp_poll_fd(ends[0], POLLOUT, GMP_FOREVER), POLLOUT);
    CHECK_CODE(gmp_accept(listener, NULL, NULL, SOON()), GMP_ECANCELED);
    /* Under a shield it waits as ever. */
    CHECK_EQ(gmp_shield(1), 0);
    CHECK_CODE((int)gmp_read(ends[0], bytes, sizeof bytes, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_EQ(gmp_shield(0), 1);
    CHECK_CODE((int)gmp_read(ends[0], bytes, sizeof bytes, gmp_after_ns(MS)), GMP_ECANCELED);
    CHECK_OK(gmp_close_fd(a_pipe[0]));
    return NULL;
}

SCENARIO(what_needs_no_waiting_is_done_in_a_cancelled_task) {
    gmp_task_t *task;
    io_start();
    open_all();
    CHECK_EQ(write(ends[1], "abc", 3), 3);
    CHECK_OK(gmp_spawn(done_although_cancelled, NULL, NULL, &task));
    CHECK_OK(gmp_task_cancel(task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
}

SCENARIO(shielded_wait_goes_on_under_a_cancel) {
    gmp_task_t *task;
    struct caller c = {.which = READ, .deadline = GMP_FOREVER, .shielded = 1};
    io_start();
    open_all();
    CHECK_OK(gmp_spawn(call, &c, NULL, &task));
    until_tasks_wait(1);
    CHECK_OK(gmp_task_cancel(task));
    CHECK_CODE(gmp_join(task, gmp_after_ns(20 * MS), NULL), GMP_ETIMEDOUT);
    CHECK_EQ(write(ends[1], "abc", 3), 3);
    CHECK_OK(gmp_join(task, SOON(), NULL));
    CHECK_EQ(c.answer, 3);
}

/* A write that is cancelled half-way tells how far it came; the code is the next call's. */
static ssize_t half[2];

static void *write_much(void *fd) {
    half[0] = gmp_write((int)(intptr_t)fd, call_zeros, CALL_MUCH, GMP_FOREVER);
    half[1] = gmp_write((int)(intptr_t)fd, call_zeros, CALL_MUCH, GMP_FOREVER);
    return NULL;
}

SCENARIO(cancelled_write_tells_how_far_it_came) {
    static char thrown_away[1 << 16];
    io_start();
    for (int round = 0; round < 20; round++) {
        gmp_task_t *task;
        size_t came = 0;
        int fds[2];
        pair_make(UNIX, fds);
        CHECK_OK(gmp_spawn(write_much, (void *)(intptr_t)fds[0], NULL, &task));
        until_tasks_wait(1);
        CHECK_OK(gmp_task_cancel(task));
        CHECK_OK(gmp_join(task, SOON(), NULL));
        CHECK(half[0] > 0 && half[0] < CALL_MUCH);
        CHECK_CODE((int)half[1], GMP_ECANCELED);
        CHECK_OK(gmp_close_fd(fds[0]));
        for (ssize_t n; (n = gmp_read(fds[1], thrown_away, sizeof thrown_away, SOON())) > 0;) came += (size_t)n;
        CHECK_EQ(came, half[0]);
        CHECK_OK(gmp_close_fd(fds[1]));
    }
}
