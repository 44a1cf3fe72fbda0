/* Deadlines of contexts: the earlier one counts, a past one is over at birth, none leaves a timer (§26.3, 26.8). */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "check.h"

static gmp_ctx_t *until(gmp_ctx_t *parent, gmp_time_t deadline) {
    gmp_ctx_t *ctx = NULL;
    CHECK_OK(gmp_ctx_new(parent, deadline, &ctx));
    CHECK(ctx != NULL);
    return ctx;
}

static void is_over(gmp_ctx_t *ctx) {
    CHECK_CODE(gmp_ctx_err(ctx), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_ctx_cause(ctx), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_chan_recv(gmp_ctx_done(ctx), NULL, GMP_NOWAIT), GMP_ECLOSED);
}

static void wait_for_the_end(gmp_ctx_t *ctx) {
    CHECK_CODE(gmp_chan_recv(gmp_ctx_done(ctx), NULL, SOON()), GMP_ECLOSED);
}

SCENARIO(deadline_ends_a_context_and_what_is_below) {
    for (int round = 0; round < 20; round++) {
        gmp_time_t deadline = gmp_after_ns(round * 100000);
        gmp_ctx_t *ctx = until(NULL, deadline), *child = until(ctx, GMP_FOREVER);
        CHECK_EQ(gmp_ctx_deadline(ctx), deadline);
        CHECK_EQ(gmp_ctx_deadline(child), deadline);
        wait_for_the_end(child);
        CHECK(gmp_now() >= deadline);
        is_over(ctx);
        is_over(child);
        gmp_ctx_free(ctx);
        gmp_ctx_free(child);
    }
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(nobody_needs_to_watch_for_a_deadline_to_pass) {
    gmp_ctx_t *ctx = until(NULL, gmp_after_ns(2 * MS)); /* nobody asks for its done channel or its error */
    gmp_time_t limit = SOON();
    while (check_stats().timers_pending > 0 && gmp_now() < limit) CHECK_OK(gmp_sleep(100000));
    CHECK_EQ(check_stats().timers_pending, 0);
    is_over(ctx);
    gmp_ctx_free(ctx);
}

SCENARIO(the_earlier_deadline_counts) {
    gmp_time_t near = gmp_after_ns(1000 * SECOND), far = gmp_after_ns(2000 * SECOND);
    gmp_ctx_t *parent = until(NULL, far), *sooner = until(parent, near), *later = until(sooner, far);
    CHECK_EQ(gmp_ctx_deadline(parent), far);
    CHECK_EQ(gmp_ctx_deadline(sooner), near);
    CHECK_EQ(gmp_ctx_deadline(later), near);
    gmp_ctx_free(sooner);
    CHECK_EQ(gmp_ctx_deadline(later), near);
    gmp_ctx_free(later);
    gmp_ctx_free(parent);
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(child_over_first_leaves_its_parent_alone) {
    gmp_ctx_t *parent = until(NULL, gmp_after_ns(1000 * SECOND)), *child = until(parent, gmp_after_ns(MS));
    gmp_ctx_t *sibling = until(parent, GMP_FOREVER);
    wait_for_the_end(child);
    is_over(child);
    CHECK_OK(gmp_ctx_err(parent));
    CHECK_OK(gmp_ctx_err(sibling));
    CHECK_OK(gmp_ctx_cancel(parent));
    is_over(child); /* the first end stays */
    CHECK_CODE(gmp_ctx_err(sibling), GMP_ECANCELED);
    gmp_ctx_free(parent);
    gmp_ctx_free(child);
    gmp_ctx_free(sibling);
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(parent_over_first_takes_the_child_along) {
    gmp_ctx_t *parent = until(NULL, gmp_after_ns(MS)), *child = until(parent, gmp_after_ns(1000 * SECOND));
    wait_for_the_end(child);
    is_over(parent);
    is_over(child);
    gmp_ctx_free(parent);
    gmp_ctx_free(child);
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(past_deadline_is_over_at_birth) {
    gmp_time_t past[] = {gmp_now(), gmp_now() - SECOND, 1, GMP_NOWAIT, -1, INT64_MIN};
    for (int i = 0; i < 6; i++) {
        gmp_ctx_t *ctx = until(NULL, past[i]), *child = until(ctx, GMP_FOREVER), *cut = NULL;
        is_over(ctx);
        is_over(child);
        CHECK_EQ(gmp_ctx_deadline(ctx), past[i]);
        CHECK_OK(gmp_ctx_cancel_cause(ctx, GMP_EPIPE));
        is_over(ctx);
        CHECK_OK(gmp_ctx_without_cancel(ctx, &cut));
        CHECK_OK(gmp_ctx_err(cut));
        gmp_ctx_free(cut);
        gmp_ctx_free(child);
        gmp_ctx_free(ctx);
    }
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(past_deadline_below_leaves_the_parent_alone) {
    gmp_ctx_t *parent = until(NULL, GMP_FOREVER), *child = until(parent, gmp_now() - 1);
    is_over(child);
    CHECK_OK(gmp_ctx_err(parent));
    gmp_ctx_free(parent);
    gmp_ctx_free(child);
}

SCENARIO(child_of_a_cancelled_parent_is_cancelled_whatever_its_deadline) {
    gmp_ctx_t *parent = until(NULL, GMP_FOREVER);
    CHECK_OK(gmp_ctx_cancel_cause(parent, -5001));
    gmp_ctx_t *child = until(parent, gmp_after_ns(1000 * SECOND));
    CHECK_CODE(gmp_ctx_err(child), GMP_ECANCELED);
    CHECK_CODE(gmp_ctx_cause(child), -5001);
    gmp_ctx_free(parent);
    gmp_ctx_free(child);
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(cancel_before_the_deadline_stays_a_cancel) {
    gmp_time_t deadline = gmp_after_ns(5 * MS);
    gmp_ctx_t *ctx = until(NULL, deadline);
    CHECK_OK(gmp_ctx_cancel_cause(ctx, -5002));
    int before = gmp_ctx_err(ctx), cause = gmp_ctx_cause(ctx);
    CHECK_OK(gmp_sleep(10 * MS));
    CHECK_CODE(gmp_ctx_err(ctx), before);
    CHECK_CODE(gmp_ctx_cause(ctx), cause);
    CHECK_EQ(gmp_ctx_deadline(ctx), deadline);
    gmp_ctx_free(ctx);
}

/* ------------------------------------------------------------ nothing is left behind */
SCENARIO(cancel_and_free_take_the_timer_along) {
    enum { MANY = 1000 };
    static gmp_ctx_t *ctx[MANY];
    check_start(2);
    for (int i = 0; i < MANY; i++) ctx[i] = until(NULL, gmp_after_ns((1000 + i) * SECOND));
    CHECK_EQ(check_stats().timers_pending, MANY);
    for (int i = 0; i < MANY; i += 2) CHECK_OK(gmp_ctx_cancel(ctx[i]));
    CHECK_EQ(check_stats().timers_pending, MANY / 2);
    for (int i = 0; i < MANY; i++) gmp_ctx_free(ctx[i]); /* half of them live */
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(cancel_of_the_parent_takes_the_timers_below_along) {
    enum { MANY = 1000 };
    static gmp_ctx_t *ctx[MANY];
    check_start(2);
    gmp_ctx_t *parent = until(NULL, GMP_FOREVER);
    for (int i = 0; i < MANY; i++) ctx[i] = until(parent, gmp_after_ns((1000 + i) * SECOND));
    CHECK_EQ(check_stats().timers_pending, MANY);
    CHECK_OK(gmp_ctx_cancel(parent));
    CHECK_EQ(check_stats().timers_pending, 0);
    for (int i = 0; i < MANY; i++) gmp_ctx_free(ctx[i]);
    gmp_ctx_free(parent);
}

SCENARIO(contexts_need_no_tasks) {
    check_start(1);
    gmp_ctx_t *parent = until(NULL, GMP_FOREVER);
    for (int i = 0; i < 1000; i++) {
        gmp_ctx_t *child = until(parent, gmp_after_ns(i % 2 ? 1000 * SECOND : 1000));
        gmp_ctx_t *below = until(child, GMP_FOREVER);
        CHECK(gmp_ctx_done(below) != NULL);
        if (i % 2 == 0) wait_for_the_end(below);
        gmp_ctx_free(child);
        gmp_ctx_free(below);
    }
    CHECK_OK(gmp_ctx_cancel(parent));
    gmp_ctx_free(parent);
    CHECK_EQ(check_stats().tasks_created, 0);
}

/* ------------------------------------------------------------ deadline against cancel */
static void *cancel_it(void *arg) {
    CHECK_OK(gmp_ctx_cancel_cause((gmp_ctx_t *)arg, -5003));
    return NULL;
}

SCENARIO(deadline_against_cancel_gives_one_of_the_two_for_ever) {
    uint64_t random = check_seed();
    int over = 0, cancelled = 0;
    check_start(2);
    for (int round = 0; round < 3000; round++) {
        gmp_ctx_t *ctx = until(NULL, gmp_after_ns((int64_t)(check_random(&random) % 60000)));
        gmp_ctx_t *child = until(ctx, GMP_FOREVER);
        gmp_task_t *task;
        CHECK_OK(gmp_spawn(cancel_it, ctx, NULL, &task));
        wait_for_the_end(child);
        int err = gmp_ctx_err(child), cause = gmp_ctx_cause(child);
        CHECK(err == GMP_ETIMEDOUT ? cause == GMP_ETIMEDOUT : err == GMP_ECANCELED && cause == -5003);
        CHECK_OK(gmp_join(task, SOON(), NULL));
        CHECK_CODE(gmp_ctx_err(child), err);
        CHECK_CODE(gmp_ctx_err(ctx), err);
        CHECK_CODE(gmp_ctx_cause(ctx), cause);
        over += err == GMP_ETIMEDOUT;
        cancelled += err == GMP_ECANCELED;
        gmp_ctx_free(child);
        gmp_ctx_free(ctx);
    }
    printf("%d over, %d cancelled\n", over, cancelled);
    CHECK_EQ(check_stats().timers_pending, 0);
}
