/* Tickers: aligned to their start, one stale tick at most for a slow reader, none after a stop. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
#include "waits.h"

#define HOUR (3600 * SECOND)

static gmp_timer_t *ticker;

static gmp_timer_t *every(int64_t period) {
    gmp_timer_t *made = NULL;
    CHECK_OK(gmp_ticker_new(period, &made));
    CHECK(made != NULL && gmp_timer_channel(made) != NULL);
    return made;
}

static gmp_time_t tick(gmp_timer_t *t) {
    gmp_time_t value;
    CHECK_OK(gmp_chan_recv(gmp_timer_channel(t), &value, SOON()));
    CHECK(value <= gmp_now());
    return value;
}

static void nothing_comes(gmp_timer_t *t, int64_t for_ns) {
    CHECK_CODE(gmp_chan_recv(gmp_timer_channel(t), NULL, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_chan_recv(gmp_timer_channel(t), NULL, gmp_after_ns(for_ns)), GMP_ETIMEDOUT);
}

SCENARIO(period_that_is_not_above_zero_is_einval) {
    static const int64_t periods[] = {0, -1, INT64_MIN};
    for (int i = 0; i < 3; i++) {
        gmp_timer_t *t = (gmp_timer_t *)17;
        CHECK_CODE(gmp_ticker_new(periods[i], &t), GMP_EINVAL);
        CHECK(t == (gmp_timer_t *)17);
    }
    CHECK_CODE(gmp_ticker_new(1, NULL), GMP_EINVAL);
    ticker = every(MS);
    gmp_time_t first = tick(ticker);
    for (int i = 0; i < 3; i++) CHECK_CODE(gmp_timer_reset(ticker, periods[i]), GMP_EINVAL);
    for (int i = 0; i < 5; i++) CHECK_EQ((tick(ticker) - first) % MS, 0); /* refused, and going on as before */
    CHECK_CODE(gmp_timer_stop(ticker), 1);
    for (int i = 0; i < 3; i++) CHECK_CODE(gmp_timer_reset(ticker, periods[i]), GMP_EINVAL);
    nothing_comes(ticker, 3 * MS); /* nor did a refused reset start it */
    gmp_timer_free(ticker);
}

/* ------------------------------------------------------------ phase */
static void keep_phase(void *arg) {
    int64_t period = (intptr_t)arg;
    gmp_time_t from = gmp_after_ns(period);
    gmp_timer_t *t = every(period);
    gmp_time_t to = gmp_after_ns(period), first = tick(t), last = first;
    CHECK(first >= from && first <= to);
    for (int i = 0; i < 50; i++) {
        gmp_time_t next = tick(t);
        CHECK(next > last);
        CHECK_EQ((next - first) % period, 0);
        last = next;
    }
    CHECK_CODE(gmp_timer_stop(t), 1);
    nothing_comes(t, 2 * period);
    gmp_timer_free(t);
}

