/* Stacks: sizes asked for are sizes had, foolish ones are refused, and deep use leaves nothing behind. */
//@ with GMP_TEST_GUARD=mprotect
#include "check.h"

static atomic_int ran;

/* Uses `depth` bytes of stack below `from`, and finds every frame as it left it. */
__attribute__((noinline)) static int dig(const char *from, size_t depth, int level) {
    volatile char room[512];
    for (size_t i = 0; i < sizeof room; i++) room[i] = (char)level;
    int deeper = (size_t)(from - (const char *)room) < depth ? dig(from, depth, level + 1) : 0;
    for (size_t i = 0; i < sizeof room; i++) CHECK_EQ(room[i], (char)level);
    return deeper + 1;
}

static void *dig_all(void *arg) {
    char here;
    gmp_yield();
    CHECK(dig(&here, (size_t)(intptr_t)arg, 0) > 0);
    gmp_yield();
    atomic_fetch_add(&ran, 1);
    return arg;
}

static int spawn_sized(gmp_task_fn_t fn, void *arg, size_t stack_size, gmp_task_t **task_out) {
    gmp_spawn_opts_t opts;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.stack_size = stack_size;
    return gmp_spawn(fn, arg, &opts, task_out);
}

/* What the frames of the entry and of one call in here need beside the task's own. */
enum { SLACK = 12 * 1024 };

SCENARIO(size_asked_for_is_size_had) {
    static const size_t sizes[] = {16384, 40000, 65536, 100000, 180000, 262144, 1000000, 1048576, 4000000, 7000000};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            gmp_task_t *task;
            CHECK_OK(spawn_sized(dig_all, (void *)(sizes[i] - SLACK), sizes[i], &task));
            CHECK_OK(gmp_join(task, SOON(), NULL));
        }
    }
    CHECK_EQ(atomic_load(&ran), 30);
}

SCENARIO(default_holds_128_kib) {
    for (int i = 0; i < 100; i++) CHECK_OK(spawn_sized(dig_all, (void *)(intptr_t)(128 * 1024), 0, NULL));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 100);
}

SCENARIO(default_of_the_config_counts) {
    gmp_config_t config;
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.stack_size = 3000000;
    CHECK_OK(gmp_start(&config));
    for (int i = 0; i < 20; i++) CHECK_OK(spawn_sized(dig_all, (void *)(intptr_t)2900000, 0, NULL));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 20);
}

static void *small_use(void *arg) {
    char line[256];
    CHECK(snprintf(line, sizeof line, "task %llu, %s", (unsigned long long)gmp_self_id(), "small") > 0);
    atomic_fetch_add(&ran, 1);
    return arg;
}

SCENARIO(size_of_one_byte_is_rounded_up) {
    for (size_t size = 1; size < 20000; size += 999) {
        gmp_task_t *task;
        CHECK_OK(spawn_sized(small_use, NULL, size, &task));
        CHECK_OK(gmp_join(task, SOON(), NULL));
    }
    CHECK_EQ(atomic_load(&ran), 21);
}

SCENARIO(huge_size_is_einval) {
    static const size_t sizes[] = {(size_t)1 << 30, (size_t)1 << 40, SIZE_MAX - 4096, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        gmp_task_t *task = NULL;
        CHECK_CODE(spawn_sized(small_use, NULL, sizes[i], &task), GMP_EINVAL);
        CHECK(task == NULL);
    }
    CHECK_EQ(gmp_num_tasks(), 0);
    CHECK_OK(spawn_sized(small_use, NULL, 0, NULL));
    CHECK_IDLE();
}

static void *join_a_deep_one(void *arg) {
    gmp_task_t *task;
    (void)arg;
    for (int i = 0; i < 10; i++) {
        /* Joined before its start, it must still have the stack that was asked for. */
        CHECK_OK(spawn_sized(dig_all, (void *)(intptr_t)6000000, 7000000, &task));
        CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
    }
    return NULL;
}

SCENARIO(big_task_joined_before_its_start_has_its_big_stack) {
    gmp_task_t *task;
    check_start(1);
    CHECK_OK(spawn_sized(join_a_deep_one, NULL, 0, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    CHECK_EQ(atomic_load(&ran), 10);
}

static void *park_with_pattern(void *arg) {
    volatile char pattern[20000];
    for (size_t i = 0; i < sizeof pattern; i++) pattern[i] = (char)((size_t)(intptr_t)arg + i);
    for (int round = 0; round < 5; round++) {
        gmp_yield();
        CHECK_OK(gmp_sleep(10000));
        for (size_t i = 0; i < sizeof pattern; i++) CHECK_EQ(pattern[i], (char)((size_t)(intptr_t)arg + i));
    }
    return arg;
}

SCENARIO(stacks_of_parked_tasks_do_not_mix) {
    static const size_t sizes[] = {65536, 0, 1000000, 3000000};
    check_start(2);
    for (intptr_t i = 0; i < 400; i++) CHECK_OK(spawn_sized(park_with_pattern, (void *)i, sizes[i % 4], NULL));
    CHECK_IDLE();
}
