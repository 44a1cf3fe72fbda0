/* Waits for descriptors beside everything else that goes on: code that blocks unannounced, computing tasks, deadlocks, seeds. */
//@ with IO_PROCS=2
#include "streams.h"

#include "seeded.h"

/* ------------------------------------------------------------ undeclared blocking beside waits */
static int gate[2];

static void read_plainly(void *arg) {
    char byte;
    (void)arg;
    CHECK_EQ(read(gate[0], &byte, 1), 1); /* a plain call: the library is not told */
}

struct echo {
    struct party party;
    int fd, rounds;
    atomic_int done;
};

static void ping(void *arg) {
    struct echo *e = (struct echo *)arg;
    char byte = 'p';
    for (int i = 0; i < e->rounds; i++) {
        CHECK_EQ(gmp_write(e->fd, &byte, 1, SOON()), 1);
        CHECK_EQ(gmp_read(e->fd, &byte, 1, SOON()), 1);
    }
    atomic_store(&e->done, 1);
}

static void pong(void *arg) {
    struct echo *e = (struct echo *)arg;
    char byte;
    for (int i = 0; i < e->rounds; i++) {
        CHECK_EQ(gmp_read(e->fd, &byte, 1, SOON()), 1);
        CHECK_EQ(gmp_write(e->fd, &byte, 1, SOON()), 1);
    }
    atomic_store(&e->done, 1);
}

static void echo_beside(void (*fn)(void *), int n, void (*release)(int)) {
    struct party parties[8];
    struct echo echoes[2] = {{.rounds = 300}, {.rounds = 300}};
    int fds[2];
    CHECK_EQ(pipe2(gate, O_CLOEXEC), 0);
    io_start();
    pair_make(TCP, fds);
    for (int i = 0; i < n; i++) party_start(&parties[i], TASK, fn, NULL);
    for (int i = 0; i < 2; i++) {
        echoes[i].fd = fds[i];
        party_start(&echoes[i].party, TASK, i ? pong : ping, &echoes[i]);
    }
    for (int i = 0; i < 2; i++) party_end(&echoes[i].party);
    release(n);
    parties_end(parties, n);
    pair_close(fds);
}

static void write_gate(int n) {
    for (int i = 0; i < n; i++) CHECK_EQ(write(gate[1], "x", 1), 1);
}

SCENARIO(echo_goes_on_beside_tasks_that_block_unannounced) { echo_beside(read_plainly, 4, write_gate); }

static atomic_int may_stop;

static void compute(void *arg) {
    (void)arg;
    while (!atomic_load(&may_stop)) {
    }
}

static void let_stop(int n) {
    (void)n;
    atomic_store(&may_stop, 1);
}

SCENARIO(echo_goes_on_beside_tasks_that_compute) { echo_beside(compute, 3, let_stop); }

static void yield_on(void *arg) {
    (void)arg;
    while (!atomic_load(&may_stop)) gmp_yield();
}

/* No processor is ever idle, so nobody sleeps in the poller: the waits are looked after all the same. */
SCENARIO(echo_goes_on_beside_tasks_that_yield) { echo_beside(yield_on, 4, let_stop); }

/* ------------------------------------------------------------ verdicts */
static int pair[2];

static void read_for_ever(void *arg) {
    char byte;
    CHECK_EQ(gmp_read(*(int *)arg, &byte, 1, GMP_FOREVER), 1);
}

/* A peer outside may write at any time: tasks that wait for descriptors are no deadlock. */
//@ env GMP_TEST_DEADLOCK_NS=1000000
SCENARIO(tasks_that_wait_for_descriptors_are_no_deadlock) {
    struct party parties[5];
    io_start();
    pair_make(UNIX, pair);
    for (int i = 0; i < 5; i++) party_start(&parties[i], TASK, read_for_ever, &pair[0]);
    CHECK_CODE(gmp_wait_idle(gmp_after_ns(300 * MS)), GMP_ETIMEDOUT);
    CHECK_EQ(check_stats().deadlocks, 0);
    pid_t pid = child_start();
    if (pid == 0) {
        usleep(200000);
        for (int i = 0; i < 5; i++) CHECK_EQ(write(pair[1], "x", 1), 1);
        _exit(0);
    }
    CHECK_OK(gmp_wait_idle(GMP_FOREVER)); /* would answer GMP_EDEADLK */
    parties_end(parties, 5);
    child_end(pid);
    CHECK_EQ(check_stats().deadlocks, 0);
}

/* The last such wait has ended: what is left is one. */
static gmp_chan_t *chan;

static void read_then_receive(void *arg) {
    int value;
    read_for_ever(arg);
    CHECK_CODE(gmp_chan_recv(chan, &value, GMP_FOREVER), GMP_OK);
}

//@ says gmp: all tasks are asleep
SCENARIO(deadlock_is_seen_once_no_descriptor_is_waited_for) {
    int value = 1;
    io_start();
    pair_make(UNIX, pair);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    CHECK_OK(gmp_go(read_then_receive, &pair[0]));
    CHECK_CODE(gmp_wait_idle(gmp_after_ns(100 * MS)), GMP_ETIMEDOUT);
    CHECK_EQ(check_stats().deadlocks, 0);
    CHECK_EQ(write(pair[1], "x", 1), 1);
    CHECK_CODE(gmp_wait_idle(GMP_FOREVER), GMP_EDEADLK);
    CHECK_EQ(check_stats().deadlocks, 1);
    CHECK_OK(gmp_chan_send(chan, &value, SOON()));
    CHECK_IDLE();
}

