/* Programs with a bug each, which the tool that looks for it must report: else its job says nothing. And their likes without the bug. Each bug is in
 * task code, on a task's stack, past a switch. Run by scripts/watched.sh. */
#include <pthread.h>

#include "../c/check.h"

static long shared;
static atomic_int arrived;

/* Both are here at the same time, on two threads, and nothing has been said that puts one before the other. */
static void meet(int n) {
    atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
    while (atomic_load_explicit(&arrived, memory_order_relaxed) < n) continue;
}

static void *race(void *arg) {
    gmp_yield();
    meet(2);
    for (int i = 0; i < 1000; i++) shared++;
    return arg;
}

static void run_two(gmp_task_fn_t fn) {
    gmp_task_t *tasks[2];
    check_start(2);
    for (int i = 0; i < 2; i++) CHECK_OK(gmp_spawn(fn, NULL, NULL, &tasks[i]));
    for (int i = 0; i < 2; i++) CHECK_OK(gmp_join(tasks[i], SOON(), NULL));
    CHECK(shared > 0);
}

SCENARIO(thread_race_between_tasks) { run_two(race); }

static gmp_mutex_t mutex;

static void *take_turns(void *arg) {
    gmp_yield();
    meet(2);
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
        shared++;
        CHECK_OK(gmp_mutex_unlock(&mutex));
    }
    return arg;
}

SCENARIO(clean_race_between_tasks) { run_two(take_turns); }

static gmp_rwlock_t rwlock;

static void *write_as_a_reader(void *arg) {
    CHECK_OK(gmp_rwlock_rdlock(&rwlock, GMP_FOREVER));
    meet(2);
    for (int i = 0; i < 1000; i++) shared++;
    CHECK_OK(gmp_rwlock_rdunlock(&rwlock));
    return arg;
}

SCENARIO(thread_race_between_readers) { run_two(write_as_a_reader); }

static gmp_chan_t *channel;

static void *send_then_write(void *arg) {
    long *value = malloc(sizeof *value);
    *value = 1;
    CHECK_OK(gmp_chan_send(channel, &value, GMP_FOREVER));
    meet(2);
    *value = 2;
    return arg;
}

static void *receive_and_write(void *arg) {
    long *value;
    CHECK_OK(gmp_chan_recv(channel, &value, GMP_FOREVER));
    meet(2);
    *value = 3;
    shared = 1;
    return arg;
}

static void run_pair(void) {
    gmp_task_t *tasks[2];
    check_start(2);
    CHECK_OK(gmp_chan_new(sizeof(long *), 1, &channel));
    CHECK_OK(gmp_spawn(send_then_write, NULL, NULL, &tasks[0]));
    CHECK_OK(gmp_spawn(receive_and_write, NULL, NULL, &tasks[1]));
    for (int i = 0; i < 2; i++) CHECK_OK(gmp_join(tasks[i], SOON(), NULL));
}

SCENARIO(thread_race_on_what_was_sent) { run_pair(); }

/* ------------------------------------------------------------ memory */

static int *volatile out;
static volatile int at;

__attribute__((noinline)) static void publish_local(void) {
    int local[16] = {0};
    out = local;
    gmp_yield();
}

static void *use_after_return(void *arg) {
    publish_local();
    gmp_yield();
    shared = out[3];
    return arg;
}

static void run_one(gmp_task_fn_t fn) {
    gmp_task_t *task;
    check_start(2);
    CHECK_OK(gmp_spawn(fn, NULL, NULL, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
}

SCENARIO(address_use_after_return_in_a_task) { run_one(use_after_return); }

static void *stack_overrun(void *arg) {
    int local[16] = {0};
    out = local;
    gmp_yield();
    at = 16;
    out[at] = 1;
    gmp_yield();
    return arg;
}

SCENARIO(address_stack_overrun_in_a_task) { run_one(stack_overrun); }

static void *heap_overrun(void *arg) {
    int *block = malloc(16 * sizeof *block);
    gmp_yield();
    at = 16;
    out = block;
    shared = out[at];
    free(block);
    return arg;
}

SCENARIO(address_heap_overrun_in_a_task) { run_one(heap_overrun); }
SCENARIO(valgrind_heap_overrun_in_a_task) { run_one(heap_overrun); }

static void *undefined_value(void *arg) {
    int local[16];
    out = local;
    gmp_yield();
    if (out[3] == 77) shared++;
    return arg;
}

SCENARIO(valgrind_undefined_value_in_a_task) { run_one(undefined_value); }

/* Frames that did not return: what they poisoned must not be found by the tasks that come by the same stack. */
__attribute__((noinline)) static void leave_deep(int level) {
    char room[256];
    memset(room, level, sizeof room);
    out = (int *)(void *)room;
    if (level == 0) gmp_exit();
    leave_deep(level - 1);
    CHECK(room[7] == 1);
}

static void *exit_deep(void *arg) {
    gmp_yield();
    leave_deep(20);
    return arg;
}

__attribute__((noinline)) static int use_stack(int level) {
    char room[4000];
    memset(room, level, sizeof room);
    out = (int *)(void *)room;
    return level ? use_stack(level - 1) + room[level] : 0;
}

static void *use_much_stack(void *arg) {
    gmp_yield();
    return (void *)(intptr_t)use_stack(10 + (arg != NULL));
}

static void *join_in_place(void *arg) {
    for (int i = 0; i < 50; i++) {
        gmp_task_t *task;
        CHECK_OK(gmp_spawn(i % 2 ? exit_deep : use_much_stack, NULL, NULL, &task));
        int code = gmp_join(task, GMP_FOREVER, NULL);
        CHECK(code == GMP_OK || code == GMP_EPANIC);
        use_stack(10);
    }
    return arg;
}

SCENARIO(clean_frames_that_are_left_behind) {
    check_start(2);
    for (int i = 0; i < 50; i++) {
        gmp_task_t *task;
        CHECK_OK(gmp_spawn(i % 3 == 2 ? join_in_place : i % 3 ? exit_deep : use_much_stack, NULL, NULL, &task));
        int code = gmp_join(task, SOON(), NULL);
        CHECK(code == GMP_OK || code == GMP_EPANIC);
    }
}
