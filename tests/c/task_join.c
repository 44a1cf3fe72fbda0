/* Spawn, join, detach: results, handles, and the task that is joined before it has started. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "check.h"

static gmp_wg_t gate;

static void *doubled(void *arg) { return (void *)((intptr_t)arg * 2); }

static void *wait_at_gate(void *arg) {
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    return arg;
}

SCENARIO(join_gives_the_result_to_a_thread) {
    for (intptr_t i = 0; i < 1000; i++) {
        gmp_task_t *task = NULL;
        void *result = NULL;
        CHECK_OK(gmp_spawn(doubled, (void *)i, NULL, &task));
        CHECK(task != NULL);
        CHECK_OK(gmp_join(task, SOON(), &result));
        CHECK_EQ((intptr_t)result, 2 * i);
    }
}

static void join_many(void *arg) {
    enum { MANY = 1000 };
    gmp_task_t *task[MANY];
    (void)arg;
    for (intptr_t i = 0; i < MANY; i++) CHECK_OK(gmp_spawn(doubled, (void *)i, NULL, &task[i]));
    for (intptr_t i = 0; i < MANY; i++) {
        void *result = NULL;
        CHECK_OK(gmp_join(task[i], SOON(), &result));
        CHECK_EQ((intptr_t)result, 2 * i);
    }
    for (intptr_t i = 0; i < MANY; i++) { /* one at a time, and the result thrown away */
        CHECK_OK(gmp_spawn(doubled, (void *)i, NULL, &task[0]));
        CHECK_OK(gmp_join(task[0], GMP_FOREVER, NULL));
    }
}

SCENARIO(join_gives_the_result_to_a_task) { CHECK_OK(gmp_run(join_many, NULL)); }

/* ------------------------------------------------------------ in place */
static gmp_key_t key;
static uint64_t parent_id, child_id;
static char trail[64];

static void leave_mark(void *arg) { strcat(trail, (const char *)arg); }

static void *child(void *arg) {
    child_id = gmp_self_id();
    CHECK(gmp_local_get(key) == NULL);
    CHECK_OK(gmp_local_set(key, &child_id));
    CHECK_OK(gmp_defer(leave_mark, "b"));
    CHECK_OK(gmp_defer(leave_mark, "a"));
    return arg;
}

static void *parent(void *arg) {
    gmp_task_t *task;
    void *result = NULL;
    (void)arg;
    parent_id = gmp_self_id();
    CHECK_OK(gmp_local_set(key, &parent_id));
    CHECK_OK(gmp_defer(leave_mark, "d"));
    CHECK_OK(gmp_spawn(child, trail, NULL, &task));
    CHECK_EQ(gmp_self_id(), parent_id);
    uint64_t id = gmp_task_id(task);
    CHECK_OK(gmp_join(task, GMP_FOREVER, &result));
    CHECK(result == trail);
    CHECK_EQ(id, child_id);
    CHECK(child_id != parent_id && child_id != 0);
    CHECK_EQ(gmp_self_id(), parent_id);
    CHECK(gmp_local_get(key) == &parent_id);
    CHECK(strcmp(trail, "ab") == 0); /* the child's deferred calls, and only they */
    leave_mark("c");
    return NULL;
}

SCENARIO(task_joined_before_its_start_keeps_its_own_identity) {
    check_start(1);
    CHECK_OK(gmp_key_create(NULL, &key));
    for (int i = 0; i < 100; i++) {
        gmp_task_t *task;
        trail[0] = 0;
        CHECK_OK(gmp_spawn(parent, NULL, NULL, &task));
        CHECK_OK(gmp_join(task, SOON(), NULL));
        CHECK(strcmp(trail, "abcd") == 0);
    }
}

static atomic_int others_ran;

static void other(void *arg) {
    (void)arg;
    atomic_fetch_add(&others_ran, 1);
    CHECK_OK(gmp_wg_done(&gate));
}

static void *parking_child(void *arg) {
    CHECK_OK(gmp_wg_add(&gate, 1));
    CHECK_OK(gmp_go(other, NULL));
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER)); /* `other` must run while we and our joiner wait */
    gmp_yield();
    CHECK_OK(gmp_sleep(1000));
    return arg;
}

static void join_parking_children(void *arg) {
    (void)arg;
    for (intptr_t i = 1; i <= 100; i++) {
        gmp_task_t *task;
        void *result = NULL;
        CHECK_OK(gmp_spawn(parking_child, (void *)i, NULL, &task));
        CHECK_OK(gmp_join(task, GMP_FOREVER, &result));
        CHECK_EQ((intptr_t)result, i);
        CHECK_EQ(atomic_load(&others_ran), i);
    }
}

SCENARIO(task_joined_before_its_start_may_park) {
    check_start(1);
    CHECK_OK(gmp_run(join_parking_children, NULL));
}

static void *leaves_early(void *arg) {
    CHECK_OK(gmp_defer(leave_mark, "e"));
    gmp_exit();
    CHECK(!"gmp_exit came back");
    return arg;
}

