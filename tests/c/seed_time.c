/* A seeded runtime's virtual time: it goes on when all tasks are parked, and whatever knows the time agrees. */
#include <time.h>

#include "seeded.h"

#define HOUR (3600 * SECOND)

static gmp_chan_t *news;

static void *sleep_an_hour(void *arg) {
    gmp_time_t before = gmp_now();
    CHECK_OK(gmp_sleep(HOUR));
    CHECK_EQ(gmp_now() - before, HOUR);
    atomic_fetch_add((atomic_int *)arg, 1);
    return NULL;
}

static void hours(void *arg) {
    (void)arg;
    atomic_int slept = 0;
    gmp_time_t before = gmp_now();
    gmp_task_t *task[5];
    for (int n = 0; n < 5; n++) CHECK_OK(gmp_spawn(sleep_an_hour, &slept, NULL, &task[n]));
    for (int n = 0; n < 5; n++) CHECK_OK(gmp_join(task[n], GMP_FOREVER, NULL));
    CHECK_EQ(atomic_load(&slept), 5);
    CHECK_EQ(gmp_now() - before, HOUR);
}

static int64_t real_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

SCENARIO(virtual_hour_takes_no_time) {
    int64_t before = real_now();
    trace_of(check_seed(), GMP_CONFIG_VIRTUAL_TIME, hours);
    CHECK(real_now() - before < 30 * SECOND);
}

static atomic_int fired;

static void count_fired(void *arg) {
    (void)arg;
    atomic_fetch_add(&fired, 1);
}

static void all_that_knows_the_time(void *arg) {
    (void)arg;
    gmp_time_t start = gmp_now();
    CHECK_EQ(start, 1000 * SECOND);
    CHECK_EQ(gmp_after_ns(5), start + 5);

    gmp_chan_t *chan;
    CHECK_OK(gmp_chan_new(0, 0, &chan));
    CHECK_CODE(gmp_chan_recv(chan, NULL, start + HOUR), GMP_ETIMEDOUT);
    CHECK_EQ(gmp_now(), start + HOUR);
    CHECK_CODE(gmp_chan_recv(chan, NULL, start + HOUR), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_chan_recv(chan, NULL, GMP_NOWAIT), GMP_EAGAIN);
    gmp_chan_free(chan);

    gmp_timer_t *timer;
    gmp_time_t tick;
    CHECK_OK(gmp_timer_func(2 * HOUR, count_fired, NULL, &timer));
    CHECK_OK(gmp_sleep(HOUR));
    CHECK_EQ(atomic_load(&fired), 0);
    CHECK_OK(gmp_sleep(HOUR + 1));
    CHECK_EQ(atomic_load(&fired), 1);
    gmp_timer_free(timer);

    gmp_timer_t *ticker;
    CHECK_OK(gmp_ticker_new(10 * SECOND, &ticker));
    gmp_time_t base = gmp_now();
    for (int n = 1; n <= 100; n++) {
        CHECK_OK(gmp_chan_recv(gmp_timer_channel(ticker), &tick, GMP_FOREVER));
        CHECK_EQ(tick, base + n * 10 * SECOND);
        CHECK_EQ(gmp_now(), tick);
    }
    gmp_timer_free(ticker);

    gmp_ctx_t *ctx;
    base = gmp_now();
    CHECK_OK(gmp_ctx_new(NULL, base + HOUR, &ctx));
    CHECK_EQ(gmp_ctx_err(ctx), 0);
    CHECK_CODE(gmp_chan_recv(gmp_ctx_done(ctx), NULL, GMP_FOREVER), GMP_ECLOSED);
    CHECK_EQ(gmp_now(), base + HOUR);
    CHECK_CODE(gmp_ctx_err(ctx), GMP_ETIMEDOUT);
    gmp_ctx_free(ctx);
}

SCENARIO(clock_timers_contexts_and_deadlines_agree) {
    trace_of(check_seed(), GMP_CONFIG_VIRTUAL_TIME, all_that_knows_the_time);
    /* And it is over with the runtime. */
    int64_t before = real_now();
    CHECK(gmp_now() >= before && gmp_now() < before + 60 * SECOND);
}

static gmp_chan_t *slow;

static void answer_after_two_hours(void *arg) {
    (void)arg;
    CHECK_OK(gmp_sleep(2 * HOUR));
    CHECK_OK(gmp_chan_send(slow, NULL, GMP_FOREVER));
}

SCENARIO(thread_waits_until_its_deadline_in_real_time) {
    start_seeded(3, GMP_CONFIG_VIRTUAL_TIME);
    CHECK_OK(gmp_chan_new(0, 0, &slow));
    int64_t before = real_now();
    CHECK_CODE(gmp_chan_recv(slow, NULL, gmp_after_ns(20 * MS)), GMP_ETIMEDOUT);
    CHECK(real_now() - before >= 20 * MS);
    /* Meanwhile the tasks' time goes on without it. */
    CHECK_OK(gmp_go(answer_after_two_hours, NULL));
    CHECK_OK(gmp_chan_recv(slow, NULL, gmp_after_ns(30 * SECOND)));
    CHECK(real_now() - before < 40 * SECOND);
    CHECK(gmp_now() >= 1000 * SECOND + 2 * HOUR);
    gmp_chan_free(slow);
    stop();
}

SCENARIO(timer_of_a_thread_fires) {
    start_seeded(3, GMP_CONFIG_VIRTUAL_TIME);
    for (int round = 0; round < 200; round++) {
        gmp_timer_t *timer;
        gmp_time_t value;
        CHECK_OK(gmp_timer_chan(HOUR, &timer));
        /* No deadline: the hour passes at once, and may have before the call. */
        CHECK_OK(gmp_chan_recv(gmp_timer_channel(timer), &value, GMP_FOREVER));
        gmp_timer_free(timer);
    }
    CHECK(gmp_now() >= 1000 * SECOND + 200 * HOUR);
    stop();
}

static void *wait_for_news(void *arg) {
    (void)arg;
    CHECK_OK(gmp_chan_recv(news, NULL, GMP_FOREVER));
    return NULL;
}

/* A ticker that nobody hears, and a task that waits for a thread: time runs, and the thread is heard. */
SCENARIO(unheard_ticker_keeps_nobody_waiting) {
    start_seeded(3, GMP_CONFIG_VIRTUAL_TIME);
    gmp_timer_t *ticker;
    gmp_task_t *task;
    CHECK_OK(gmp_chan_new(0, 0, &news));
    CHECK_OK(gmp_ticker_new(SECOND, &ticker));
    CHECK_OK(gmp_spawn(wait_for_news, NULL, NULL, &task));
    while (gmp_now() < 1000 * SECOND + 3000 * SECOND) usleep(1000);
    CHECK_OK(gmp_chan_send(news, NULL, gmp_after_ns(30 * SECOND)));
    CHECK_OK(gmp_join(task, gmp_after_ns(30 * SECOND), NULL));
    gmp_timer_free(ticker);
    gmp_chan_free(news);
    stop();
}

SCENARIO(virtual_time_without_a_seed_is_einval) {
    gmp_config_t config;
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.flags = GMP_CONFIG_VIRTUAL_TIME;
    CHECK_CODE(gmp_start(&config), GMP_EINVAL);
    config.sched_seed = 1;
    CHECK_OK(gmp_start(&config));
    CHECK_EQ(gmp_now(), 1000 * SECOND);
    stop();
}
