/* What channels and selects cost in memory: calls allocate nothing, what was freed is gone. §20.12. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <malloc.h>
#include <pthread.h>

#include "check.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static atomic_long allocations;

/* In place of libc's, for the library too. */
void *malloc(size_t size) {
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size) {
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_realloc(memory, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}

void *aligned_alloc(size_t alignment, size_t size) {
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_memalign(alignment, size);
}

static gmp_chan_t *ints(size_t capacity) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(sizeof(int), capacity, &chan));
    return chan;
}

static long resident(void) { return check_kilobytes("/proc/self/status", "VmRSS"); }

/* Allocations and bytes in use, warm, over `calls` of fn. */
static void grows_by_nothing(void (*fn)(int), int calls, long allocations_allowed) {
    long before, rss;
    size_t used;
    fn(calls / 10);
    rss = resident();
    used = mallinfo2().uordblks;
    before = atomic_load(&allocations);
    fn(calls);
    before = atomic_load(&allocations) - before;
    printf("%d calls: %ld allocations, %ld bytes, %ld kB resident\n", calls, before,
           (long)(mallinfo2().uordblks - used), resident() - rss);
    CHECK(before <= allocations_allowed);
    CHECK((long)(mallinfo2().uordblks - used) < 110 * 1000);
    CHECK(resident() - rss < 1024);
}

/* ------------------------------------------------------------ selects */
static gmp_chan_t *chan[9];
static gmp_time_t deadline;

static void *answer_selects(void *arg) {
    for (int i = 0; i < *(int *)arg; i++) {
        if (i % 2) CHECK_OK(gmp_chan_recv(chan[i / 2 % 4], NULL, GMP_FOREVER));
        else CHECK_OK(gmp_chan_send(chan[i / 2 % 4], &i, GMP_FOREVER));
    }
    return NULL;
}

/* Selects of eight cases that park, each answered by another task. */
static void selects_that_park(int calls) {
    gmp_task_t *task;
    int value = 0;
    CHECK_OK(gmp_spawn(answer_selects, &calls, NULL, &task));
    for (int i = 0; i < calls; i++) {
        gmp_case_t cases[8];
        for (int k = 0; k < 8; k++) {
            cases[k] = (gmp_case_t){i % 2 ? GMP_CASE_SEND : GMP_CASE_RECV, 0, chan[k % 4], &value};
        }
        CHECK_OK(gmp_select(cases, 8, deadline ? gmp_after_ns(40 * SECOND) : GMP_FOREVER, NULL));
    }
    CHECK_OK(gmp_join(task, SOON(), NULL));
}

static void selects_that_need_not_park(int calls) {
    int value = 0;
    for (int i = 0; i < calls; i++) {
        gmp_case_t cases[8];
        for (int k = 0; k < 8; k++) cases[k] = (gmp_case_t){1 + k % 2, 0, chan[k], &value};
        cases[3].chan = i % 3 ? chan[8] : NULL;
        if (i % 2) CHECK_OK(gmp_chan_send(chan[8], &i, GMP_NOWAIT));
        CHECK_CODE(gmp_select(cases, 8, i % 5 ? GMP_NOWAIT : -1, NULL),
                   i % 2 && i % 3 ? GMP_OK : i % 5 ? GMP_EAGAIN : GMP_ETIMEDOUT);
        if (i % 2 && i % 3 == 0) CHECK_OK(gmp_chan_recv(chan[8], NULL, GMP_NOWAIT));
    }
}

static void selects_that_time_out(int calls) {
    int value = 0;
    for (int i = 0; i < calls; i++) {
        gmp_case_t cases[8];
        for (int k = 0; k < 8; k++) cases[k] = (gmp_case_t){1 + k % 2, 0, chan[k], &value};
        CHECK_CODE(gmp_select(cases, 8, gmp_after_ns(2000), NULL), GMP_ETIMEDOUT);
    }
}

static void open_channels(void) {
    for (int i = 0; i < 8; i++) chan[i] = ints(0);
    chan[8] = ints(1);
}

static void select_parking(void *arg) {
    (void)arg;
    grows_by_nothing(selects_that_park, 100000, 10);
    deadline = 1;
    grows_by_nothing(selects_that_park, 100000, 10);
}

static void select_ready(void *arg) {
    (void)arg;
    grows_by_nothing(selects_that_need_not_park, 100000, 10);
}

static void select_timing_out(void *arg) {
    (void)arg;
    grows_by_nothing(selects_that_time_out, 3000, 10);
}

SCENARIO(hundred_thousand_selects_that_park_allocate_nothing) {
    check_start(2);
    open_channels();
    CHECK_OK(gmp_run(select_parking, NULL));
}

SCENARIO(hundred_thousand_selects_that_need_not_park_allocate_nothing) {
    check_start(2);
    open_channels();
    CHECK_OK(gmp_run(select_ready, NULL));
    select_ready(NULL);
}

SCENARIO(selects_that_time_out_allocate_nothing) {
    check_start(2);
    open_channels();
    CHECK_OK(gmp_run(select_timing_out, NULL));
    select_timing_out(NULL);
}

