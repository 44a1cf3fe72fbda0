/* The tree of contexts: who ends with whom, errors and causes, values (§26.1-26.3, 26.5, 26.7). */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <limits.h>
#include <pthread.h>

#include "check.h"

static gmp_ctx_t *new_ctx(gmp_ctx_t *parent) {
    gmp_ctx_t *ctx = NULL;
    CHECK_OK(gmp_ctx_new(parent, GMP_FOREVER, &ctx));
    CHECK(ctx != NULL);
    return ctx;
}

static gmp_ctx_t *with_value(gmp_ctx_t *parent, const void *key, void *value) {
    gmp_ctx_t *ctx = NULL;
    CHECK_OK(gmp_ctx_with_value(parent, key, value, &ctx));
    CHECK(ctx != NULL);
    return ctx;
}

static gmp_ctx_t *without_cancel(gmp_ctx_t *parent) {
    gmp_ctx_t *ctx = NULL;
    CHECK_OK(gmp_ctx_without_cancel(parent, &ctx));
    CHECK(ctx != NULL);
    return ctx;
}

static void is_live(gmp_ctx_t *ctx) {
    CHECK_OK(gmp_ctx_err(ctx));
    CHECK_OK(gmp_ctx_cause(ctx));
    CHECK_CODE(gmp_chan_recv(gmp_ctx_done(ctx), NULL, GMP_NOWAIT), GMP_EAGAIN);
}

static void is_cancelled(gmp_ctx_t *ctx, int cause) {
    CHECK_CODE(gmp_ctx_err(ctx), GMP_ECANCELED);
    CHECK_CODE(gmp_ctx_cause(ctx), cause);
    CHECK_CODE(gmp_chan_recv(gmp_ctx_done(ctx), NULL, GMP_NOWAIT), GMP_ECLOSED);
}

