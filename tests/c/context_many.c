/* Contexts in great numbers: wide and deep trees on a small stack, no growth, references dropped in any order
 * (§26.8, 26.10). */
//@ limit 120
#include "check.h"

enum { MANY = 100000 };
static gmp_ctx_t *ctx[MANY];
static atomic_int ran;

static gmp_ctx_t *new_ctx(gmp_ctx_t *parent) {
    gmp_ctx_t *made = NULL;
    CHECK_OK(gmp_ctx_new(parent, GMP_FOREVER, &made));
    return made;
}

/* On the smallest stack there is: whatever takes a frame a context dies at the guard. */
static void on_a_small_stack(gmp_task_fn_t fn) {
    gmp_spawn_opts_t opts;
    gmp_task_t *task;
    check_start(2);
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.stack_size = 1;
    CHECK_OK(gmp_spawn(fn, NULL, &opts, &task));
    CHECK_OK(gmp_join(task, gmp_after_ns(100 * SECOND), NULL));
    CHECK_IDLE();
    CHECK_EQ(check_stats().timers_pending, 0);
}

static void all_are_cancelled(int cause) {
    for (int i = 0; i < MANY; i++) {
        CHECK_CODE(gmp_ctx_err(ctx[i]), GMP_ECANCELED);
        CHECK_CODE(gmp_ctx_cause(ctx[i]), cause);
    }
}

static void *cancel_a_wide_tree(void *arg) {
    gmp_ctx_t *root = new_ctx(NULL);
    for (int i = 0; i < MANY; i++) ctx[i] = new_ctx(root);
    for (int i = 0; i < MANY; i += 3) CHECK(gmp_ctx_done(ctx[i]) != NULL);
    CHECK_OK(gmp_ctx_cancel_cause(root, -5200));
    all_are_cancelled(-5200);
    for (int i = 0; i < MANY; i += 3) CHECK_CODE(gmp_chan_recv(gmp_ctx_done(ctx[i]), NULL, GMP_NOWAIT), GMP_ECLOSED);
    for (int i = 0; i < MANY; i++) gmp_ctx_free(ctx[i]);
    gmp_ctx_free(root);
    return arg;
}

SCENARIO(hundred_thousand_children_are_cancelled_from_a_small_stack) { on_a_small_stack(cancel_a_wide_tree); }

static void make_a_chain(void) {
    static int key;
    gmp_ctx_t *parent = new_ctx(NULL);
    CHECK_OK(gmp_ctx_with_value(parent, &key, &key, &ctx[0]));
    gmp_ctx_free(parent);
    for (int i = 1; i < MANY; i++) ctx[i] = new_ctx(ctx[i - 1]);
    CHECK(gmp_ctx_value(ctx[MANY - 1], &key) == &key);
    CHECK(gmp_ctx_value(ctx[MANY - 1], ctx) == NULL);
    CHECK_EQ(gmp_ctx_deadline(ctx[MANY - 1]), GMP_FOREVER);
}

static void *cancel_a_deep_tree(void *arg) {
    make_a_chain();
    CHECK_OK(gmp_ctx_cancel_cause(ctx[0], -5201));
    all_are_cancelled(-5201);
    for (int i = 0; i < MANY; i++) gmp_ctx_free(ctx[i]);
    return arg;
}

SCENARIO(chain_of_hundred_thousand_is_cancelled_from_a_small_stack) { on_a_small_stack(cancel_a_deep_tree); }

static void *free_a_deep_tree(void *arg) {
    make_a_chain();
    for (int i = 0; i < MANY; i++) gmp_ctx_free(ctx[i]); /* the last one lets go of all above it */
    make_a_chain();
    for (int i = MANY - 1; i >= 0; i--) gmp_ctx_free(ctx[i]);
    return arg;
}

SCENARIO(chain_of_hundred_thousand_is_freed_from_a_small_stack) { on_a_small_stack(free_a_deep_tree); }

static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

static void *cancel_with_functions(void *arg) {
    static gmp_ctx_hook_t *hook[MANY / 10];
    gmp_ctx_t *root = new_ctx(NULL);
    for (int i = 0; i < MANY / 10; i++) {
        ctx[i] = new_ctx(root);
        CHECK_OK(gmp_ctx_after_func(ctx[i], count, NULL, &hook[i]));
    }
    CHECK_OK(gmp_ctx_cancel(root));
    for (int i = 0; i < MANY / 10; i++) {
        CHECK_EQ(gmp_ctx_hook_stop(hook[i]), 0);
        gmp_ctx_free(ctx[i]);
    }
    gmp_ctx_free(root);
    return arg;
}

SCENARIO(ten_thousand_functions_run_after_one_cancel) {
    on_a_small_stack(cancel_with_functions);
    CHECK_EQ(atomic_load(&ran), MANY / 10);
}

/* ------------------------------------------------------------ coming and going */
enum { LIVES = 200000 };

static void never(void *arg) {
    (void)arg;
    CHECK(!"a stopped function ran");
}

