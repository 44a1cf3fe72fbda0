/* What a processor holds goes with it: no ready task waits behind foreign code while a processor could run it, and
 * nothing is taken where nothing waits. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "alive.h"

static int fds[2];
static atomic_int ran;

static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

static intptr_t read_a_byte(int index) {
    char byte;
    (void)index;
    foreign_starts();
    return read(fds[0], &byte, 1);
}

static void write_bytes(int n) {
    for (int i = 0; i < n; i++) CHECK_EQ(write(fds[1], "x", 1), 1);
}

/* ------------------------------------------------------------ the private queue, run-next */
static intptr_t spawn_100_and_read(int index) {
    for (int i = 0; i < 100; i++) CHECK_OK(gmp_go(count, NULL));
    return read_a_byte(index);
}

static intptr_t spawn_100_and_compute(int index) {
    for (int i = 0; i < 100; i++) CHECK_OK(gmp_go(count, NULL));
    (void)index;
    foreign_starts();
    while (!atomic_load(&let_go)) {
    }
    return 1;
}

static void queue_moves(int procs, foreign_body_t body) {
    CHECK_EQ(pipe(fds), 0);
    check_start(procs);
    foreign_start(procs, body);
    UNTIL(atomic_load(&ran) == 100 * procs, usleep(100));
    CHECK_EQ(atomic_load(&foreign_returned), 0);
    release_by_flag();
    write_bytes(procs);
    foreign_end(procs, 1);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 100 * procs);
}

SCENARIO(queued_tasks_run_while_their_spawner_reads) {
    queue_moves(1, spawn_100_and_read);
    CHECK_RETAKEN(retakes_blocked, check_stats());
}

SCENARIO(queued_tasks_run_while_their_spawners_read) {
    queue_moves(2, spawn_100_and_read);
    CHECK_RETAKEN(retakes_blocked, check_stats());
}

SCENARIO(queued_tasks_run_while_their_spawner_computes) {
    queue_moves(1, spawn_100_and_compute);
    CHECK_RETAKEN(retakes_running, check_stats());
}

SCENARIO(queued_tasks_run_while_their_spawners_compute) {
    queue_moves(2, spawn_100_and_compute);
    CHECK_RETAKEN(retakes_running, check_stats());
}

static gmp_chan_t *wakes;

static void wait_for_one_wake(void *arg) {
    int value;
    (void)arg;
    CHECK_OK(gmp_chan_recv(wakes, &value, GMP_FOREVER));
    CHECK_EQ(value, 3);
    atomic_fetch_add(&ran, 1);
}

static intptr_t wake_one_and_read(int index) {
    int value = 3;
    CHECK_OK(gmp_chan_send(wakes, &value, GMP_FOREVER));
    return read_a_byte(index);
}

/* The woken one stands where its waker looks first, and nothing stands anywhere else. */
SCENARIO(woken_task_runs_while_its_waker_reads) {
    enum { ROUNDS = 30 };
    CHECK_EQ(pipe(fds), 0);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &wakes));
    check_start(1);
    for (int round = 1; round <= ROUNDS; round++) {
        CHECK_OK(gmp_go(wait_for_one_wake, NULL));
        until_parked(1);
        foreign_start(1, wake_one_and_read);
        UNTIL(atomic_load(&ran) == round, usleep(50));
        CHECK_EQ(atomic_load(&foreign_returned), round - 1);
        write_bytes(1);
        foreign_end(1, 1);
        CHECK_IDLE();
    }
    CHECK_RETAKEN(retakes_blocked, check_stats());
}

/* Timers lie with the processor too. */
static void sleep_and_count(void *arg) {
    CHECK_OK(gmp_sleep((intptr_t)arg));
    atomic_fetch_add(&ran, 1);
}

static void *start_sleepers_and_read(void *arg) {
    for (intptr_t i = 0; i < 100; i++) CHECK_OK(gmp_go(sleep_and_count, (void *)(20 * MS + i * 100000)));
    gmp_yield(); /* now they sleep, on this processor */
    return (void *)read_a_byte((int)(intptr_t)arg);
}

SCENARIO(sleepers_of_the_taken_processor_wake) {
    gmp_task_t *task;
    void *result;
    CHECK_EQ(pipe(fds), 0);
    check_start(1);
    CHECK_OK(gmp_spawn(start_sleepers_and_read, NULL, NULL, &task));
    UNTIL(atomic_load(&ran) == 100, usleep(100));
    write_bytes(1);
    CHECK_OK(gmp_join(task, SOON(), &result));
    CHECK_EQ((intptr_t)result, 1);
    CHECK_IDLE();
}

/* ------------------------------------------------------------ an idle processor */
static gmp_time_t woken_at, woke_at;

static void take_the_time(void *arg) {
    int value;
    (void)arg;
    CHECK_OK(gmp_chan_recv(wakes, &value, GMP_FOREVER));
    woken_at = gmp_now();
    atomic_fetch_add(&ran, 1);
}

