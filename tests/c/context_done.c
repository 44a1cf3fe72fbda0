/* What follows a context's end: its done channel for every observer, and functions that run after it (§26.4, 26.6). */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

static gmp_ctx_t *new_ctx(gmp_ctx_t *parent) {
    gmp_ctx_t *ctx = NULL;
    CHECK_OK(gmp_ctx_new(parent, GMP_FOREVER, &ctx));
    return ctx;
}

static gmp_ctx_hook_t *after(gmp_ctx_t *ctx, gmp_fn_t fn, void *arg) {
    gmp_ctx_hook_t *hook = NULL;
    CHECK_OK(gmp_ctx_after_func(ctx, fn, arg, &hook));
    CHECK(hook != NULL);
    return hook;
}

/* ------------------------------------------------------------ err says so: done is closed */
enum { OBSERVERS = 3, RACES = 3000 };
static gmp_ctx_t *parent, *child;
static pthread_barrier_t start, end;

/* The first observer is also the first to ask for the done channel, in the middle of the race. */
static void observe(gmp_ctx_t *ctx) {
    while (gmp_ctx_err(ctx) == GMP_OK) {
    }
    CHECK_CODE(gmp_chan_recv(gmp_ctx_done(ctx), NULL, GMP_NOWAIT), GMP_ECLOSED);
    CHECK_CODE(gmp_ctx_cause(ctx), -5100);
}

static void *observe_on_a_thread(void *arg) {
    intptr_t which = (intptr_t)arg;
    for (int race = 0; race < RACES; race++) {
        pthread_barrier_wait(&start);
        if (which == 2) {
            CHECK_CODE(gmp_chan_recv(gmp_ctx_done(child), NULL, SOON()), GMP_ECLOSED);
            CHECK_CODE(gmp_ctx_err(child), GMP_ECANCELED); /* and the other way round */
        }
        observe(which == 0 ? parent : child);
        pthread_barrier_wait(&end);
    }
    return NULL;
}

SCENARIO(error_is_never_seen_before_done_is_closed) {
    pthread_t thread[OBSERVERS];
    CHECK_EQ(pthread_barrier_init(&start, NULL, OBSERVERS + 1), 0);
    CHECK_EQ(pthread_barrier_init(&end, NULL, OBSERVERS + 1), 0);
    for (intptr_t i = 0; i < OBSERVERS; i++) {
        CHECK_EQ(pthread_create(&thread[i], NULL, observe_on_a_thread, (void *)i), 0);
    }
    for (int race = 0; race < RACES; race++) {
        parent = new_ctx(NULL);
        child = new_ctx(parent);
        if (race % 2) CHECK(gmp_ctx_done(parent) != NULL && gmp_ctx_done(child) != NULL);
        pthread_barrier_wait(&start);
        CHECK_OK(gmp_ctx_cancel_cause(parent, -5100));
        pthread_barrier_wait(&end);
        gmp_ctx_free(child);
        gmp_ctx_free(parent);
    }
    for (int i = 0; i < OBSERVERS; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

static atomic_int woken;

static void wait_for_done(void *arg) {
    gmp_case_t cases[2] = {{GMP_CASE_RECV, 0, NULL, NULL}, {GMP_CASE_RECV, 0, gmp_ctx_done((gmp_ctx_t *)arg), NULL}};
    size_t chosen = 0;
    if (gmp_self_id() % 2) {
        CHECK_OK(gmp_select(cases, 2, SOON(), &chosen));
        CHECK_EQ(chosen, 1);
        CHECK_CODE(cases[1].status, GMP_ECLOSED);
    } else {
        CHECK_CODE(gmp_chan_recv(cases[1].chan, NULL, GMP_FOREVER), GMP_ECLOSED);
    }
    CHECK_CODE(gmp_ctx_err((gmp_ctx_t *)arg), GMP_ECANCELED);
    atomic_fetch_add(&woken, 1);
}

SCENARIO(done_wakes_everyone_who_waits_for_it) {
    enum { MANY = 1000 };
    check_start(2);
    gmp_ctx_t *root = new_ctx(NULL), *ctx = new_ctx(root);
    for (int i = 0; i < MANY; i++) CHECK_OK(gmp_go(wait_for_done, ctx));
    while (check_stats().tasks_parked != MANY) CHECK_OK(gmp_sleep(100000));
    CHECK_OK(gmp_ctx_cancel(root));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&woken), MANY);
    gmp_ctx_free(ctx);
    gmp_ctx_free(root);
}

/* ------------------------------------------------------------ functions after the end */
static atomic_int ran, stopped;
static gmp_wg_t gate;

static void count(void *arg) {
    CHECK(gmp_self_id() != 0); /* a task of its own */
    if (arg) CHECK(gmp_ctx_err((gmp_ctx_t *)arg) != GMP_OK);
    atomic_fetch_add(&ran, 1);
}

static void hold(void *arg) {
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    count(arg);
}

SCENARIO(functions_run_once_when_their_context_ends) {
    check_start(2);
    gmp_ctx_t *root = new_ctx(NULL), *ctx = new_ctx(root);
    gmp_ctx_hook_t *hook[10];
    for (int i = 0; i < 10; i++) hook[i] = after(ctx, count, ctx);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 0);
    CHECK_OK(gmp_ctx_cancel(root));
    CHECK_OK(gmp_ctx_cancel(ctx));
    CHECK_OK(gmp_ctx_cancel(root));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 10);
    for (int i = 0; i < 10; i++) CHECK_EQ(gmp_ctx_hook_stop(hook[i]), 0);
    CHECK_EQ(atomic_load(&ran), 10);
    gmp_ctx_free(ctx);
    gmp_ctx_free(root);
}