/* One child's life, in each of the ways it can end. */
static void live(gmp_ctx_t *parent, int how) {
    static int key;
    gmp_ctx_t *child = NULL, *below = NULL;
    gmp_ctx_hook_t *hook = NULL;
    CHECK_OK(gmp_ctx_new(parent, how & 1 ? gmp_after_ns(1000 * SECOND) : GMP_FOREVER, &child));
    if (how & 2) CHECK(gmp_ctx_done(child) != NULL);
    if (how & 4) CHECK_OK(gmp_ctx_after_func(child, never, NULL, &hook));
    if (how & 8) CHECK_OK(gmp_ctx_with_value(child, &key, parent, &below));
    if (hook) CHECK_EQ(gmp_ctx_hook_stop(hook), 1);
    if (how & 16) CHECK_OK(gmp_ctx_cancel(child));
    gmp_ctx_free(child);
    if (below) gmp_ctx_free(below);
}

static void live_many(void *arg) {
    gmp_ctx_t *parent = (gmp_ctx_t *)arg;
    for (int i = 0; i < LIVES / 4; i++) live(parent, i);
    long before = check_kilobytes("/proc/self/status", "VmRSS");
    for (int i = 0; i < LIVES; i++) live(parent, i);
    long grown = check_kilobytes("/proc/self/status", "VmRSS") - before;
    CHECK(before > 0);
    CHECK(grown < 2048); /* ten bytes a life */
    CHECK_OK(gmp_ctx_err(parent));
}

SCENARIO(children_that_come_and_go_leave_nothing_in_the_parent) {
    check_start(2);
    gmp_ctx_t *parent = new_ctx(NULL);
    live_many(parent);
    CHECK_OK(gmp_run(live_many, parent));
    CHECK_EQ(check_stats().timers_pending, 0);
    CHECK_OK(gmp_ctx_cancel(parent));
    gmp_ctx_free(parent);
}

/* ------------------------------------------------------------ references in any order */
enum { SLOTS = 64 };

struct seeded {
    uint64_t random;
    gmp_ctx_t *slot[SLOTS]; /* each holds one reference, or NULL */
};

static void one_step(struct seeded *s) {
    static int key;
    int at = (int)(check_random(&s->random) % SLOTS), from = (int)(check_random(&s->random) % SLOTS);
    gmp_ctx_t *parent = s->slot[from], *made = NULL;
    switch (check_random(&s->random) % 8) {
    case 0: CHECK_OK(gmp_ctx_new(parent, GMP_FOREVER, &made)); break;
    case 1: CHECK_OK(gmp_ctx_new(parent, gmp_after_ns((int64_t)(check_random(&s->random) % 100000)), &made)); break;
    case 2: CHECK_OK(gmp_ctx_with_value(parent, &key, s, &made)); break;
    case 3: CHECK_OK(gmp_ctx_without_cancel(parent, &made)); break;
    case 4: made = gmp_ctx_ref(parent); break;
    case 5:
        if (parent) CHECK_OK(gmp_ctx_cancel(parent));
        return;
    case 6:
        if (parent) CHECK((gmp_ctx_err(parent) == GMP_OK) || gmp_ctx_cause(parent) < 0);
        return;
    default: break; /* only drop one */
    }
    gmp_ctx_free(s->slot[at]);
    s->slot[at] = made;
}

static void *walk(void *arg) {
    struct seeded *s = (struct seeded *)arg;
    for (int i = 0; i < 50000; i++) one_step(s);
    for (int i = 0; i < SLOTS; i++) gmp_ctx_free(s->slot[i]);
    return NULL;
}

SCENARIO(references_go_in_any_order) {
    enum { WALKS = 4 };
    static struct seeded seeded[WALKS];
    gmp_task_t *task[WALKS];
    check_start(2);
    for (int i = 0; i < WALKS; i++) {
        seeded[i].random = check_seed() * 31 + (uint64_t)i;
        CHECK_OK(gmp_spawn(walk, &seeded[i], NULL, &task[i]));
    }
    for (int i = 0; i < WALKS; i++) CHECK_OK(gmp_join(task[i], gmp_after_ns(100 * SECOND), NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* Tasks make, end and drop children of one parent while it ends. */
static void *make_children(void *arg) {
    gmp_ctx_t *parent = (gmp_ctx_t *)arg;
    for (int i = 0; i < 200; i++) {
        gmp_ctx_t *child = new_ctx(parent), *below = new_ctx(child);
        if (i % 3 == 0) CHECK_OK(gmp_ctx_cancel(child));
        if (gmp_ctx_err(child) != GMP_OK) CHECK(gmp_ctx_cause(child) == GMP_ECANCELED || gmp_ctx_cause(child) == -5202);
        gmp_ctx_free(child);
        if (i % 3 == 0) CHECK_CODE(gmp_ctx_err(below), GMP_ECANCELED);
        gmp_ctx_free(below);
    }
    gmp_ctx_t *born = new_ctx(parent);
    if (gmp_ctx_err(parent) != GMP_OK) CHECK_CODE(gmp_ctx_err(born), GMP_ECANCELED);
    gmp_ctx_free(born);
    return NULL;
}

SCENARIO(children_are_made_while_the_parent_ends) {
    uint64_t random = check_seed();
    check_start(2);
    for (int round = 0; round < 300; round++) {
        gmp_ctx_t *parent = new_ctx(NULL);
        gmp_task_t *task[3];
        for (int i = 0; i < 3; i++) CHECK_OK(gmp_spawn(make_children, parent, NULL, &task[i]));
        for (uint64_t i = check_random(&random) % 50000; i > 0; i--) __asm__ volatile("");
        CHECK_OK(gmp_ctx_cancel_cause(parent, -5202));
        for (int i = 0; i < 3; i++) CHECK_OK(gmp_join(task[i], SOON(), NULL));
        gmp_ctx_free(parent);
    }
}
