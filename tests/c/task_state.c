/* What belongs to a task and follows it from thread to thread: errno and the floating-point control word. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <fenv.h>
#include <pthread.h>
#include <signal.h>

#include "check.h"

static gmp_wg_t gate;

static void *nothing(void *arg) { return arg; }

static void keep_errno(void *arg) {
    int mine = (int)(intptr_t)arg;
    for (int round = 0; round < 50; round++) {
        gmp_task_t *task;
        check_set_errno(mine);
        gmp_yield();
        CHECK_EQ(check_errno(), mine);
        CHECK_OK(gmp_sleep(1000 * (mine % 7)));
        CHECK_EQ(check_errno(), mine);
        CHECK_OK(gmp_blocking_enter());
        CHECK_OK(gmp_blocking_exit());
        CHECK_EQ(check_errno(), mine);
        CHECK_OK(gmp_spawn(nothing, NULL, NULL, &task));
        CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
        CHECK_EQ(check_errno(), mine);
        CHECK_OK(gmp_checkpoint());
        CHECK_EQ(check_errno(), mine);
    }
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    CHECK_EQ(check_errno(), mine);
}

SCENARIO(errno_follows_its_task) {
    check_start(2);
    CHECK_OK(gmp_wg_add(&gate, 1));
    for (intptr_t i = 1; i <= 100; i++) CHECK_OK(gmp_go(keep_errno, (void *)i));
    check_set_errno(77);
    CHECK_OK(gmp_wg_done(&gate));
    CHECK_EQ(check_errno(), 77);
    CHECK_IDLE();
}

static int rounding(void) {
    /* Computed and not asked: fegetround may look at one of the two control words only. */
    volatile double one = 1.0, tiny = 1e-30;
    volatile long double long_one = 1.0L, long_tiny = 1e-30L;
    int up = one + tiny > one, long_up = long_one + long_tiny > long_one;
    CHECK_EQ(up, long_up);
    return up ? FE_UPWARD : FE_TONEAREST;
}

static void keep_rounding(void *arg) {
    int mine = (intptr_t)arg % 2 ? FE_UPWARD : FE_TONEAREST;
    CHECK_EQ(fesetround(mine), 0);
    for (int round = 0; round < 50; round++) {
        CHECK_EQ(rounding(), mine);
        gmp_yield();
        CHECK_EQ(rounding(), mine);
        CHECK_OK(gmp_sleep(1000));
    }
    CHECK_EQ(rounding(), mine);
}

SCENARIO(floating_point_control_follows_its_task) {
    check_start(2);
    for (intptr_t i = 0; i < 50; i++) CHECK_OK(gmp_go(keep_rounding, (void *)i));
    CHECK_IDLE();
    CHECK_EQ(rounding(), FE_TONEAREST); /* and the host's is as it was */
}

static void leave_rounding_up(void *arg) {
    (void)arg;
    CHECK_EQ(fesetround(FE_UPWARD), 0);
}

static void expect_nearest(void *arg) {
    (void)arg;
    CHECK_EQ(rounding(), FE_TONEAREST);
}

SCENARIO(floating_point_control_does_not_leak_into_the_next_task) {
    check_start(1);
    for (int i = 0; i < 200; i++) {
        CHECK_OK(gmp_run(leave_rounding_up, NULL));
        CHECK_OK(gmp_run(expect_nearest, NULL));
    }
}

static void *round_up(void *arg) {
    CHECK_EQ(fesetround(FE_UPWARD), 0);
    return arg;
}

static void join_one_that_rounds_up(void *arg) {
    gmp_task_t *task;
    (void)arg;
    for (int i = 0; i < 10; i++) {
        CHECK_OK(gmp_spawn(round_up, NULL, NULL, &task));
        CHECK_OK(gmp_join(task, GMP_FOREVER, NULL)); /* in place, as a call */
        CHECK_EQ(rounding(), FE_TONEAREST);
    }
}

SCENARIO(floating_point_control_of_a_task_joined_in_place_stays_its_own) {
    check_start(1);
    CHECK_OK(gmp_run(join_one_that_rounds_up, NULL));
}

enum { SIGNALS = 64 };

static void same_handlers(const struct sigaction *before) {
    for (int i = 1; i <= SIGNALS; i++) {
        struct sigaction now;
        if (sigaction(i, NULL, &now) != 0) continue;
        CHECK(now.sa_handler == before[i].sa_handler && now.sa_flags == before[i].sa_flags);
        CHECK(memcmp(&now.sa_mask, &before[i].sa_mask, 8) == 0);
    }
}

static void on_signal(int number) { (void)number; }

static sigset_t host_mask;

static void same_mask(void *arg) {
    sigset_t mask;
    (void)arg;
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    for (int i = 1; i <= SIGNALS; i++) CHECK_EQ(sigismember(&mask, i), sigismember(&host_mask, i));
}

/* A mask that machines blocked by themselves would leak into every child process that a task starts. */
SCENARIO(signal_handlers_and_masks_are_left_alone) {
    struct sigaction mine = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before[SIGNALS + 1];
    sigset_t usr1, now;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    CHECK_EQ(sigaction(SIGUSR2, &mine, NULL), 0);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &usr1, &host_mask), 0);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &host_mask), 0);
    memset(before, 0, sizeof before);
    for (int i = 1; i <= SIGNALS; i++) sigaction(i, NULL, &before[i]);

    check_start(2);
    for (int i = 0; i < 100; i++) CHECK_OK(gmp_go(same_mask, NULL));
    CHECK_IDLE();
    same_handlers(before);
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    same_handlers(before);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    for (int i = 1; i <= SIGNALS; i++) CHECK_EQ(sigismember(&now, i), sigismember(&host_mask, i));
}