static void *parks_and_leaves(void *arg) {
    CHECK_OK(gmp_defer(leave_mark, "p"));
    CHECK_OK(gmp_sleep(1000));
    gmp_yield();
    gmp_exit();
    return arg;
}

static void join_leavers(void *arg) {
    (void)arg;
    gmp_task_t *task;
    void *result = &task;
    volatile int local = 42;
    CHECK_OK(gmp_defer(leave_mark, "z"));
    CHECK_OK(gmp_spawn(leaves_early, NULL, NULL, &task));
    CHECK_CODE(gmp_join(task, GMP_FOREVER, &result), GMP_EPANIC);
    CHECK_CODE(gmp_join(task, GMP_FOREVER, &result), GMP_EINVAL); /* GMP_EPANIC freed the handle */
    CHECK_OK(gmp_spawn(parks_and_leaves, NULL, NULL, &task));
    CHECK_CODE(gmp_join(task, GMP_FOREVER, &result), GMP_EPANIC);
    CHECK_EQ(local, 42);
    CHECK(result == &task); /* written only on success */
    leave_mark(".");
}

SCENARIO(exit_inside_a_task_joined_in_place_ends_only_that_task) {
    check_start(1);
    CHECK_OK(gmp_run(join_leavers, NULL));
    CHECK(strcmp(trail, "ep.z") == 0);
}

static void *chain(void *arg) {
    gmp_task_t *task;
    void *result = NULL;
    intptr_t left = (intptr_t)arg;
    if (left == 0) return (void *)0;
    CHECK_OK(gmp_spawn(chain, (void *)(left - 1), NULL, &task));
    CHECK_OK(gmp_join(task, GMP_FOREVER, &result));
    return (void *)((intptr_t)result + 1);
}

/* Far deeper than one stack: a join in place must notice that the stack runs out. */
SCENARIO(chain_of_twenty_thousand_joins_ends) {
    gmp_task_t *task;
    void *result = NULL;
    CHECK_OK(gmp_spawn(chain, (void *)(intptr_t)20000, NULL, &task));
    CHECK_OK(gmp_join(task, SOON(), &result));
    CHECK_EQ((intptr_t)result, 20000);
}

static void *fib(void *arg) {
    intptr_t n = (intptr_t)arg;
    gmp_task_t *task;
    void *left = NULL;
    if (n < 2) return arg;
    CHECK_OK(gmp_spawn(fib, (void *)(n - 1), NULL, &task));
    intptr_t right = (intptr_t)fib((void *)(n - 2));
    CHECK_OK(gmp_join(task, GMP_FOREVER, &left));
    return (void *)((intptr_t)left + right);
}

SCENARIO(fork_join_tree_adds_up) {
    check_start(2);
    gmp_task_t *task;
    void *result = NULL;
    CHECK_OK(gmp_spawn(fib, (void *)(intptr_t)20, NULL, &task));
    CHECK_OK(gmp_join(task, SOON(), &result));
    CHECK_EQ((intptr_t)result, 6765);
}