SCENARIO(function_runs_after_a_deadline_too) {
    gmp_ctx_t *ctx = NULL;
    gmp_time_t limit = SOON();
    CHECK_OK(gmp_ctx_new(NULL, gmp_after_ns(2 * MS), &ctx));
    gmp_ctx_hook_t *hook = after(ctx, count, ctx);
    while (atomic_load(&ran) == 0 && gmp_now() < limit) CHECK_OK(gmp_sleep(100000));
    CHECK_EQ(atomic_load(&ran), 1);
    CHECK_EQ(gmp_ctx_hook_stop(hook), 0);
    gmp_ctx_free(ctx);
}

SCENARIO(stopped_function_never_runs) {
    check_start(2);
    gmp_ctx_t *ctx = new_ctx(NULL);
    gmp_ctx_hook_t *hook[10];
    for (int i = 0; i < 10; i++) hook[i] = after(ctx, count, ctx);
    for (int i = 0; i < 10; i += 2) CHECK_EQ(gmp_ctx_hook_stop(hook[i]), 1);
    CHECK_OK(gmp_ctx_cancel(ctx));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 5);
    for (int i = 1; i < 10; i += 2) CHECK_EQ(gmp_ctx_hook_stop(hook[i]), 0);
    gmp_ctx_free(ctx);
}

SCENARIO(function_of_an_ended_context_starts_at_once) {
    gmp_ctx_t *ctx = new_ctx(NULL), *over = NULL;
    CHECK_OK(gmp_ctx_cancel(ctx));
    CHECK_OK(gmp_ctx_new(NULL, gmp_now() - 1, &over));
    gmp_ctx_hook_t *hook = after(ctx, count, ctx), *other = after(over, count, over);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 2);
    CHECK_EQ(gmp_ctx_hook_stop(hook), 0);
    CHECK_EQ(gmp_ctx_hook_stop(other), 0);
    gmp_ctx_free(ctx);
    gmp_ctx_free(over);
}

static void cancel_does_not_wait(void *arg) {
    (void)arg;
    gmp_ctx_t *ctx = new_ctx(NULL);
    gmp_ctx_hook_t *hook = after(ctx, hold, NULL);
    CHECK_OK(gmp_wg_add(&gate, 1));
    CHECK_OK(gmp_ctx_cancel(ctx)); /* comes back although the function waits for us */
    CHECK_EQ(gmp_ctx_hook_stop(hook), 0);
    CHECK_OK(gmp_wg_done(&gate));
    gmp_ctx_free(ctx);
}

SCENARIO(cancel_waits_for_no_function) {
    check_start(1);
    cancel_does_not_wait(NULL);
    CHECK_OK(gmp_run(cancel_does_not_wait, NULL));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 2);
}

static void do_everything_to(void *arg) {
    gmp_ctx_t *ctx = (gmp_ctx_t *)arg;
    CHECK_OK(gmp_ctx_cancel(ctx));
    gmp_ctx_t *below = new_ctx(ctx);
    CHECK_CODE(gmp_ctx_err(below), GMP_ECANCELED);
    gmp_ctx_free(below);
    gmp_ctx_free(ctx); /* the last reference */
    atomic_fetch_add(&ran, 1);
}

SCENARIO(function_may_use_and_free_its_context) {
    check_start(2);
    for (int i = 0; i < 1000; i++) {
        gmp_ctx_t *ctx = new_ctx(NULL);
        gmp_ctx_hook_t *hook = after(ctx, do_everything_to, gmp_ctx_ref(ctx));
        CHECK_OK(gmp_ctx_cancel(ctx));
        CHECK_EQ(gmp_ctx_hook_stop(hook), 0);
        gmp_ctx_free(ctx);
    }
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 1000);
}

SCENARIO(function_waits_on_for_a_context_that_its_owner_freed) {
    check_start(2);
    gmp_ctx_t *root = new_ctx(NULL), *ctx = new_ctx(root);
    gmp_ctx_hook_t *hook = after(ctx, count, NULL), *other = after(ctx, count, NULL);
    gmp_ctx_free(ctx);
    CHECK_EQ(gmp_ctx_hook_stop(other), 1);
    CHECK_OK(gmp_ctx_cancel(root));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 1);
    CHECK_EQ(gmp_ctx_hook_stop(hook), 0);
    gmp_ctx_free(root);
}

static gmp_ctx_t *raced;
static gmp_ctx_hook_t *raced_hook;

static void *stop_the_hook(void *arg) {
    (void)arg;
    for (int race = 0; race < RACES; race++) {
        pthread_barrier_wait(&start);
        int code = gmp_ctx_hook_stop(raced_hook);
        CHECK(code == 0 || code == 1);
        atomic_fetch_add(&stopped, code);
        pthread_barrier_wait(&end);
    }
    return NULL;
}

/* Whoever is first decides, and the answer of stop says who was. */
SCENARIO(stop_against_cancel_is_exact) {
    pthread_t thread;
    check_start(2);
    CHECK_EQ(pthread_barrier_init(&start, NULL, 2), 0);
    CHECK_EQ(pthread_barrier_init(&end, NULL, 2), 0);
    CHECK_EQ(pthread_create(&thread, NULL, stop_the_hook, NULL), 0);
    for (int race = 0; race < RACES; race++) {
        raced = new_ctx(NULL);
        raced_hook = after(raced, count, NULL);
        pthread_barrier_wait(&start);
        CHECK_OK(gmp_ctx_cancel(raced));
        pthread_barrier_wait(&end);
        CHECK_IDLE();
        CHECK_EQ(atomic_load(&ran) + atomic_load(&stopped), race + 1);
        gmp_ctx_free(raced);
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    printf("%d ran, %d were stopped\n", atomic_load(&ran), atomic_load(&stopped));
}
