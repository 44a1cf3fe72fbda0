/* Tasks that compute on and on without a call: a ticker keeps its beat, new tasks run, and who comes back at last goes
 * on as if nothing had been. */
//@ with ALIVE_PROCS=2
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "alive.h"

static intptr_t loop_without_a_call(int index) {
    (void)index;
    foreign_starts();
    while (!atomic_load_explicit(&let_go, memory_order_relaxed)) {
    }
    return 9;
}

SCENARIO(loop_without_a_call_on_each_processor) {
    gmp_stats_t stats = stays_alive("loop", alive_procs(), loop_without_a_call, release_by_flag, 9);
    CHECK_RETAKEN(retakes_running, stats);
}

SCENARIO(four_loops_at_once) {
    gmp_stats_t stats = stays_alive("four loops", 4, loop_without_a_call, release_by_flag, 9);
    CHECK_RETAKEN(retakes_running, stats);
}

static intptr_t give_the_core_up(int index) {
    (void)index;
    foreign_starts();
    while (!atomic_load(&let_go)) sched_yield();
    return 10;
}

SCENARIO(loop_of_sched_yield) {
    gmp_stats_t stats = stays_alive("sched_yield", alive_procs(), give_the_core_up, release_by_flag, 10);
    CHECK_RETAKEN(retakes_running, stats);
}

static intptr_t short_calls(int index) {
    (void)index;
    foreign_starts();
    while (!atomic_load(&let_go)) syscall(SYS_getppid);
    return 11;
}

SCENARIO(loop_of_short_system_calls) {
    gmp_stats_t stats = stays_alive("short calls", alive_procs(), short_calls, release_by_flag, 11);
    CHECK(stats.retakes_running + stats.retakes_blocked >= 1);
}

/* Getters do not enter. */
static intptr_t ask_and_ask(int index) {
    (void)index;
    foreign_starts();
    while (!atomic_load(&let_go)) {
        if (gmp_now() == 0 || gmp_self_id() == 0) return -1;
    }
    return 12;
}

SCENARIO(loop_of_calls_that_only_ask) {
    gmp_stats_t stats = stays_alive("getters", alive_procs(), ask_and_ask, release_by_flag, 12);
    CHECK_RETAKEN(retakes_running, stats);
}

static void count(void *arg) { atomic_fetch_add((atomic_int *)arg, 1); }

/* Nobody but the tasks in question is there: no witness keeps the monitor awake. */
SCENARIO(new_tasks_run_although_every_processor_computes) {
    int procs = alive_procs();
    atomic_int ran = 0;
    check_start(procs);
    foreign_start(procs, loop_without_a_call);
    UNTIL(atomic_load(&foreign_entered) == procs, usleep(100));
    for (int i = 1; i <= 20; i++) {
        gmp_time_t start = gmp_now();
        CHECK_OK(gmp_run(count, &ran));
        CHECK_EQ(atomic_load(&ran), i);
        printf("task %d ended after %.2f ms\n", i, (gmp_now() - start) / 1e6);
    }
    CHECK_EQ(atomic_load(&foreign_returned), 0);
    release_by_flag();
    foreign_end(procs, 9);
    CHECK_RETAKEN(retakes_running, check_stats());
}

/* ------------------------------------------------------------ who comes back */
static gmp_chan_t *there, *back;
static gmp_mutex_t mutex;
static gmp_key_t key;
static atomic_int destroyed;
static long guarded;

static void count_destroyed(void *value) { CHECK(atomic_fetch_add(&destroyed, 1) >= 0 && value != NULL); }

static void deferred(void *arg) { atomic_fetch_add((atomic_int *)arg, 1); }

static atomic_int deferred_ran;

/* Each round computes past the slice and then uses everything a task can use. */
static intptr_t compute_and_call(int index) {
    uint64_t id = gmp_self_id();
    CHECK_OK(gmp_local_set(key, &foreign_tasks[index]));
    CHECK_OK(gmp_defer(deferred, &deferred_ran));
    for (int round = 0; round < 5; round++) {
        int value = index * 100 + round, answer = -1;
        gmp_task_t *child;
        void *result;
        if (round == 0) foreign_starts();
        spin_for(25 * MS);
        switch ((round + index) % 5) { /* each of them is the first call of some round */
        case 0: CHECK_OK(gmp_checkpoint()); break;
        case 1: CHECK_OK(gmp_sleep(1)); break;
        case 2: gmp_yield(); break;
        case 3: CHECK_OK(gmp_blocking_enter()); CHECK_OK(gmp_blocking_exit()); break;
        default: CHECK_OK(gmp_go(deferred, &deferred_ran)); break;
        }
        CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
        guarded++;
        CHECK_OK(gmp_mutex_unlock(&mutex));
        CHECK_OK(gmp_chan_send(there, &value, GMP_FOREVER));
        CHECK_OK(gmp_chan_recv(back, &answer, GMP_FOREVER));
        CHECK(answer >= 0);
        CHECK_OK(gmp_spawn(alive_add_one, (void *)(intptr_t)value, NULL, &child));
        spin_for(12 * MS); /* with a child that only it has, and with its successor ready */
        CHECK_OK(gmp_join(child, GMP_FOREVER, &result));
        CHECK_EQ((intptr_t)result, value + 1);
        CHECK_EQ(gmp_self_id(), id);
        CHECK(gmp_local_get(key) == &foreign_tasks[index]);
    }
    return 13;
}

static void answer(void *unused) {
    int value;
    (void)unused;
    while (gmp_chan_recv(there, &value, GMP_FOREVER) == GMP_OK) CHECK_OK(gmp_chan_send(back, &value, GMP_FOREVER));
}

SCENARIO(who_calls_in_after_computing_goes_on) {
    enum { N = 5 };
    check_start(alive_procs());
    CHECK_OK(gmp_key_create(count_destroyed, &key));
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &there));
    CHECK_OK(gmp_chan_new(sizeof(int), N, &back));
    CHECK_OK(gmp_go(answer, NULL));
    witnesses_start();
    foreign_start(N, compute_and_call);
    foreign_end(N, 13);
    witnesses_end();
    CHECK_OK(gmp_chan_close(there));
    CHECK_IDLE();
    CHECK_EQ(guarded, 5 * N);
    CHECK_EQ(atomic_load(&destroyed), N);
    CHECK_EQ(atomic_load(&deferred_ran), N + N); /* each index meets the last case once */
    CHECK_RETAKEN(retakes_running, check_stats());
}

/* The task that is over has no later call: its end is the first that finds the processor gone. */
static void *compute_and_end(void *arg) {
    spin_for(50 * MS);
    return (void *)((intptr_t)arg * 2);
}

SCENARIO(task_that_computes_to_its_end_is_joined) {
    enum { N = 6 };
    gmp_task_t *tasks[N];
    check_start(alive_procs());
    witnesses_start();
    for (intptr_t i = 0; i < N; i++) CHECK_OK(gmp_spawn(compute_and_end, (void *)i, NULL, &tasks[i]));
    for (intptr_t i = 0; i < N; i++) {
        void *result;
        CHECK_OK(gmp_join(tasks[i], SOON(), &result));
        CHECK_EQ((intptr_t)result, i * 2);
    }
    witnesses_end();
    CHECK_IDLE();
    CHECK_RETAKEN(retakes_running, check_stats());
}
