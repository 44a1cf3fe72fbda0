/* gmp_once_do and gmp_wg_go whose function ends by an exception: it has run, and those who waited go on. */
#include <pthread.h>

#include <stdexcept>

#include "../c/check.h"

static gmp_once_t once;
static std::atomic<int> waited;

static void throw_it(void *) {
    CHECK_OK(gmp_sleep(2000000));
    throw std::runtime_error("out of once");
}

static void never(void *) { CHECK(!"it has run already"); }

static void *wait_for_it(void *) {
    CHECK_OK(gmp_once_do(&once, never, nullptr));
    waited++;
    return nullptr;
}

static void *run_and_catch(void *) {
    bool caught = false;
    try {
        gmp_once_do(&once, throw_it, nullptr);
    } catch (std::runtime_error &) {
        caught = true;
    }
    CHECK(caught);
    CHECK_OK(gmp_once_do(&once, never, nullptr));
    return nullptr;
}

static void *run_and_leave(void *) {
    gmp_once_do(&once, throw_it, nullptr);
    return nullptr;
}

/* It runs by now, or has: the waiters come after the one who runs it. */
static void begun() {
    while (((volatile uint64_t *)&once)[0] == 0) gmp_yield();
}

static void waiters(gmp_task_t **task, int n) {
    for (int i = 0; i < n; i++) CHECK_OK(gmp_spawn(wait_for_it, nullptr, nullptr, &task[i]));
}

static void joined(gmp_task_t **task, int n) {
    for (int i = 0; i < n; i++) CHECK_OK(gmp_join(task[i], SOON(), nullptr));
    CHECK_EQ(waited.load(), n);
}

SCENARIO(exception_out_of_once_in_a_task_is_the_callers_and_it_counts_as_done) {
    gmp_task_t *runner, *task[4];
    check_start(2);
    CHECK_OK(gmp_spawn(run_and_catch, nullptr, nullptr, &runner));
    begun();
    waiters(task, 4);
    CHECK_OK(gmp_join(runner, SOON(), nullptr));
    joined(task, 4);
}

SCENARIO(exception_out_of_once_in_a_thread_is_the_callers_and_it_counts_as_done) {
    gmp_task_t *task[4];
    pthread_t thread;
    check_start(2);
    CHECK_EQ(pthread_create(&thread, nullptr, run_and_catch, nullptr), 0);
    begun();
    waiters(task, 4);
    CHECK_EQ(pthread_join(thread, nullptr), 0);
    joined(task, 4);
}

//@ needs own-switch
SCENARIO(exception_through_once_ends_its_task_and_it_counts_as_done) {
    gmp_task_t *runner, *task[4];
    check_start(2);
    CHECK_OK(gmp_spawn(run_and_leave, nullptr, nullptr, &runner));
    begun();
    waiters(task, 4);
    CHECK_CODE(gmp_join(runner, SOON(), nullptr), GMP_EPANIC);
    joined(task, 4);
}

//@ needs own-switch
SCENARIO(exception_out_of_a_counted_task_counts_down) {
    static gmp_wg_t group;
    check_start(2);
    for (int i = 0; i < 3; i++) CHECK_OK(gmp_wg_go(&group, throw_it, nullptr));
    CHECK_OK(gmp_wg_wait(&group, SOON()));
}
