/* More than one processor: tasks run at the same time, and work moves to where there is none. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "check.h"

static atomic_int arrived, ended;
static atomic_int ran[1000];

static void spin_until_all_are_here(void *arg) {
    int all = (int)(intptr_t)arg;
    atomic_fetch_add(&arrived, 1);
    while (atomic_load(&arrived) < all) {
    }
    atomic_fetch_add(&ended, 1);
}

/* Never yields: passes only when every processor runs one of them. */
SCENARIO(as_many_tasks_as_processors_run_at_once) {
    for (int procs = 2; procs <= 4; procs++) {
        check_start(procs);
        for (int round = 0; round < 20; round++) {
            atomic_store(&arrived, 0);
            for (int i = 0; i < procs; i++) CHECK_OK(gmp_go(spin_until_all_are_here, (void *)(intptr_t)procs));
            CHECK_IDLE();
        }
        CHECK_OK(gmp_shutdown(GMP_FOREVER));
    }
    CHECK_EQ(atomic_load(&ended), 20 * (2 + 3 + 4));
}

static void run_once(void *arg) {
    CHECK_EQ(atomic_fetch_add(&ran[(intptr_t)arg], 1), 0);
    atomic_fetch_add(&ended, 1);
}

static void spawn_and_spin(void *arg) {
    int all = (int)(intptr_t)arg;
    for (intptr_t i = 0; i < all; i++) CHECK_OK(gmp_go(run_once, (void *)i));
    while (atomic_load(&ended) < all) {
    } /* lets go of nothing: the other processor must come and take */
}

SCENARIO(idle_processor_takes_the_work_of_a_busy_one) {
    check_start(2);
    CHECK_OK(gmp_run(spawn_and_spin, (void *)(intptr_t)1000));
    for (int i = 0; i < 1000; i++) CHECK_EQ(atomic_load(&ran[i]), 1);
    CHECK(check_stats().steals >= 1);
}

static gmp_wg_t gate;

static void wait_and_end(void *arg) {
    (void)arg;
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    atomic_fetch_add(&ended, 1);
}

static void wake_one_and_spin(void *arg) {
    (void)arg;
    CHECK_OK(gmp_wg_done(&gate));
    while (atomic_load(&ended) == 0) {
    }
}

/* The woken task stands where only its waker looks first; the idle processor must find it all the same. */
SCENARIO(task_made_ready_runs_although_its_waker_computes_on) {
    check_start(2);
    for (int round = 0; round < 50; round++) {
        atomic_store(&ended, 0);
        CHECK_OK(gmp_wg_add(&gate, 1));
        CHECK_OK(gmp_go(wait_and_end, NULL));
        while (check_stats().tasks_parked == 0) CHECK_OK(gmp_sleep(10000));
        CHECK_OK(gmp_run(wake_one_and_spin, NULL));
        CHECK_IDLE();
    }
}

static void spawn_one_and_spin(void *arg) {
    (void)arg;
    atomic_store(&ended, 0);
    CHECK_OK(gmp_go(run_once, (void *)(intptr_t)0));
    while (atomic_load(&ended) == 0) {
    }
    atomic_store(&ran[0], 0);
}

SCENARIO(single_new_task_is_taken_from_a_creator_that_computes_on) {
    check_start(2);
    for (int round = 0; round < 100; round++) CHECK_OK(gmp_run(spawn_one_and_spin, NULL));
}

static atomic_long sum;

static void tree(void *arg) {
    intptr_t depth = (intptr_t)arg;
    atomic_fetch_add(&sum, 1);
    if (depth == 0) return;
    CHECK_OK(gmp_go(tree, (void *)(depth - 1)));
    CHECK_OK(gmp_go(tree, (void *)(depth - 1)));
}

SCENARIO(tree_of_detached_tasks_runs_whole) {
    check_start(4);
    CHECK_OK(gmp_go(tree, (void *)(intptr_t)14));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&sum), (1 << 15) - 1);
    gmp_stats_t stats = check_stats();
    CHECK_EQ(stats.tasks_created, (1 << 15) - 1);
    CHECK_EQ(stats.tasks_ended, stats.tasks_created);
}
