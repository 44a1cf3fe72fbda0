/* Task classes: which hooks are called, in which order, with whose pointers; and the exclusive token. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

/* What one machine told the class; `m` in every hook. */
struct machine {
    pthread_t thread;
    atomic_int ended, holds;
};

enum stage { NEW, OUT, IN, FINISHED };

/* One task of the class; `t` in every hook. */
struct member {
    atomic_int stage;
    atomic_int first_runs, finishes;
    struct machine *on; /* while IN */
    int fail_with;
};

static int user_mark; /* its address is the class's `user` */
static atomic_int machines_started, machines_ended, holders, acquired, released, inside, ran;
static int exclusive;

static void right_user(void *user) { CHECK(user == &user_mark); }

static struct machine *here(void *m) {
    struct machine *machine = (struct machine *)m;
    CHECK(machine != NULL);
    CHECK(pthread_equal(machine->thread, pthread_self()));
    CHECK_EQ(atomic_load(&machine->ended), 0);
    return machine;
}

static struct machine *here_and_holding(void *m) {
    struct machine *machine = here(m);
    CHECK_EQ(atomic_load(&machine->holds), exclusive);
    return machine;
}

static int machine_start(void *user, void **m_out) {
    right_user(user);
    struct machine *machine = (struct machine *)calloc(1, sizeof *machine);
    CHECK(machine != NULL);
    machine->thread = pthread_self();
    *m_out = machine;
    atomic_fetch_add(&machines_started, 1);
    return 0;
}

static void machine_end(void *user, void *m) {
    right_user(user);
    CHECK_EQ(atomic_load(&here(m)->holds), 0);
    CHECK_EQ(atomic_exchange(&here(m)->ended, 1), 0);
    atomic_fetch_add(&machines_ended, 1);
}

static void acquire(void *user, void *m) {
    right_user(user);
    CHECK(exclusive);
    CHECK_EQ(atomic_exchange(&here(m)->holds, 1), 0);
    CHECK_EQ(atomic_fetch_add(&holders, 1), 0);
    atomic_fetch_add(&acquired, 1);
}

static void release(void *user, void *m) {
    right_user(user);
    CHECK_EQ(atomic_exchange(&here(m)->holds, 0), 1);
    CHECK_EQ(atomic_fetch_sub(&holders, 1), 1);
    atomic_fetch_add(&released, 1);
}

static int first_run(void *user, void *m, void *t, void *stack_low, size_t stack_size) {
    struct member *task = (struct member *)t;
    right_user(user);
    here_and_holding(m);
    CHECK_EQ(atomic_fetch_add(&task->first_runs, 1), 0);
    CHECK_EQ(atomic_exchange(&task->stage, OUT), NEW);
    CHECK(stack_low != NULL);
    CHECK(stack_size >= 16384);
    return task->fail_with;
}

static void switch_in(void *user, void *m, void *t) {
    struct member *task = (struct member *)t;
    right_user(user);
    task->on = here_and_holding(m);
    CHECK_EQ(atomic_exchange(&task->stage, IN), OUT);
    if (exclusive) CHECK_EQ(atomic_fetch_add(&inside, 1), 0);
}

static void switch_out(void *user, void *m, void *t) {
    struct member *task = (struct member *)t;
    right_user(user);
    CHECK(task->on == here_and_holding(m));
    task->on = NULL;
    CHECK_EQ(atomic_exchange(&task->stage, OUT), IN);
    if (exclusive) CHECK_EQ(atomic_fetch_sub(&inside, 1), 1);
}

static void finish(void *user, void *m, void *t) {
    struct member *task = (struct member *)t;
    right_user(user);
    here_and_holding(m);
    CHECK_EQ(atomic_fetch_add(&task->finishes, 1), 0);
    CHECK_EQ(atomic_exchange(&task->stage, FINISHED), OUT);
}