/* Too many for small arrays: memory may be taken, and is given back. */
static void selects_of_hundred(int calls) {
    int value = 0;
    for (int i = 0; i < calls; i++) {
        gmp_case_t cases[100];
        for (int k = 0; k < 100; k++) cases[k] = (gmp_case_t){1 + k % 2, 0, chan[k % 8], &value};
        CHECK_CODE(gmp_select(cases, 100, i % 8 ? GMP_NOWAIT : gmp_after_ns(2000), NULL),
                   i % 8 ? GMP_EAGAIN : GMP_ETIMEDOUT);
    }
}

static void select_of_hundred(void *arg) {
    (void)arg;
    for (int i = 0; i < 8; i++) gmp_chan_free(chan[i]);
    for (int i = 0; i < 8; i++) chan[i] = NULL;
    grows_by_nothing(selects_of_hundred, 20000, 1000000);
}

SCENARIO(large_selects_give_their_memory_back) {
    check_start(2);
    open_channels();
    CHECK_OK(gmp_run(select_of_hundred, NULL));
    select_of_hundred(NULL);
}

/* ------------------------------------------------------------ sends and receives */
static void *answer_calls(void *arg) {
    for (int i = 0; i < *(int *)arg; i++) {
        int value = -1;
        CHECK_OK(gmp_chan_recv(chan[0], &value, GMP_FOREVER));
        CHECK_EQ(value, i);
        CHECK_OK(gmp_chan_send(chan[1], &value, GMP_FOREVER));
    }
    return NULL;
}

static void calls_that_park(int calls) {
    gmp_task_t *task;
    CHECK_OK(gmp_spawn(answer_calls, &calls, NULL, &task));
    for (int i = 0; i < calls; i++) {
        CHECK_OK(gmp_chan_send(chan[0], &i, i % 2 ? GMP_FOREVER : gmp_after_ns(40 * SECOND)));
        CHECK_OK(gmp_chan_recv(chan[1], NULL, i % 3 ? GMP_FOREVER : gmp_after_ns(40 * SECOND)));
        CHECK_OK(gmp_chan_send(chan[8], &i, GMP_FOREVER));
        CHECK_CODE(gmp_chan_send(chan[8], &i, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_OK(gmp_chan_recv(chan[8], NULL, GMP_NOWAIT));
    }
    CHECK_OK(gmp_join(task, SOON(), NULL));
}

static void send_and_recv(void *arg) { grows_by_nothing(calls_that_park, arg ? 5000 : 50000, 10); }

SCENARIO(sends_and_receives_allocate_nothing) {
    check_start(2);
    open_channels();
    CHECK_OK(gmp_run(send_and_recv, NULL));
    send_and_recv(chan);
}

/* ------------------------------------------------------------ channels */
static void *time_out_on(void *arg) {
    CHECK_CODE(gmp_chan_recv((gmp_chan_t *)arg, NULL, gmp_after_ns(1000)), GMP_ETIMEDOUT);
    gmp_chan_free((gmp_chan_t *)arg);
    return NULL;
}

static void channels(int calls) {
    for (int i = 0; i < calls; i++) {
        static char element[60000];
        gmp_chan_t *large = NULL, *small = ints((size_t)(i % 3));
        CHECK_OK(gmp_chan_new(sizeof element, 20, &large));
        for (int k = 0; k < i % 3; k++) CHECK_OK(gmp_chan_send(large, element, GMP_NOWAIT));
        CHECK_OK(gmp_chan_close(large));
        gmp_chan_free(large); /* with values in it */
        CHECK_OK(gmp_spawn(time_out_on, gmp_chan_ref(small), NULL, NULL));
        gmp_chan_free(small);
        if (i % 64 == 0) CHECK_IDLE();
    }
    CHECK_IDLE();
}

SCENARIO(freed_channels_give_their_memory_back) {
    check_start(2);
    grows_by_nothing(channels, 5000, 1000000);
}

static atomic_int begun;

static void *time_out_without_reference(void *arg) {
    atomic_fetch_add(&begun, 1);
    CHECK_CODE(gmp_chan_recv((gmp_chan_t *)arg, NULL, gmp_after_ns(20 * MS)), GMP_ETIMEDOUT);
    return NULL;
}

/* The last who waits is the last who has it. */
static void channels_with_waiters(int calls) {
    for (int i = 0; i < calls; i += 100) {
        gmp_chan_t *mine[100];
        atomic_store(&begun, 0);
        for (int k = 0; k < 100; k++) {
            CHECK_OK(gmp_chan_new(30000, 1, &mine[k]));
            CHECK_OK(gmp_spawn(time_out_without_reference, mine[k], NULL, NULL));
        }
        while (atomic_load(&begun) != 100 || check_stats().tasks_parked != gmp_num_tasks()) CHECK_OK(gmp_sleep(20000));
        for (int k = 0; k < 100; k++) gmp_chan_free(mine[k]);
        CHECK_IDLE();
    }
}

SCENARIO(channels_freed_under_their_waiters_give_their_memory_back) {
    check_start(2);
    grows_by_nothing(channels_with_waiters, 2000, 1000000);
}
