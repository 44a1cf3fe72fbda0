/* Once: one call runs the function, and none returns before it has ended, however it ended. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
#include "waits.h"

static gmp_once_t once, other;
static atomic_int runs, ends, callers;
static int plain;

static void run_it(void *arg) {
    (void)arg;
    CHECK_EQ(atomic_fetch_add(&runs, 1), 0);
    plain = 4711;
}

static void call_twice(void *arg) {
    CHECK_OK(gmp_once_do(&once, run_it, arg));
    CHECK_EQ(plain, 4711);
    CHECK_OK(gmp_once_do(&once, run_it, arg));
}

SCENARIO(zeroed_memory_has_not_run) {
    CHECK_EQ(sizeof(gmp_once_t), 16);
    call_twice(NULL);
    CHECK_OK(gmp_run(call_twice, NULL));
    CHECK_EQ(atomic_load(&runs), 1);
}

static void note_argument(void *arg) { atomic_store(&runs, (int)(intptr_t)arg); }

SCENARIO(function_gets_the_argument_of_its_own_call) {
    CHECK_OK(gmp_once_do(&once, note_argument, (void *)17));
    CHECK_OK(gmp_once_do(&once, note_argument, (void *)18));
    CHECK_EQ(atomic_load(&runs), 17);
    CHECK_OK(gmp_once_do(&other, note_argument, (void *)19));
    CHECK_EQ(atomic_load(&runs), 19);
}

SCENARIO(null_is_einval_and_does_not_count) {
    CHECK_CODE(gmp_once_do(NULL, run_it, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_once_do(&once, NULL, NULL), GMP_EINVAL);
    CHECK_EQ(atomic_load(&runs), 0);
    call_twice(NULL);
}

/* ------------------------------------------------------------ many callers */
static void run_slowly(void *arg) {
    int callers_wanted = (int)(intptr_t)arg;
    CHECK_EQ(atomic_fetch_add(&runs, 1), 0);
    UNTIL(atomic_load(&callers) == callers_wanted, give_way()); /* the others are there, or nearly */
    for (int i = 0; i < 10; i++) gmp_yield();
    CHECK_OK(gmp_sleep(MS));
    plain = 4711;
    atomic_store(&ends, 1);
}

enum { CALLERS = 16 };

static void call(void *arg) {
    (void)arg;
    atomic_fetch_add(&callers, 1);
    CHECK_OK(gmp_once_do(&once, run_slowly, (void *)(intptr_t)CALLERS));
    CHECK_EQ(atomic_load(&ends), 1);
    CHECK_EQ(plain, 4711);
}

static void all_call(int threads) {
    struct party party[CALLERS];
    for (int i = 0; i < CALLERS; i++) party_start(&party[i], i < threads ? THREAD : TASK, call, NULL);
    parties_end(party, CALLERS);
    CHECK_EQ(atomic_load(&runs), 1);
}

SCENARIO(tasks_return_after_the_one_run_has_ended) { all_call(0); }
SCENARIO(tasks_and_threads_return_after_the_one_run_has_ended) { all_call(CALLERS / 2); }
SCENARIO(threads_return_after_the_one_run_has_ended) { all_call(CALLERS); }

enum { ROUNDS = 3000, RACERS = 4 };
static gmp_once_t each[ROUNDS];
static int ran[ROUNDS]; /* plain: written by the one run, read after a call returned */

static void mark(void *arg) { ran[(intptr_t)arg]++; }

static void race(void *arg) {
    (void)arg;
    for (intptr_t round = 0; round < ROUNDS; round++) {
        meet((int)round, RACERS);
        CHECK_OK(gmp_once_do(&each[round], mark, (void *)round));
        CHECK_EQ(ran[round], 1);
    }
}

static void race_with(int threads) {
    struct party party[RACERS];
    for (int i = 0; i < RACERS; i++) party_start(&party[i], i < threads ? THREAD : TASK, race, NULL);
    parties_end(party, RACERS);
}

//@ with GMP_TEST_NO_MEMBARRIER=1
SCENARIO(racing_tasks_all_see_the_one_run) { race_with(0); }
SCENARIO(racing_tasks_and_threads_all_see_the_one_run) { race_with(2); }

