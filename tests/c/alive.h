/* What the programs about liveness share: code that blocks or computes without a word to the runtime, and witnesses in
 * other tasks that the program goes on meanwhile.
 *
 * The one bound on time is that of the beat's worst gap. It is taken relative to the worst gap of a plain thread that
 * beats at the same time: what the machine does to everybody is no fault of ours. */
#ifndef GMP_TESTS_ALIVE_H
#define GMP_TESTS_ALIVE_H
#include <time.h>

#include "waits.h"

#define BEAT (10 * MS)
/* A witness may be this much later than the plain thread: it hangs on three threads, each of which a loaded machine holds up. */
#define LATER (1500 * MS)
enum { BEATS = 20, MOST_BEATS = 4096, MOST_FOREIGN = 64 };

/* `//@ with ALIVE_PROCS=2` */
__attribute__((unused)) static int alive_procs(void) {
    const char *text = getenv("ALIVE_PROCS");
    return text ? atoi(text) : 1;
}

/* ------------------------------------------------------------ witnesses */
static atomic_int alive_stop, alive_beats;
static atomic_long alive_rounds;
static int64_t alive_gaps[MOST_BEATS];
static gmp_task_t *alive_ticker, *alive_worker;

static void *alive_tick(void *unused) {
    gmp_time_t last = gmp_now(), now;
    (void)unused;
    while (!atomic_load(&alive_stop)) {
        int n = atomic_load(&alive_beats);
        CHECK_OK(gmp_sleep(BEAT));
        now = gmp_now();
        if (n < MOST_BEATS) alive_gaps[n] = now - last;
        last = now;
        atomic_store(&alive_beats, n + 1);
    }
    return NULL;
}

static void *alive_add_one(void *arg) { return (void *)((intptr_t)arg + 1); }

static void alive_answer(void *arg) {
    gmp_chan_t *questions = (gmp_chan_t *)arg;
    int value;
    while (gmp_chan_recv(questions, &value, GMP_FOREVER) == GMP_OK) gmp_yield();
    gmp_chan_free(questions);
}

/* Spawns, joins, yields and hands over, a millisecond apart. */
static void *alive_work(void *unused) {
    gmp_chan_t *questions;
    (void)unused;
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &questions));
    CHECK_OK(gmp_go(alive_answer, gmp_chan_ref(questions)));
    while (!atomic_load(&alive_stop)) {
        gmp_task_t *child;
        void *result;
        int value = 1;
        CHECK_OK(gmp_spawn(alive_add_one, (void *)41, NULL, &child));
        gmp_yield();
        CHECK_OK(gmp_join(child, GMP_FOREVER, &result));
        CHECK_EQ((intptr_t)result, 42);
        CHECK_OK(gmp_chan_send(questions, &value, GMP_FOREVER));
        atomic_fetch_add(&alive_rounds, 1);
        CHECK_OK(gmp_sleep(MS));
    }
    CHECK_OK(gmp_chan_close(questions));
    gmp_chan_free(questions);
    return NULL;
}

__attribute__((unused)) static void witnesses_start(void) {
    CHECK_OK(gmp_spawn(alive_tick, NULL, NULL, &alive_ticker));
    CHECK_OK(gmp_spawn(alive_work, NULL, NULL, &alive_worker));
    UNTIL(atomic_load(&alive_beats) >= 2 && atomic_load(&alive_rounds) >= 2, usleep(100));
}

__attribute__((unused)) static void witnesses_end(void) {
    atomic_store(&alive_stop, 1);
    CHECK_OK(gmp_join(alive_ticker, SOON(), NULL));
    CHECK_OK(gmp_join(alive_worker, SOON(), NULL));
}

