/* How many machines foreign code may cost: computing ones are bounded by the processors, blocked ones by max_threads, and
 * what is not needed any more goes away. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "alive.h"

static int fds[2];
static atomic_int inside, most, ended;

static void goes_in(void) {
    int now = atomic_fetch_add(&inside, 1) + 1, seen = atomic_load(&most);
    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now)) {
    }
}

static void write_bytes(int n) {
    for (int i = 0; i < n; i++) CHECK_EQ(write(fds[1], "x", 1), 1);
}

/* ------------------------------------------------------------ computing */
static int64_t used_by_this_thread(void) {
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return used.tv_sec * SECOND + used.tv_nsec;
}

/* Time of its own and not of the wall: the more compute, the longer each takes, and the more of them would come. */
static void compute(void *unused) {
    int64_t end = used_by_this_thread() + 60 * MS;
    (void)unused;
    goes_in();
    while (used_by_this_thread() < end) spin_for(100000);
    atomic_fetch_sub(&inside, 1);
    atomic_fetch_add(&ended, 1);
}

static void many_compute(int procs) {
    gmp_stats_t stats;
    check_start(procs);
    for (int i = 0; i < 40; i++) CHECK_OK(gmp_go(compute, NULL));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ended), 40);
    stats = check_stats();
    printf("P=%d: at most %d of 40 computed at once, %lld processors were taken, %d threads\n", procs,
           atomic_load(&most), (long long)stats.retakes_running, stats.threads_peak);
    CHECK(stats.retakes_running >= 1);
    CHECK(atomic_load(&most) > procs);
    /* With a processor and without; one more for a moment in which one looked asleep. */
    CHECK(atomic_load(&most) <= 5 * procs + 1);
}

SCENARIO(of_forty_tasks_that_compute_few_run_at_once) { many_compute(1); }

SCENARIO(of_forty_tasks_that_compute_few_run_at_once_on_two_processors) { many_compute(2); }

/* ------------------------------------------------------------ blocked */
static void read_a_byte(void *unused) {
    char byte;
    (void)unused;
    goes_in();
    CHECK_EQ(read(fds[0], &byte, 1), 1);
    atomic_fetch_sub(&inside, 1);
    atomic_fetch_add(&ended, 1);
}

static void count(void *unused) {
    (void)unused;
    atomic_fetch_add(&ended, 1);
}

/* Few: the machines of the processors and a few spare ones. */
static void until_few_threads_are_left(int procs) {
    UNTIL(check_stats().threads <= 2 * procs + 4, usleep(1000));
    UNTIL(check_threads() <= 2 * procs + 8, usleep(1000)); /* and the system agrees */
}

static void thousand_block_at_once(int procs) {
    gmp_time_t start;
    CHECK_EQ(pipe(fds), 0);
    check_start(procs);
    for (int round = 1; round <= 2; round++) {
        gmp_stats_t stats;
        start = gmp_now();
        for (int i = 0; i < 1000; i++) CHECK_OK(gmp_go(read_a_byte, NULL));
        UNTIL(atomic_load(&inside) == 1000, usleep(1000));
        printf("P=%d: all of them block after %.0f ms\n", procs, (gmp_now() - start) / 1e6);
        CHECK_EQ(atomic_load(&most), 1000);
        CHECK_OK(gmp_run(count, NULL)); /* there is room for one more yet */
        stats = check_stats();
        CHECK(stats.threads_peak >= 1000);
        CHECK(stats.retakes_blocked >= 500);
        CHECK_EQ(stats.thread_limit_hits, 0);
        write_bytes(1000);
        CHECK_IDLE();
        CHECK_EQ(atomic_load(&ended), round * 1001);
        start = gmp_now();
        until_few_threads_are_left(procs);
        printf("P=%d: %ld threads are left after %.0f ms\n", procs, check_threads(), (gmp_now() - start) / 1e6);
    }
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_THREADS(1);
}

//@ env GMP_IDLE_THREAD_MS=200
//@ limit 120
SCENARIO(thousand_tasks_read_at_once_and_their_threads_go) { thousand_block_at_once(1); }

//@ env GMP_IDLE_THREAD_MS=200
//@ limit 120
SCENARIO(thousand_tasks_read_at_once_and_their_threads_go_on_two_processors) { thousand_block_at_once(2); }

static void sleep_ten_ms(void *unused) {
    (void)unused;
    goes_in();
    sleep_in_the_kernel(10 * MS);
    atomic_fetch_sub(&inside, 1);
    atomic_fetch_add(&ended, 1);
}

/* They come back while others still go in, and most of them find no processor. */
SCENARIO(thousand_tasks_sleep_without_a_word) {
    gmp_time_t start = gmp_now();
    check_start(2);
    for (int i = 0; i < 1000; i++) CHECK_OK(gmp_go(sleep_ten_ms, NULL));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ended), 1000);
    CHECK_EQ(check_stats().tasks_blocked, 0);
    printf("%.0f ms in all, at most %d at once, %d threads\n", (gmp_now() - start) / 1e6, atomic_load(&most),
           check_stats().threads_peak);
    CHECK(atomic_load(&most) > 10);
}

/* ------------------------------------------------------------ the cap */
SCENARIO(work_queues_at_the_cap_and_all_of_it_is_done) {
    enum { CAP = 20, TASKS = 100 };
    gmp_config_t config;
    gmp_stats_t stats;
    CHECK_EQ(pipe(fds), 0);
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.max_procs = 1;
    config.max_threads = CAP;
    CHECK_OK(gmp_start(&config));
    for (int i = 0; i < TASKS; i++) CHECK_OK(gmp_go(read_a_byte, NULL));
    UNTIL(atomic_load(&inside) == CAP && check_stats().thread_limit_hits >= 1, usleep(100));
    /* It stays so: what is new waits, and the stats said it once. */
    CHECK_OK(gmp_go(count, NULL));
    CHECK_CODE(gmp_wait_idle(gmp_after_ns(300 * MS)), GMP_ETIMEDOUT);
    stats = check_stats();
    CHECK_EQ(atomic_load(&inside), CAP);
    CHECK_EQ(atomic_load(&ended), 0);
    CHECK_EQ(stats.thread_limit_hits, 1);
    CHECK(stats.threads_peak <= CAP);
    write_bytes(TASKS);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ended), TASKS + 1);
    CHECK(atomic_load(&most) <= CAP);
    CHECK(check_stats().threads_peak <= CAP);
    CHECK_OK(gmp_shutdown(SOON()));
}

/* A cap that is raised lets the queued work go on, with nothing released. */
SCENARIO(raised_cap_lets_blocked_work_go_on) {
    gmp_config_t config;
    CHECK_EQ(pipe(fds), 0);
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.max_procs = 1;
    config.max_threads = 5;
    CHECK_OK(gmp_start(&config));
    for (int i = 0; i < 30; i++) CHECK_OK(gmp_go(read_a_byte, NULL));
    UNTIL(atomic_load(&inside) == 5, usleep(100));
    CHECK_EQ(gmp_set_max_threads(100), 5);
    UNTIL(atomic_load(&inside) == 30, usleep(100));
    write_bytes(30);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ended), 30);
}