/* ------------------------------------------------------------ other ends */
static void deferred(void *arg) {
    (void)arg;
    atomic_fetch_add(&ends, 1);
}

static void exit_in_the_middle(void *arg) {
    int callers_wanted = (int)(intptr_t)arg;
    CHECK_EQ(atomic_fetch_add(&runs, 1), 0);
    CHECK_OK(gmp_defer(deferred, NULL));
    UNTIL(atomic_load(&callers) == callers_wanted, give_way());
    plain = 4711;
    gmp_exit();
    CHECK(!"the task is over");
}

static void *call_one_that_exits(void *arg) {
    atomic_fetch_add(&callers, 1);
    CHECK_OK(gmp_once_do(&once, exit_in_the_middle, arg));
    CHECK_EQ(plain, 4711);
    return NULL;
}

static void call_one_that_exits_as_a_party(void *arg) { call_one_that_exits(arg); }

/* §22.18: it counts as done, and those who wait for it go on. */
SCENARIO(function_that_exits_its_task_counts_as_done) {
    enum { WAITING = 6 };
    struct party party[WAITING];
    gmp_task_t *task;
    CHECK_OK(gmp_spawn(call_one_that_exits, (void *)(intptr_t)(WAITING + 1), NULL, &task));
    UNTIL(atomic_load(&runs) == 1, usleep(50));
    for (int i = 0; i < WAITING; i++) {
        party_start(&party[i], i % 2 ? THREAD : TASK, call_one_that_exits_as_a_party, NULL);
    }
    parties_end(party, WAITING);
    CHECK_CODE(gmp_join(task, SOON(), NULL), GMP_EPANIC);
    CHECK_EQ(atomic_load(&ends), 1);
    call_one_that_exits(NULL);
    CHECK_EQ(atomic_load(&runs), 1);
}

/* gmp_exit is for tasks: a thread's call goes on. */
static void try_to_exit(void *arg) {
    (void)arg;
    CHECK_CODE(gmp_exit(), GMP_EPERM);
    atomic_fetch_add(&runs, 1);
}

SCENARIO(function_on_a_thread_cannot_exit) {
    CHECK_OK(gmp_once_do(&once, try_to_exit, NULL));
    CHECK_EQ(atomic_load(&runs), 1);
}

/* ------------------------------------------------------------ recursion */
static void call_itself(void *arg) {
    atomic_fetch_add(&runs, 1);
    for (int i = 0; i < 3; i++) {
        gmp_yield();
        CHECK_CODE(gmp_once_do(&once, call_itself, arg), GMP_EDEADLK);
    }
    CHECK_OK(gmp_once_do(&other, run_it, NULL));
}

static void call_one_that_calls_itself(void *arg) {
    CHECK_OK(gmp_once_do(&once, call_itself, arg));
    CHECK_OK(gmp_once_do(&once, call_itself, arg));
}

SCENARIO(recursion_on_a_thread_is_edeadlk) {
    atomic_store(&runs, -1);
    call_one_that_calls_itself(NULL);
    CHECK_EQ(atomic_load(&runs), 1);
}

SCENARIO(recursion_in_a_task_is_edeadlk) {
    atomic_store(&runs, -1);
    CHECK_OK(gmp_run(call_one_that_calls_itself, NULL));
    CHECK_EQ(atomic_load(&runs), 1);
}

/* Not recursion: a task that the function started is somebody else, and waits. */
static struct party started;

static void call_after(void *arg) {
    (void)arg;
    atomic_fetch_add(&callers, 1);
    CHECK_OK(gmp_once_do(&once, run_it, NULL));
    CHECK_EQ(atomic_load(&ends), 1);
}

static void start_another_caller(void *arg) {
    (void)arg;
    party_start(&started, TASK, call_after, NULL);
    UNTIL(atomic_load(&callers) == 1, give_way());
    for (int i = 0; i < 10; i++) gmp_yield();
    atomic_store(&ends, 1);
}

static void call_one_that_starts_another(void *arg) { CHECK_OK(gmp_once_do(&once, start_another_caller, arg)); }