static int may_migrate(void *user, void *t, const void *sp) {
    right_user(user);
    CHECK(t != NULL && sp != NULL);
    return 1;
}

static gmp_task_class_t make_class(uint32_t flags) {
    gmp_task_class_t class = {
        .struct_size = sizeof class,
        .name = "test",
        .user = &user_mark,
        .flags = flags,
        .machine_start = machine_start,
        .machine_end = machine_end,
        .acquire = acquire,
        .release = release,
        .first_run = first_run,
        .switch_in = switch_in,
        .switch_out = switch_out,
        .finish = finish,
        .may_migrate = may_migrate,
    };
    exclusive = flags & GMP_CLASS_EXCLUSIVE ? 1 : 0;
    return class;
}

static gmp_task_class_t the_class;

static int spawn_member(gmp_task_fn_t fn, struct member *task, gmp_task_t **task_out) {
    gmp_spawn_opts_t opts;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.task_class = &the_class;
    opts.class_data = task;
    opts.name = "member";
    return gmp_spawn(fn, task, &opts, task_out);
}

static void *park_in_every_way(void *arg) {
    struct member *self = (struct member *)arg;
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(atomic_load(&self->stage), IN);
        gmp_yield();
        CHECK_EQ(atomic_load(&self->stage), IN);
        CHECK_OK(gmp_sleep(20000));
        CHECK_EQ(atomic_load(&self->stage), IN);
        CHECK_OK(gmp_checkpoint());
        CHECK_EQ(atomic_load(&self->stage), IN);
    }
    atomic_fetch_add(&ran, 1);
    return arg;
}

static atomic_int plain_ran;

static void run_plainly(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) gmp_yield();
    atomic_fetch_add(&plain_ran, 1);
}

static void members_keep_the_order(uint32_t flags) {
    enum { MANY = 200 };
    static struct member member[MANY];
    static gmp_task_t *task[MANY];
    the_class = make_class(flags);
    check_start(2);
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(spawn_member(park_in_every_way, &member[i], &task[i]));
        CHECK_OK(gmp_go(run_plainly, NULL)); /* plain tasks in between, on the same machines */
    }
    for (int i = 0; i < MANY; i++) {
        void *result = NULL;
        CHECK_OK(gmp_join(task[i], SOON(), &result));
        CHECK(result == &member[i]);
    }
    CHECK_IDLE();
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    CHECK_EQ(atomic_load(&ran), MANY);
    CHECK_EQ(atomic_load(&plain_ran), MANY);
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(atomic_load(&member[i].stage), FINISHED);
        CHECK_EQ(atomic_load(&member[i].first_runs), 1);
        CHECK_EQ(atomic_load(&member[i].finishes), 1);
    }
    CHECK(atomic_load(&machines_started) >= 1);
    CHECK_EQ(atomic_load(&machines_ended), atomic_load(&machines_started));
    CHECK_EQ(atomic_load(&acquired), atomic_load(&released));
    CHECK(flags ? atomic_load(&acquired) >= 1 : atomic_load(&acquired) == 0);
}

SCENARIO(hooks_come_in_their_order) { members_keep_the_order(0); }

SCENARIO(hooks_of_an_exclusive_class_come_in_their_order) { members_keep_the_order(GMP_CLASS_EXCLUSIVE); }

static int unprotected; /* only the token keeps two tasks from it */
static atomic_int at_once;

static void *count_unprotected(void *arg) {
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(atomic_fetch_add(&at_once, 1), 0);
        int seen = unprotected;
        for (volatile int spin = 0; spin < 200; spin++) {
        }
        unprotected = seen + 1;
        CHECK_EQ(atomic_fetch_sub(&at_once, 1), 1);
        gmp_yield();
        if (i % 20 == 0) CHECK_OK(gmp_sleep(10000));
    }
    return arg;
}

