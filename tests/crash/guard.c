/* Running past a task's stack dies at its guard, at once and by SIGSEGV: never silent corruption. */
//@ with GMP_TEST_GUARD=mprotect
#include "../c/check.h"

/* Not a tail call, and every frame is used: the compiler may not make a loop of it. */
__attribute__((noinline)) static int dig(int level) {
    volatile char room[512];
    for (size_t i = 0; i < sizeof room; i++) room[i] = (char)level;
    int deeper = level < 1 << 30 ? dig(level + 1) : 0;
    return deeper + room[level % 512];
}

static void *dig_without_end(void *arg) {
    gmp_yield();
    printf("%d\n", dig(0));
    return arg;
}

/* One frame that is bigger than a page jumps over a guard of one page; it does not jump over ours. */
__attribute__((noinline)) static int leap(int level) {
    volatile char room[20 * 1024];
    room[0] = (char)level;
    int deeper = level < 1 << 30 ? leap(level + 1) : 0;
    return deeper + room[0];
}

static void *leap_without_end(void *arg) {
    gmp_yield();
    printf("%d\n", leap(0));
    return arg;
}

static void run_on(gmp_task_fn_t fn, size_t stack_size) {
    gmp_spawn_opts_t opts;
    gmp_task_t *task;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.stack_size = stack_size;
    CHECK_OK(gmp_spawn(fn, NULL, &opts, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
}

//@ dies SIGSEGV
SCENARIO(crash_default_stack_overflows_into_its_guard) { run_on(dig_without_end, 0); }

//@ dies SIGSEGV
SCENARIO(crash_small_stack_overflows_into_its_guard) { run_on(dig_without_end, 16384); }

//@ dies SIGSEGV
SCENARIO(crash_big_stack_overflows_into_its_guard) { run_on(dig_without_end, 4000000); }

//@ dies SIGSEGV
SCENARIO(crash_frame_of_20_kib_hits_the_guard) { run_on(leap_without_end, 0); }

static gmp_wg_t gate;

static void wait_at_gate(void *arg) {
    (void)arg;
    gmp_wg_wait(&gate, GMP_FOREVER);
}

/* Neighbours all around, whose stacks must not be what is written to. */
//@ dies SIGSEGV
SCENARIO(crash_overflow_between_parked_neighbours_hits_the_guard) {
    check_start(1);
    CHECK_OK(gmp_wg_add(&gate, 1));
    for (int i = 0; i < 500; i++) CHECK_OK(gmp_go(wait_at_gate, NULL));
    run_on(leap_without_end, 0);
}

__attribute__((noinline)) static int join_chain(int level);

static void *joined(void *arg) { return (void *)(intptr_t)join_chain((int)(intptr_t)arg); }

__attribute__((noinline)) static int join_chain(int level) {
    gmp_task_t *task;
    void *result = NULL;
    if (level == 0) return dig(0);
    CHECK_OK(gmp_spawn(joined, (void *)(intptr_t)(level - 1), NULL, &task));
    CHECK_OK(gmp_join(task, GMP_FOREVER, &result));
    return (int)(intptr_t)result + level;
}

//@ dies SIGSEGV
SCENARIO(crash_overflow_in_a_task_joined_in_place_hits_the_guard) {
    gmp_task_t *task;
    check_start(1);
    CHECK_OK(gmp_spawn(joined, (void *)(intptr_t)5, NULL, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
}