/* Everything of this file also from inside a task: there the parent NULL means something else, so none uses it. */
static void as_thread_and_as_task(gmp_fn_t fn) {
    check_start(2);
    fn(NULL);
    CHECK_OK(gmp_run(fn, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(new_context_is_live_before_the_runtime_was_started) {
    gmp_ctx_t *ctx = new_ctx(NULL);
    is_live(ctx);
    CHECK_EQ(gmp_ctx_deadline(ctx), GMP_FOREVER);
    CHECK(gmp_ctx_value(ctx, &ctx) == NULL);
    CHECK_OK(gmp_ctx_cancel(ctx));
    is_cancelled(ctx, GMP_ECANCELED);
    gmp_ctx_free(ctx);
}

SCENARIO(no_context_never_ends) {
    static int key;
    CHECK_OK(gmp_ctx_err(NULL));
    CHECK_OK(gmp_ctx_cause(NULL));
    CHECK_EQ(gmp_ctx_deadline(NULL), GMP_FOREVER);
    CHECK(gmp_ctx_value(NULL, &key) == NULL);
    CHECK(gmp_ctx_done(NULL) == NULL);
    CHECK(gmp_ctx_current() == NULL); /* we are no task */
    CHECK(gmp_ctx_ref(NULL) == NULL);
    gmp_ctx_free(NULL);
    CHECK_CODE(gmp_ctx_cancel(NULL), GMP_EINVAL);
    CHECK_CODE(gmp_ctx_cancel_cause(NULL, GMP_EPIPE), GMP_EINVAL);
}

/* ------------------------------------------------------------ ending */
static void end_a_subtree(void *arg) {
    (void)arg;
    gmp_ctx_t *root = without_cancel(NULL);
    gmp_ctx_t *a = new_ctx(root), *b = new_ctx(root), *aa = new_ctx(a), *ab = new_ctx(a), *aaa = new_ctx(aa);
    gmp_ctx_t *aaaa = new_ctx(aaa);
    gmp_chan_t *done = gmp_ctx_done(aaa);
    CHECK_OK(gmp_ctx_cancel(aa));
    is_live(root);
    is_live(a);
    is_live(ab);
    is_cancelled(aa, GMP_ECANCELED);
    is_cancelled(aaa, GMP_ECANCELED); /* before the cancel returned */
    is_cancelled(aaaa, GMP_ECANCELED);
    CHECK(gmp_ctx_done(aaa) == done);
    CHECK_OK(gmp_ctx_cancel(a));
    is_live(root);
    is_live(b);
    is_cancelled(ab, GMP_ECANCELED);
    gmp_ctx_t *all[] = {aaa, root, a, aa, b, ab, aaaa};
    for (int i = 0; i < 7; i++) gmp_ctx_free(all[i]);
}

SCENARIO(cancel_ends_what_is_below_and_nothing_else) { as_thread_and_as_task(end_a_subtree); }

static void give_causes(void *arg) {
    (void)arg;
    gmp_ctx_t *root = without_cancel(NULL);
    gmp_ctx_t *parent = new_ctx(root), *child = new_ctx(parent), *early = new_ctx(parent), *grandchild = new_ctx(early);
    CHECK_OK(gmp_ctx_cancel_cause(early, -70001)); /* no code of ours and no errno */
    is_cancelled(early, -70001);
    is_cancelled(grandchild, -70001);
    CHECK_OK(gmp_ctx_cancel_cause(parent, GMP_EPIPE));
    is_cancelled(parent, GMP_EPIPE);
    is_cancelled(child, GMP_EPIPE);
    is_cancelled(early, -70001); /* it had ended: the first cause stays */
    is_cancelled(grandchild, -70001);
    CHECK_OK(gmp_ctx_cancel_cause(parent, INT_MIN));
    CHECK_OK(gmp_ctx_cancel(parent));
    CHECK_OK(gmp_ctx_cancel_cause(child, GMP_EBADF));
    is_cancelled(parent, GMP_EPIPE);
    is_cancelled(child, GMP_EPIPE);
    gmp_ctx_t *late = new_ctx(parent), *later = with_value(late, &root, root); /* born as the parent ended */
    is_cancelled(late, GMP_EPIPE);
    is_cancelled(later, GMP_EPIPE);
    gmp_ctx_t *all[] = {root, parent, child, early, grandchild, late, later};
    for (int i = 0; i < 7; i++) gmp_ctx_free(all[i]);
}

SCENARIO(first_cause_stays_and_goes_down) { as_thread_and_as_task(give_causes); }

SCENARIO(plain_cancel_has_itself_as_cause) {
    gmp_ctx_t *ctx = new_ctx(NULL);
    CHECK_OK(gmp_ctx_cancel(ctx));
    CHECK_OK(gmp_ctx_cancel_cause(ctx, GMP_EPIPE));
    is_cancelled(ctx, GMP_ECANCELED);
    gmp_ctx_free(ctx);
}

SCENARIO(extreme_causes_come_back_as_given) {
    static const int cause[] = {-1, INT_MIN, GMP_ETIMEDOUT, GMP_ECANCELED, GMP_EMISUSE};
    for (int i = 0; i < 5; i++) {
        gmp_ctx_t *ctx = new_ctx(NULL);
        CHECK_OK(gmp_ctx_cancel_cause(ctx, cause[i]));
        is_cancelled(ctx, cause[i]); /* GMP_ETIMEDOUT as a cause makes no deadline of it */
        gmp_ctx_free(ctx);
    }
}

SCENARIO(cause_that_is_no_code_is_refused) {
    gmp_ctx_t *ctx = new_ctx(NULL);
    CHECK_CODE(gmp_ctx_cancel_cause(ctx, 1), GMP_EINVAL);
    CHECK_CODE(gmp_ctx_cancel_cause(ctx, INT_MAX), GMP_EINVAL);
    is_live(ctx);
    gmp_ctx_free(ctx);
}

SCENARIO(done_is_the_same_channel_each_time) {
    gmp_ctx_t *ctx = new_ctx(NULL), *child = new_ctx(ctx);
    gmp_chan_t *done = gmp_ctx_done(ctx);
    CHECK(done != NULL);
    CHECK(gmp_ctx_done(ctx) == done);
    CHECK(gmp_ctx_done(child) != done);
    CHECK_EQ(gmp_chan_len(done), 0);
    CHECK_EQ(gmp_chan_cap(done), 0);
    CHECK_OK(gmp_ctx_cancel(ctx));
    CHECK(gmp_ctx_done(ctx) == done);
    gmp_chan_t *kept = gmp_chan_ref(done);
    gmp_ctx_free(ctx);
    gmp_ctx_free(child);
    CHECK_CODE(gmp_chan_recv(kept, NULL, GMP_FOREVER), GMP_ECLOSED); /* a reference outlives the context */
    gmp_chan_free(kept);
}

SCENARIO(done_that_is_first_asked_for_after_the_end_is_closed) {
    gmp_ctx_t *ctx = new_ctx(NULL), *child = new_ctx(ctx);
    CHECK_OK(gmp_ctx_cancel(ctx));
    CHECK_CODE(gmp_chan_recv(gmp_ctx_done(child), NULL, GMP_FOREVER), GMP_ECLOSED);
    CHECK_CODE(gmp_chan_recv(gmp_ctx_done(ctx), NULL, GMP_FOREVER), GMP_ECLOSED);
    gmp_ctx_free(child);
    gmp_ctx_free(ctx);
}

/* ------------------------------------------------------------ values */
static void look_for_values(void *arg) {
    static int key, other, absent;
    int one, two, three;
    (void)arg;
    gmp_ctx_t *root = without_cancel(NULL);
    gmp_ctx_t *a = with_value(root, &key, &one), *b = with_value(a, &other, &two), *c = new_ctx(b);
    gmp_ctx_t *d = with_value(c, &key, &three), *e = without_cancel(d), *f = with_value(e, &other, NULL);
    CHECK(gmp_ctx_value(root, &key) == NULL);
    CHECK(gmp_ctx_value(a, &key) == &one);
    CHECK(gmp_ctx_value(a, &other) == NULL);
    CHECK(gmp_ctx_value(c, &key) == &one);
    CHECK(gmp_ctx_value(c, &other) == &two);
    CHECK(gmp_ctx_value(d, &key) == &three); /* the nearest */
    CHECK(gmp_ctx_value(d, &other) == &two);
    CHECK(gmp_ctx_value(e, &key) == &three);
    CHECK(gmp_ctx_value(e, &other) == &two);
    CHECK(gmp_ctx_value(f, &other) == NULL);
    CHECK(gmp_ctx_value(f, &absent) == NULL);
    CHECK_OK(gmp_ctx_cancel(c));
    CHECK(gmp_ctx_value(d, &other) == &two); /* values outlive the end */
    gmp_ctx_t *all[] = {a, b, c, d, e, root};
    for (int i = 0; i < 6; i++) gmp_ctx_free(all[i]);
    CHECK(gmp_ctx_value(f, &key) == &three); /* f keeps what is above it */
    gmp_ctx_free(f);
}

SCENARIO(value_is_the_nearest_on_the_way_up) { as_thread_and_as_task(look_for_values); }

SCENARIO(context_with_a_value_ends_with_its_parent) {
    static int key;
    gmp_ctx_t *parent = new_ctx(NULL), *valued = with_value(parent, &key, &key), *below = new_ctx(valued);
    is_live(valued);
    CHECK_OK(gmp_ctx_cancel_cause(parent, -5000));
    is_cancelled(valued, -5000);
    is_cancelled(below, -5000);
    gmp_ctx_free(below);
    gmp_ctx_free(valued);
    gmp_ctx_free(parent);
}

SCENARIO(without_cancel_keeps_values_and_drops_the_rest) {
    static int key;
    gmp_ctx_t *parent = NULL;
    CHECK_OK(gmp_ctx_new(NULL, gmp_after_ns(3600 * SECOND), &parent));
    gmp_ctx_t *valued = with_value(parent, &key, &key), *free_one = without_cancel(valued), *below = new_ctx(free_one);
    CHECK_EQ(gmp_ctx_deadline(free_one), GMP_FOREVER);
    CHECK_EQ(gmp_ctx_deadline(below), GMP_FOREVER);
    CHECK_OK(gmp_ctx_cancel_cause(parent, -5000));
    is_cancelled(valued, -5000);
    is_live(free_one);
    is_live(below);
    CHECK(gmp_ctx_value(below, &key) == &key);
    gmp_ctx_t *late = without_cancel(parent); /* also of one that has ended */
    is_live(late);
    CHECK_OK(gmp_ctx_cancel(below));
    is_live(free_one);
    gmp_ctx_t *all[] = {late, below, free_one, valued, parent};
    for (int i = 0; i < 5; i++) gmp_ctx_free(all[i]);
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ cancels at the same time */
enum { CANCELLERS = 4, CHILDREN = 16, RACES = 2000 };
static gmp_ctx_t *raced, *raced_child[CHILDREN];
static pthread_barrier_t start, end;

static void *cancel_with_own_cause(void *arg) {
    int mine = -6000 - (int)(intptr_t)arg;
    for (int race = 0; race < RACES; race++) {
        pthread_barrier_wait(&start);
        CHECK_OK(gmp_ctx_cancel_cause(raced, mine));
        int cause = gmp_ctx_cause(raced);
        CHECK(cause <= -6000 && cause > -6000 - CANCELLERS);
        CHECK_CODE(gmp_ctx_err(raced), GMP_ECANCELED);
        for (int i = 0; i < CHILDREN && cause == mine; i++) is_cancelled(raced_child[i], cause);
        pthread_barrier_wait(&end);
    }
    return NULL;
}

SCENARIO(one_of_many_cancels_wins) {
    pthread_t thread[CANCELLERS];
    CHECK_EQ(pthread_barrier_init(&start, NULL, CANCELLERS + 1), 0);
    CHECK_EQ(pthread_barrier_init(&end, NULL, CANCELLERS + 1), 0);
    for (intptr_t i = 0; i < CANCELLERS; i++) {
        CHECK_EQ(pthread_create(&thread[i], NULL, cancel_with_own_cause, (void *)i), 0);
    }
    for (int race = 0; race < RACES; race++) {
        raced = new_ctx(NULL);
        for (int i = 0; i < CHILDREN; i++) raced_child[i] = new_ctx(raced);
        pthread_barrier_wait(&start);
        pthread_barrier_wait(&end);
        int cause = gmp_ctx_cause(raced);
        for (int i = 0; i < CHILDREN; i++) {
            is_cancelled(raced_child[i], cause);
            gmp_ctx_free(raced_child[i]);
        }
        gmp_ctx_free(raced);
    }
    for (int i = 0; i < CANCELLERS; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

/* ------------------------------------------------------------ bad input */
static void refuse(void *arg) {
    (void)arg;
    gmp_ctx_t *ctx = NULL;
    CHECK_CODE(gmp_ctx_new(NULL, GMP_FOREVER, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_ctx_with_value(NULL, &ctx, &ctx, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_ctx_without_cancel(NULL, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_ctx_hook_stop(NULL), GMP_EINVAL);
    CHECK_OK(gmp_ctx_new(NULL, GMP_FOREVER, &ctx));
    gmp_ctx_hook_t *hook = NULL;
    CHECK_CODE(gmp_ctx_after_func(ctx, NULL, NULL, &hook), GMP_EINVAL);
    CHECK(hook == NULL);
    gmp_ctx_free(ctx);
}

SCENARIO(bad_arguments_are_refused) { as_thread_and_as_task(refuse); }