SCENARIO(task_started_by_the_function_waits_for_it) {
    CHECK_OK(gmp_run(call_one_that_starts_another, NULL));
    party_end(&started);
    CHECK_EQ(atomic_load(&runs), 0);
}

/* ------------------------------------------------------------ cancellation */
static atomic_int may_end;

static void run_until_told(void *arg) {
    (void)arg;
    atomic_fetch_add(&runs, 1);
    UNTIL(atomic_load(&may_end), give_way());
    atomic_store(&ends, 1);
}

static void *call_until_told(void *arg) {
    (void)arg;
    return (void *)(intptr_t)gmp_once_do(&once, run_until_told, NULL);
}

static void *call_until_cancelled(void *arg) {
    CHECK_CODE((int)(intptr_t)call_until_told(arg), GMP_ECANCELED);
    CHECK_EQ(atomic_load(&ends), 0);
    CHECK_CODE(gmp_once_do(&once, run_until_told, NULL), GMP_ECANCELED);
    CHECK_OK(gmp_once_do(&other, run_it, NULL)); /* to run it needs no wait */
    return NULL;
}

SCENARIO(cancelled_caller_goes_and_the_run_goes_on) {
    gmp_task_t *runner, *waiter, *cancelled;
    void *code;
    CHECK_OK(gmp_spawn(call_until_told, NULL, NULL, &runner));
    UNTIL(atomic_load(&runs) == 1, usleep(50));
    atomic_store(&runs, 0); /* free for run_it */
    CHECK_OK(gmp_spawn(call_until_told, NULL, NULL, &waiter));
    CHECK_OK(gmp_spawn(call_until_cancelled, NULL, NULL, &cancelled));
    UNTIL(check_stats().tasks_parked == 2, usleep(50));
    CHECK_OK(gmp_task_cancel(runner)); /* it does not wait */
    CHECK_OK(gmp_task_cancel(cancelled));
    CHECK_OK(gmp_join(cancelled, SOON(), NULL));
    CHECK_EQ(atomic_load(&ends), 0);
    atomic_store(&may_end, 1);
    CHECK_OK(gmp_join(runner, SOON(), &code));
    CHECK_CODE((int)(intptr_t)code, GMP_OK);
    CHECK_OK(gmp_join(waiter, SOON(), &code));
    CHECK_CODE((int)(intptr_t)code, GMP_OK);
    CHECK_EQ(atomic_load(&runs), 1); /* run_it, once */
}

/* ------------------------------------------------------------ memory */
enum { USED = 3000 };
static char *pages;

struct shared {
    gmp_once_t once;
    atomic_int runs;
};

static void begin(void *arg) {
    struct shared *mine = (struct shared *)arg;
    atomic_store(&mine->runs, 1);
    gmp_yield();
}

/* Runs the function; its call may still be returning when the other one's has returned. */
static void run_each(void *arg) {
    (void)arg;
    for (int round = 0; round < USED; round++) {
        struct shared *mine = (struct shared *)(pages + round * PAGE);
        CHECK_OK(gmp_once_do(&mine->once, begin, mine));
        meet(round, 2);
    }
}

static void wait_for_each(void *arg) {
    (void)arg;
    for (int round = 0; round < USED; round++) {
        struct shared *mine = (struct shared *)(pages + round * PAGE);
        POLL_UNTIL(atomic_load(&mine->runs));
        CHECK_OK(gmp_once_do(&mine->once, begin, mine));
        page_free(mine);
        meet(round, 2);
    }
}

static void freed_after_the_call(enum kind runner, enum kind waiter) {
    struct party party[2];
    pages = pages_new(USED);
    party_start(&party[0], runner, run_each, NULL);
    party_start(&party[1], waiter, wait_for_each, NULL);
    parties_end(party, 2);
}

SCENARIO(memory_may_go_after_a_task_waited_for_a_task) { freed_after_the_call(TASK, TASK); }
SCENARIO(memory_may_go_after_a_task_waited_for_a_thread) { freed_after_the_call(THREAD, TASK); }
SCENARIO(memory_may_go_after_a_thread_waited_for_a_task) { freed_after_the_call(TASK, THREAD); }