SCENARIO(ticks_stay_aligned_to_the_start) {
    struct party party[6];
    for (intptr_t i = 0; i < 6; i++) {
        party_start(&party[i], i % 2 ? THREAD : TASK, keep_phase, (void *)(i * 100000 + 300000));
    }
    parties_end(party, 6);
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* Who comes late finds the tick that was due first, and then none that was due before it came. */
static void read_slowly(void *arg) {
    enum { PERIOD = 2000000 };
    gmp_timer_t *t = every(PERIOD);
    gmp_time_t first = tick(t), before = first;
    (void)arg;
    CHECK_EQ(gmp_chan_len(gmp_timer_channel(t)), 0);
    for (int i = 0; i < 10; i++) {
        CHECK_OK(gmp_sleep(PERIOD * 5 + i * 300000));
        CHECK_EQ(gmp_chan_len(gmp_timer_channel(t)), 0);
        gmp_time_t came = gmp_now(), stale, next;
        CHECK_OK(gmp_chan_recv(gmp_timer_channel(t), &stale, GMP_NOWAIT));
        CHECK(stale > before && stale <= came);
        next = tick(t);
        CHECK(next > came);
        CHECK_EQ((stale - first) % PERIOD, 0);
        CHECK_EQ((next - first) % PERIOD, 0);
        before = next;
    }
    gmp_timer_free(t);
}

SCENARIO(slow_reader_sees_one_stale_tick_then_aligned_ones) {
    read_slowly(NULL);
    CHECK_OK(gmp_run(read_slowly, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* No machine has looked at the ticker meanwhile: it is the same. */
static void compute_and_read(void *arg) {
    enum { PERIOD = 1000000 };
    gmp_timer_t *t = every(PERIOD);
    gmp_time_t first = tick(t);
    (void)arg;
    for (int i = 0; i < 10; i++) {
        gmp_time_t stale, came, next;
        spin_for(3 * PERIOD + PERIOD / 2);
        came = gmp_now();
        CHECK_OK(gmp_chan_recv(gmp_timer_channel(t), &stale, GMP_NOWAIT));
        CHECK(stale <= came);
        next = tick(t);
        CHECK(next > came);
        CHECK_EQ((next - first) % PERIOD, 0);
    }
    gmp_timer_free(t);
}

SCENARIO(reader_that_computed_sees_one_stale_tick) {
    gmp_max_procs(1);
    CHECK_OK(gmp_run(compute_and_read, NULL));
}

SCENARIO(late_reader_finds_one_tick_not_many) {
    enum { PERIOD = 1000000 };
    for (int i = 0; i < 5; i++) {
        ticker = every(PERIOD);
        CHECK_OK(gmp_sleep(20 * PERIOD));
        int found = 0;
        gmp_time_t from = gmp_now();
        while (gmp_chan_recv(gmp_timer_channel(ticker), NULL, GMP_NOWAIT) == GMP_OK) found++;
        CHECK(found >= 1 && found <= 2 + (gmp_now() - from) / PERIOD);
        gmp_timer_free(ticker);
    }
}

/* ------------------------------------------------------------ stop and reset */
static void stop_and_reset(void *arg) {
    gmp_timer_t *t = every(HOUR);
    gmp_time_t from, to, first;
    (void)arg;
    nothing_comes(t, MS);
    CHECK_CODE(gmp_timer_stop(t), 1);
    CHECK_CODE(gmp_timer_stop(t), 0);
    from = gmp_after_ns(MS);
    CHECK_CODE(gmp_timer_reset(t, MS), 0);
    to = gmp_after_ns(MS);
    first = tick(t);
    CHECK(first >= from && first <= to);
    CHECK_EQ((tick(t) - first) % MS, 0);
    CHECK_CODE(gmp_timer_reset(t, 3 * MS), 1); /* a running one always has a tick to come */
    first = tick(t);
    CHECK_EQ((tick(t) - first) % (3 * MS), 0);
    CHECK_OK(gmp_sleep(10 * MS)); /* a tick is due, and never looked at */
    CHECK_CODE(gmp_timer_reset(t, HOUR), 1);
    nothing_comes(t, 5 * MS);
    CHECK_CODE(gmp_timer_reset(t, 100000), 1);
    CHECK_OK(gmp_sleep(MS));
    CHECK_CODE(gmp_timer_stop(t), 1);
    nothing_comes(t, 2 * MS);
    CHECK_CODE(gmp_timer_stop(t), 0);
    CHECK_CODE(gmp_timer_reset(t, INT64_MAX), 0);
    nothing_comes(t, MS);
    CHECK_CODE(gmp_timer_reset(t, 100000), 1);
    tick(t);
    tick(t);
    gmp_timer_free(t); /* running */
}

SCENARIO(stop_and_reset_leave_nothing_stale) {
    for (int i = 0; i < 5; i++) {
        stop_and_reset(NULL);
        CHECK_OK(gmp_run(stop_and_reset, NULL));
    }
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(longest_period_neither_ticks_nor_overflows) {
    static const int64_t periods[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2};
    for (int i = 0; i < 3; i++) {
        ticker = every(periods[i]);
        nothing_comes(ticker, 2 * MS);
        gmp_timer_free(ticker);
    }
}

/* Shorter than any machine can keep up with: ticks are dropped, and the processor is not lost to them. */
static void *tick_for_nobody(void *arg) {
    for (int i = 0; i < 1000; i++) {
        gmp_timer_t *t = every(1 + i % 100);
        gmp_time_t first = tick(t), second = tick(t);
        CHECK(second > first && (second - first) % (1 + i % 100) == 0);
        gmp_timer_free(t);
    }
    return arg;
}

SCENARIO(shortest_periods_tick) {
    gmp_task_t *task;
    CHECK_OK(gmp_spawn(tick_for_nobody, NULL, NULL, &task));
    tick_for_nobody(NULL);
    CHECK_OK(gmp_join(task, SOON(), NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ several readers */
enum { TICKS = 200 };
static gmp_time_t seen[TICKS];
static atomic_int taken;

static void take_ticks(void *arg) {
    (void)arg;
    for (;;) {
        gmp_time_t value = tick(ticker);
        int place = atomic_fetch_add(&taken, 1);
        if (place >= TICKS) return;
        seen[place] = value;
    }
}

static int by_time(const void *a, const void *b) {
    gmp_time_t one = *(const gmp_time_t *)a, other = *(const gmp_time_t *)b;
    return (one > other) - (one < other);
}

SCENARIO(each_tick_is_received_once) {
    enum { PERIOD = 50000 };
    struct party party[4];
    CHECK_OK(gmp_start(NULL));
    ticker = every(PERIOD);
    for (int i = 0; i < 4; i++) party_start(&party[i], i ? TASK : THREAD, take_ticks, NULL);
    parties_end(party, 4);
    qsort(seen, TICKS, sizeof *seen, by_time);
    for (int i = 1; i < TICKS; i++) {
        CHECK(seen[i] > seen[i - 1]);
        CHECK_EQ((seen[i] - seen[0]) % PERIOD, 0);
    }
    gmp_timer_free(ticker);
}