/* A thread that waits for a descriptor may do anything afterwards: no verdict beside it. */
//@ env GMP_TEST_DEADLOCK_NS=1000000
SCENARIO(thread_that_waits_for_a_descriptor_is_not_asleep) {
    struct party reader;
    int value = 1;
    io_start();
    pair_make(UNIX, pair);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    party_start(&reader, THREAD, read_for_ever, &pair[0]);
    CHECK_OK(gmp_go(read_then_receive, &pair[0]));
    CHECK_EQ(write(pair[1], "xx", 1), 1);
    CHECK_CODE(gmp_wait_idle(gmp_after_ns(100 * MS)), GMP_ETIMEDOUT);
    CHECK_EQ(check_stats().deadlocks, 0);
    CHECK_EQ(write(pair[1], "x", 1), 1);
    party_end(&reader);
    CHECK_OK(gmp_chan_send(chan, &value, SOON()));
    CHECK_IDLE();
}

/* ------------------------------------------------------------ counters */
SCENARIO(waiters_are_counted_while_they_wait_and_polls_as_they_happen) {
    struct call calls[4];
    int fds[4][2];
    gmp_stats_t before, after;
    io_start();
    before = check_stats();
    CHECK_EQ(before.poll_waiters, 0);
    for (int i = 0; i < 4; i++) {
        pair_make(UNIX, fds[i]);
        call_start(&calls[i], TASK, fds[i][0], POLLIN, GMP_FOREVER);
    }
    until_calls_wait(calls, 4);
    UNTIL(check_stats().poll_waiters == 4, usleep(50));
    for (int i = 0; i < 4; i++) {
        write_whole(fds[i][1], "x", 1);
        CHECK_EQ(call_end(&calls[i]), 1);
        UNTIL(check_stats().poll_waiters == 3 - i, usleep(50));
    }
    /* By a deadline, a cancel and a close as well. */
    for (int i = 0; i < 3; i++) {
        call_start(&calls[i], TASK, fds[i][0], POLLIN, i ? GMP_FOREVER : gmp_after_ns(5 * MS));
    }
    UNTIL(check_stats().poll_waiters == 2 && atomic_load(&calls[0].answered), usleep(50));
    CHECK_OK(gmp_task_cancel(calls[1].party.task));
    CHECK_OK(gmp_close_fd(fds[2][0]));
    CHECK_CODE((int)call_end(&calls[0]), GMP_ETIMEDOUT);
    CHECK_CODE((int)call_end(&calls[1]), GMP_ECANCELED);
    CHECK_CODE((int)call_end(&calls[2]), GMP_EBADF);
    after = check_stats();
    CHECK_EQ(after.poll_waiters, 0);
    CHECK(after.polls > before.polls);
}

/* Nobody polls when nobody waits. */
SCENARIO(nobody_polls_when_nobody_waits) {
    uint64_t polls;
    char byte;
    io_start();
    pair_make(UNIX, pair);
    CHECK_CODE((int)gmp_read(pair[0], &byte, 1, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    struct call call;
    call_start(&call, TASK, pair[0], POLLIN, GMP_FOREVER);
    until_calls_wait(&call, 1);
    CHECK_EQ(write(pair[1], "x", 1), 1);
    CHECK_EQ(call_end(&call), 1);
    UNTIL(check_stats().poll_waiters == 0, usleep(50));
    /* Whoever was in the poller comes out of it once. */
    CHECK_OK(gmp_sleep(30 * MS));
    polls = check_stats().polls;
    for (int i = 0; i < 30; i++) CHECK_OK(gmp_sleep(2 * MS));
    CHECK_EQ(write(pair[1], "x", 1), 1); /* an event that nobody waits for */
    for (int i = 0; i < 30; i++) CHECK_OK(gmp_sleep(2 * MS));
    CHECK(check_stats().polls <= polls + 2);
}

/* ------------------------------------------------------------ seeds */
static void conversation(void *unused) {
    struct echo echoes[6];
    gmp_task_t *tasks[6];
    int fds[3][2];
    (void)unused;
    for (int i = 0; i < 6; i++) {
        if (i % 2 == 0) pair_make(UNIX, fds[i / 2]);
        echoes[i].fd = fds[i / 2][i % 2];
        echoes[i].rounds = 50;
        echoes[i].party.fn = i % 2 ? pong : ping;
        echoes[i].party.arg = &echoes[i];
        CHECK_OK(gmp_spawn(party_as_a_task, &echoes[i].party, NULL, &tasks[i]));
    }
    for (int i = 0; i < 6; i++) CHECK_OK(gmp_join(tasks[i], GMP_FOREVER, NULL));
    for (int i = 0; i < 3; i++) pair_close(fds[i]);
}

/* The kernel's part is not drawn, but every order that is comes to the same end. */
SCENARIO(seeded_runtimes_do_io) {
    for (uint64_t seed = 1; seed <= 20; seed++) (void)trace_of(check_seed() + seed, 0, conversation);
}

static void wait_by_virtual_time(void *unused) {
    char byte;
    (void)unused;
    pair_make(UNIX, pair);
    CHECK_CODE((int)gmp_read(pair[0], &byte, 1, gmp_after_ns(3600 * SECOND)), GMP_ETIMEDOUT);
    CHECK_OK(gmp_fd_set_deadline(pair[0], POLLIN, gmp_after_ns(7200 * SECOND)));
    CHECK_CODE((int)gmp_read(pair[0], &byte, 1, GMP_FOREVER), GMP_ETIMEDOUT);
    pair_close(pair);
}

SCENARIO(virtual_time_passes_to_the_deadline_of_a_wait) {
    gmp_time_t before = gmp_now();
    (void)trace_of(check_seed(), GMP_CONFIG_VIRTUAL_TIME, wait_by_virtual_time);
    CHECK(gmp_now() - before < 30 * SECOND);
}