SCENARIO(two_tasks_of_an_exclusive_class_never_run_at_once) {
    enum { MANY = 20 };
    static struct member member[MANY];
    gmp_task_t *task[MANY];
    the_class = make_class(GMP_CLASS_EXCLUSIVE);
    check_start(4);
    for (int i = 0; i < MANY; i++) CHECK_OK(spawn_member(count_unprotected, &member[i], &task[i]));
    for (int i = 0; i < 200; i++) CHECK_OK(gmp_run(run_plainly, NULL)); /* and plain tasks are not held up */
    for (int i = 0; i < MANY; i++) CHECK_OK(gmp_join(task[i], SOON(), NULL));
    CHECK_EQ(unprotected, MANY * 200);
}

static void *never(void *arg) {
    CHECK(!"a task whose first_run failed has run");
    return arg;
}

SCENARIO(task_fails_with_what_first_run_answers) {
    static struct member good[20], bad[20];
    gmp_task_t *task;
    the_class = make_class(0);
    for (int i = 0; i < 20; i++) {
        bad[i].fail_with = GMP_ENOTSUP;
        CHECK_OK(spawn_member(never, &bad[i], &task));
        CHECK_CODE(gmp_join(task, SOON(), NULL), GMP_ENOTSUP);
        CHECK_OK(spawn_member(park_in_every_way, &good[i], &task));
        CHECK_OK(gmp_join(task, SOON(), NULL));
    }
    CHECK_IDLE();
}

static void *join_a_sibling(void *arg) {
    static struct member child;
    gmp_task_t *task;
    void *result = NULL;
    struct member *self = (struct member *)arg;
    CHECK_OK(spawn_member(park_in_every_way, &child, &task));
    CHECK_OK(gmp_join(task, GMP_FOREVER, &result));
    CHECK(result == &child);
    CHECK_EQ(atomic_load(&child.finishes), 1);
    CHECK_EQ(atomic_load(&self->stage), IN);
    return arg;
}

SCENARIO(member_may_join_a_member_that_has_not_started) {
    static struct member parent;
    gmp_task_t *task;
    check_start(1);
    the_class = make_class(GMP_CLASS_EXCLUSIVE);
    CHECK_OK(spawn_member(join_a_sibling, &parent, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
}

static void *block_in_the_kernel(void *arg) {
    struct member *self = (struct member *)arg;
    for (int i = 0; i < 5; i++) {
        CHECK_OK(gmp_blocking_enter());
        usleep(2000);
        CHECK_OK(gmp_blocking_exit());
        CHECK_EQ(atomic_load(&self->stage), IN);
    }
    return arg;
}

/* A class may leave every hook out. */
SCENARIO(class_without_hooks_is_plain) {
    static struct member member[50];
    gmp_task_t *task[50];
    the_class = (gmp_task_class_t){.struct_size = sizeof the_class, .flags = GMP_CLASS_EXCLUSIVE};
    check_start(2);
    for (int i = 0; i < 50; i++) {
        atomic_store(&member[i].stage, IN);
        CHECK_OK(spawn_member(i % 2 ? park_in_every_way : block_in_the_kernel, &member[i], &task[i]));
    }
    for (int i = 0; i < 50; i++) CHECK_OK(gmp_join(task[i], SOON(), NULL));
}

SCENARIO(foolish_class_is_einval) {
    static const size_t foolish_sizes[] = {0, 1, SIZE_MAX};
    static struct member member;
    gmp_task_t *task = NULL;
    for (size_t i = 0; i < sizeof foolish_sizes / sizeof foolish_sizes[0]; i++) {
        the_class = make_class(0);
        the_class.struct_size = foolish_sizes[i];
        CHECK_CODE(spawn_member(never, &member, &task), GMP_EINVAL);
    }
    the_class = make_class(UINT32_C(1) << 31);
    CHECK_CODE(spawn_member(never, &member, &task), GMP_EINVAL);
    CHECK(task == NULL);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&machines_started), 0);
}