static void wake_and_compute(void *arg) {
    int value = 0, before = atomic_load(&ran);
    (void)arg;
    CHECK_OK(gmp_chan_send(wakes, &value, GMP_FOREVER));
    woke_at = gmp_now();
    while (atomic_load(&ran) == before) {
    }
}

/* The bound is that of DESIGN, 200 us, for the median, with room for a loaded machine. */
SCENARIO(idle_processor_takes_what_a_computing_task_made_ready) {
    enum { ROUNDS = 51 };
    int64_t delays[ROUNDS];
    struct gaps seen;
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &wakes));
    check_start(2);
    for (int round = 0; round < ROUNDS; round++) {
        CHECK_OK(gmp_go(take_the_time, NULL));
        until_parked(1);
        CHECK_OK(gmp_run(wake_and_compute, NULL));
        CHECK_IDLE();
        delays[round] = woken_at - woke_at;
    }
    seen = gaps_of(delays, ROUNDS);
    printf("until the woken task ran: median %.0f us, worst %.0f us\n", seen.median / 1e3, seen.worst / 1e3);
    CHECK(seen.median <= 20 * MS);
    /* A processor was idle, so none had to be taken; 10 ms of delay by the machine's load look like it. */
    CHECK(check_stats().retakes_running <= ROUNDS / 5);
}

/* ------------------------------------------------------------ where nothing waits */
static void *sleep_long(void *arg) {
    sleep_in_the_kernel(300 * MS);
    return arg;
}

static void *compute_long(void *arg) {
    spin_for(300 * MS);
    return arg;
}

static void alone(int procs, gmp_task_fn_t fn) {
    gmp_stats_t stats;
    gmp_task_t *task;
    check_start(procs);
    CHECK_OK(gmp_spawn(fn, NULL, NULL, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    stats = check_stats();
    CHECK_EQ(stats.retakes_blocked, 0);
    CHECK_EQ(stats.retakes_running, 0);
    CHECK_EQ(stats.handoffs, 0);
    CHECK_OK(gmp_shutdown(SOON()));
}

SCENARIO(nothing_is_taken_where_nothing_waits) {
    for (int procs = 1; procs <= 2; procs++) {
        alone(procs, sleep_long);
        alone(procs, compute_long);
    }
}

static void *compute_then_run(void *arg) {
    spin_for(200 * MS);
    CHECK_OK(gmp_checkpoint());
    return arg;
}

/* With a processor to spare for what comes, nobody loses one. */
SCENARIO(nothing_is_taken_while_a_processor_is_idle) {
    gmp_task_t *task;
    check_start(2);
    CHECK_OK(gmp_spawn(compute_then_run, NULL, NULL, &task));
    for (int i = 1; i <= 20; i++) {
        CHECK_OK(gmp_run(count, NULL));
        CHECK_EQ(atomic_load(&ran), i);
    }
    CHECK_OK(gmp_join(task, SOON(), NULL));
    /* While the other machine is on its way its processor is not idle: on a loaded machine that may take 10 ms. */
    CHECK(check_stats().retakes_running <= 4);
    CHECK_EQ(check_stats().retakes_blocked, 0);
}

/* ------------------------------------------------------------ who said so beforehand */
static intptr_t read_in_a_section(int index) {
    char byte;
    long n;
    (void)index;
    CHECK_OK(gmp_blocking_enter());
    foreign_starts();
    n = read(fds[0], &byte, 1);
    CHECK_OK(gmp_blocking_exit());
    return n;
}

static void write_one(void) { write_bytes(1); }

SCENARIO(declared_sections_are_handed_on_as_before) {
    CHECK_EQ(pipe(fds), 0);
    gmp_stats_t stats = stays_alive("declared", 1, read_in_a_section, write_one, 1);
    CHECK(stats.handoffs >= 1);
    CHECK(stats.retakes_running + stats.retakes_blocked <= 2); /* of a witness that the machine held up */
}

static void *read_as_a_task(void *arg) {
    char byte;
    (void)arg;
    foreign_starts();
    return (void *)read(fds[0], &byte, 1);
}

SCENARIO(tasks_that_are_expected_to_block_hand_on_as_before) {
    gmp_spawn_opts_t opts;
    gmp_task_t *task;
    void *result;
    int from;
    CHECK_EQ(pipe(fds), 0);
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.flags = GMP_SPAWN_BLOCKING;
    check_start(1);
    witnesses_start();
    from = atomic_load(&alive_beats);
    CHECK_OK(gmp_spawn(read_as_a_task, NULL, &opts, &task));
    UNTIL(atomic_load(&foreign_entered) == 1, usleep(100));
    witnesses_keep_beating("GMP_SPAWN_BLOCKING", from);
    write_bytes(1);
    CHECK_OK(gmp_join(task, SOON(), &result));
    CHECK_EQ((intptr_t)result, 1);
    witnesses_end();
    CHECK(check_stats().handoffs >= 1);
}