/* ------------------------------------------------------------ handles */
static void join_twice(void *arg) {
    gmp_task_t *task;
    CHECK_OK(gmp_spawn(doubled, arg, NULL, &task));
    CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
    CHECK_CODE(gmp_join(task, GMP_FOREVER, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_task_free(task), GMP_EINVAL);
    CHECK_EQ(gmp_task_id(task), 0);
}

SCENARIO(join_twice_is_einval) {
    CHECK_OK(gmp_run(join_twice, NULL));
    join_twice(NULL);
}

static gmp_task_t *_Atomic own_handle;

static void *join_oneself(void *arg) {
    gmp_task_t *self;
    while ((self = atomic_load(&own_handle)) == NULL) gmp_yield();
    CHECK_CODE(gmp_join(self, GMP_FOREVER, NULL), GMP_EDEADLK);
    CHECK_CODE(gmp_join(self, GMP_NOWAIT, NULL), GMP_EDEADLK);
    return arg;
}

SCENARIO(join_of_oneself_is_edeadlk) {
    gmp_task_t *task;
    void *result = NULL;
    CHECK_OK(gmp_spawn(join_oneself, &gate, NULL, &task));
    atomic_store(&own_handle, task);
    CHECK_OK(gmp_join(task, SOON(), &result)); /* the attempt changed nothing */
    CHECK(result == &gate);
}

SCENARIO(stale_handle_stays_stale_when_its_record_is_used_again) {
    enum { MANY = 5000 };
    static gmp_task_t *stale[MANY];
    check_start(1);
    for (intptr_t i = 0; i < MANY; i++) {
        CHECK_OK(gmp_spawn(doubled, (void *)i, NULL, &stale[i]));
        CHECK_OK(gmp_join(stale[i], SOON(), NULL));
    }
    gmp_task_t *live;
    CHECK_OK(gmp_wg_add(&gate, 1));
    CHECK_OK(gmp_spawn(wait_at_gate, stale, NULL, &live));
    for (int i = 0; i < MANY; i++) {
        CHECK(stale[i] != live);
        CHECK_CODE(gmp_join(stale[i], GMP_NOWAIT, NULL), GMP_EINVAL);
        CHECK_CODE(gmp_task_free(stale[i]), GMP_EINVAL);
        CHECK_EQ(gmp_task_id(stale[i]), 0);
    }
    void *result = NULL;
    CHECK_OK(gmp_wg_done(&gate));
    CHECK_OK(gmp_join(live, SOON(), &result));
    CHECK(result == stale);
}

static void join_with_deadlines(void *arg) {
    gmp_task_t *task;
    void *result = NULL;
    (void)arg;
    CHECK_OK(gmp_wg_add(&gate, 1));
    CHECK_OK(gmp_spawn(wait_at_gate, &gate, NULL, &task));
    while (check_stats().tasks_parked == 0) gmp_yield(); /* until it waits */
    CHECK_CODE(gmp_join(task, GMP_NOWAIT, &result), GMP_EAGAIN);
    gmp_time_t deadline = gmp_after_ns(3 * MS);
    CHECK_CODE(gmp_join(task, deadline, &result), GMP_ETIMEDOUT);
    CHECK(gmp_now() >= deadline);
    CHECK_CODE(gmp_join(task, gmp_now() - SECOND, &result), GMP_ETIMEDOUT); /* long past */
    CHECK(result == NULL);
    CHECK_OK(gmp_wg_done(&gate));
    CHECK_OK(gmp_join(task, GMP_FOREVER, &result)); /* the handle was still good */
    CHECK(result == &gate);
}

SCENARIO(join_takes_a_deadline) {
    CHECK_OK(gmp_run(join_with_deadlines, NULL));
    join_with_deadlines(NULL);
}

static atomic_int detached_ended;

static void *parked_then_counted(void *arg) {
    wait_at_gate(arg);
    atomic_fetch_add(&detached_ended, 1);
    return arg;
}

SCENARIO(detached_tasks_go_on) {
    gmp_task_t *task;
    CHECK_OK(gmp_wg_add(&gate, 1));
    for (int i = 0; i < 100; i++) {
        CHECK_OK(gmp_spawn(parked_then_counted, NULL, NULL, &task));
        CHECK_OK(gmp_task_free(task));
        CHECK_CODE(gmp_task_free(task), GMP_EINVAL);
        CHECK_CODE(gmp_join(task, GMP_NOWAIT, NULL), GMP_EINVAL);
        CHECK_OK(gmp_spawn(parked_then_counted, NULL, NULL, NULL)); /* detached from the first */
    }
    CHECK_OK(gmp_wg_done(&gate));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&detached_ended), 200);
}

SCENARIO(handle_of_an_ended_task_can_be_freed_unjoined) {
    for (intptr_t i = 0; i < 1000; i++) {
        gmp_task_t *task;
        CHECK_OK(gmp_spawn(doubled, (void *)i, NULL, &task));
        CHECK_IDLE();
        CHECK(gmp_task_id(task) != 0);
        CHECK_OK(gmp_task_free(task));
    }
}

SCENARIO(options_are_copied_and_checked) {
    gmp_spawn_opts_t opts;
    gmp_task_t *task = NULL;
    CHECK_CODE(gmp_spawn_opts_init(NULL, sizeof opts), GMP_EINVAL);
    CHECK_CODE(gmp_spawn_opts_init(&opts, 0), GMP_EINVAL);
    static const size_t foolish_sizes[] = {0, 1, 7, SIZE_MAX};
    for (size_t i = 0; i < sizeof foolish_sizes / sizeof foolish_sizes[0]; i++) {
        CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
        opts.struct_size = foolish_sizes[i];
        CHECK_CODE(gmp_spawn(doubled, NULL, &opts, &task), GMP_EINVAL);
        CHECK(task == NULL);
    }
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.flags = UINT32_C(1) << 31;
    CHECK_CODE(gmp_spawn(doubled, NULL, &opts, &task), GMP_EINVAL);

    char name[300];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.name = name;
    opts.flags = GMP_SPAWN_BLOCKING;
    CHECK_OK(gmp_spawn(doubled, NULL, &opts, &task));
    memset(name, 0, sizeof name);
    memset(&opts, 0xff, sizeof opts);
    CHECK_OK(gmp_join(task, SOON(), NULL));
}

SCENARIO(ids_are_never_used_again) {
    enum { MANY = 3000 };
    static uint64_t id[MANY];
    for (intptr_t i = 0; i < MANY; i++) {
        gmp_task_t *task;
        CHECK_OK(gmp_spawn(doubled, NULL, NULL, &task));
        id[i] = gmp_task_id(task);
        CHECK(id[i] != 0);
        CHECK_OK(gmp_join(task, SOON(), NULL));
        for (int j = 0; j < i; j++) CHECK(id[j] != id[i]);
    }
}