static int alive_by_size(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

struct gaps {
    int64_t worst, median;
};

static struct gaps gaps_of(const int64_t *of, int n) {
    int64_t sorted[MOST_BEATS];
    CHECK(n > 0 && n <= MOST_BEATS);
    memcpy(sorted, of, (size_t)n * sizeof *of);
    qsort(sorted, (size_t)n, sizeof *sorted, alive_by_size);
    return (struct gaps){sorted[n - 1], sorted[n / 2]};
}

/* For the main thread: beats along until `BEATS` more gaps of the ticker have ended, then judges all since `from`. */
__attribute__((unused)) static void witnesses_keep_beating(const char *what, int from) {
    static int64_t control[MOST_BEATS];
    int enough = atomic_load(&alive_beats) + BEATS, n = 0, until;
    long rounds = atomic_load(&alive_rounds);
    gmp_time_t last = gmp_now(), end = SOON();
    struct gaps ours, plain;
    while (atomic_load(&alive_beats) < enough || n < BEATS) {
        gmp_time_t now;
        CHECK(gmp_now() < end || !"the ticker stands still");
        usleep(BEAT / 1000);
        now = gmp_now();
        if (n < MOST_BEATS) control[n++] = now - last;
        last = now;
    }
    until = atomic_load(&alive_beats);
    if (until > MOST_BEATS) until = MOST_BEATS;
    ours = gaps_of(alive_gaps + from, until - from);
    plain = gaps_of(control, n);
    printf("%s, P=%d: gaps of the beat: median %.1f ms, worst %.1f; of a plain thread %.1f, %.1f\n", what,
           alive_procs(), ours.median / 1e6, ours.worst / 1e6, plain.median / 1e6, plain.worst / 1e6);
    CHECK(ours.worst <= plain.worst + LATER);
    CHECK(ours.median <= plain.median + 4 * BEAT);
    CHECK(atomic_load(&alive_rounds) >= rounds + BEATS / 4);
}

/* ------------------------------------------------------------ foreign code */
static atomic_int foreign_entered, foreign_returned, let_go;

/* One task's stretch of foreign code: `body` calls foreign_starts() and then nothing of ours until it returns. */
typedef intptr_t (*foreign_body_t)(int index);

struct foreign {
    foreign_body_t body;
    int index;
    gmp_task_t *task;
};
static struct foreign foreign_tasks[MOST_FOREIGN];

__attribute__((unused)) static void foreign_starts(void) { atomic_fetch_add(&foreign_entered, 1); }

/* What comes after the stretch are calls like any others, on the same task. */
static void *foreign_task(void *arg) {
    struct foreign *f = (struct foreign *)arg;
    uint64_t id = gmp_self_id();
    intptr_t result = f->body(f->index);
    atomic_fetch_add(&foreign_returned, 1);
    CHECK_OK(gmp_checkpoint());
    CHECK_EQ(gmp_self_id(), id);
    gmp_yield();
    CHECK_OK(gmp_sleep(1000));
    return (void *)result;
}

__attribute__((unused)) static void foreign_start(int n, foreign_body_t body) {
    gmp_spawn_opts_t opts;
    CHECK(n <= MOST_FOREIGN);
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.name = "foreign";
    opts.stack_size = 512 * 1024; /* resolvers and databases are deep */
    for (int i = 0; i < n; i++) {
        foreign_tasks[i].body = body;
        foreign_tasks[i].index = i;
        CHECK_OK(gmp_spawn(foreign_task, &foreign_tasks[i], &opts, &foreign_tasks[i].task));
    }
}

__attribute__((unused)) static void foreign_end(int n, intptr_t result) {
    for (int i = 0; i < n; i++) {
        void *got;
        CHECK_OK(gmp_join(foreign_tasks[i].task, SOON(), &got));
        CHECK_EQ((intptr_t)got, result);
    }
}

/* `n` tasks are in foreign code at once until `release`, and the witnesses go on. */
__attribute__((unused)) static gmp_stats_t stays_alive(const char *what, int n, foreign_body_t body,
                                                       void (*release)(void), intptr_t result) {
    gmp_stats_t stats;
    int from;
    check_start(alive_procs());
    witnesses_start();
    from = atomic_load(&alive_beats);
    foreign_start(n, body);
    UNTIL(atomic_load(&foreign_entered) == n, usleep(100));
    witnesses_keep_beating(what, from);
    CHECK_EQ(atomic_load(&foreign_returned), 0);
    release();
    foreign_end(n, result);
    witnesses_end();
    CHECK_IDLE();
    stats = check_stats();
    CHECK_EQ(stats.tasks_blocked, 0);
    CHECK_EQ(stats.tasks_running, 0);
    CHECK_OK(gmp_shutdown(SOON()));
    return stats;
}

/* Asleep in the kernel, or computing. By the clock alone the first look says neither, and the second may come late; and on a
 * machine with more to do than it has CPUs a thread may stand for 10 ms before it comes to its system call. */
__attribute__((unused)) static int alive_knows_which(void) {
    const char *observe = getenv("GMP_TEST_OBSERVE");
    double load;
    if (observe != NULL && strcmp(observe, "clock") == 0) return 0;
    return getloadavg(&load, 1) == 1 && load <= (double)sysconf(_SC_NPROCESSORS_ONLN);
}

#define CHECK_RETAKEN(field, stats)                                                                                    \
    do {                                                                                                               \
        gmp_stats_t retaken = (stats);                                                                                 \
        CHECK(retaken.field >= 1 ||                                                                                    \
              (!alive_knows_which() && retaken.retakes_blocked + retaken.retakes_running >= 1));                       \
    } while (0)

__attribute__((unused)) static void release_by_flag(void) { atomic_store(&let_go, 1); }

__attribute__((unused)) static void sleep_in_the_kernel(int64_t ns) {
    struct timespec left = {ns / SECOND, ns % SECOND};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}
#endif
