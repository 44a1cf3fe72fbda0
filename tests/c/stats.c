/* The counters and levels: exact when at rest, never backwards. */
#include "check.h"

static gmp_wg_t gate;

static void wait_at_gate(void *arg) {
    (void)arg;
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
}

static void sleep_long(void *arg) {
    (void)arg;
    CHECK_OK(gmp_sleep(300 * MS));
}

static void no_op(void *arg) { (void)arg; }

static void at_rest(gmp_stats_t stats, int64_t parked, int64_t timers) {
    CHECK_EQ(stats.tasks_runnable, 0);
    CHECK_EQ(stats.tasks_running, 0);
    CHECK_EQ(stats.tasks_blocked, 0);
    CHECK_EQ(stats.tasks_parked, parked);
    CHECK_EQ(stats.timers_pending, timers);
    CHECK_EQ(stats.tasks_created - stats.tasks_ended, parked);
    CHECK(stats.procs_idle <= stats.procs);
    CHECK(stats.threads <= stats.threads_peak);
    CHECK(stats.threads_idle + stats.threads_searching <= stats.threads);
}

/* The tasks have parked; their machines may still be on their way to sleep. */
static void settle(int64_t parked) {
    while (check_stats().tasks_parked != parked || check_stats().tasks_running != 0) CHECK_OK(gmp_sleep(50000));
}

SCENARIO(levels_are_exact_at_rest) {
    check_start(2);
    CHECK_OK(gmp_wg_add(&gate, 1));
    for (int i = 0; i < 70; i++) CHECK_OK(gmp_go(wait_at_gate, NULL));
    for (int i = 0; i < 30; i++) CHECK_OK(gmp_go(sleep_long, NULL));
    settle(100);
    at_rest(check_stats(), 100, 30);
    CHECK_EQ(gmp_num_tasks(), 100);
    CHECK_EQ(check_stats().procs, 2);
    CHECK(check_stats().stack_bytes_reserved >= 100 * 65536);
    CHECK_OK(gmp_wg_done(&gate));
    CHECK_IDLE();
    settle(0);
    at_rest(check_stats(), 0, 0);
    CHECK_EQ(check_stats().tasks_created, 100);
    CHECK(check_stats().parks >= 100);
    CHECK(check_stats().wakes >= 100);
    CHECK(check_stats().timers_fired >= 30);
    CHECK(check_stats().switches >= 100);
    CHECK_EQ(check_stats().deadlocks, 0);
}

static void never_backwards(const gmp_stats_t *now, const gmp_stats_t *before) {
    CHECK(now->tasks_created >= before->tasks_created);
    CHECK(now->tasks_ended >= before->tasks_ended);
    CHECK(now->switches >= before->switches);
    CHECK(now->steals >= before->steals);
    CHECK(now->parks >= before->parks);
    CHECK(now->wakes >= before->wakes);
    CHECK(now->handoffs >= before->handoffs);
    CHECK(now->polls >= before->polls);
    CHECK(now->timers_fired >= before->timers_fired);
    CHECK(now->threads_peak >= before->threads_peak);
}

static void mixed(void *arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) {
        gmp_yield();
        CHECK_OK(gmp_sleep(5000));
        CHECK_OK(gmp_blocking_enter());
        CHECK_OK(gmp_blocking_exit());
    }
}

SCENARIO(counters_never_go_backwards) {
    check_start(2);
    gmp_stats_t before = check_stats();
    for (int i = 0; i < 500; i++) CHECK_OK(gmp_go(mixed, NULL));
    while (gmp_num_tasks() > 0) {
        gmp_stats_t now = check_stats();
        never_backwards(&now, &before);
        before = now;
        gmp_yield();
    }
    CHECK_IDLE();
    CHECK_EQ(check_stats().tasks_created, 500);
    CHECK_EQ(check_stats().tasks_ended, 500);
}

static void count_inside(void *arg) {
    (void)arg;
    CHECK_EQ(gmp_num_tasks(), 1);
    CHECK_EQ(check_stats().tasks_running, 1);
}

SCENARIO(running_task_sees_itself) { CHECK_OK(gmp_run(count_inside, NULL)); }

SCENARIO(number_of_tasks_counts_the_living) {
    CHECK_EQ(gmp_num_tasks(), 0);
    CHECK_OK(gmp_wg_add(&gate, 1));
    for (int i = 1; i <= 50; i++) {
        CHECK_OK(gmp_go(wait_at_gate, NULL));
        CHECK_EQ(gmp_num_tasks(), i);
    }
    CHECK_OK(gmp_wg_done(&gate));
    CHECK_IDLE();
    CHECK_EQ(gmp_num_tasks(), 0);
}

SCENARIO(foolish_arguments_are_einval) {
    gmp_stats_t stats;
    memset(&stats, 0x5a, sizeof stats);
    gmp_stats_t untouched = stats;
    CHECK_CODE(gmp_stats(NULL, sizeof stats), GMP_EINVAL);
    CHECK_CODE(gmp_stats(&stats, 0), GMP_EINVAL);
    CHECK_CODE(gmp_stats(&stats, 1), GMP_EINVAL);
    CHECK(memcmp(&stats, &untouched, sizeof stats) == 0);
    CHECK_OK(gmp_stats(&stats, sizeof stats));
    CHECK_EQ(stats.struct_size, sizeof stats);
}

SCENARIO(stats_answer_before_start_and_after_shutdown) {
    CHECK_EQ(check_stats().tasks_running, 0);
    CHECK_OK(gmp_run(no_op, NULL));
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    CHECK_EQ(check_stats().tasks_running, 0);
    CHECK_EQ(check_stats().threads, 0);
}
