/* Finds a bug that depends on the order of tasks, and shows it again: lost_update [SEEDS]
 *
 * Three tellers pay into one account. The careless one looks at the balance under the mutex, and writes the new one under
 * the mutex, but lets go of it in between: what another pays in meanwhile is lost. In most orders nothing happens. With
 * sched_seed each number draws another order of the tasks, and the same number draws the same again: so the seeds that
 * lose money are a list of test cases. The careful teller, who keeps the mutex, must lose nothing with any of them.
 *
 *     cc lost_update.c -lgmp && ./a.out
 */
#include <gmprt.h>
#include <stdio.h>
#include <stdlib.h>

#define TELLERS 3
#define TIMES 2

static gmp_mutex_t mutex;
static long balance;

static void must(int code, const char *what) {
    if (code >= 0) return;
    fprintf(stderr, "lost_update: %s: %s\n", what, gmp_strerror(code));
    exit(1);
}

static void lock(void) { must(gmp_mutex_lock(&mutex, GMP_FOREVER), "lock"); }
static void unlock(void) { must(gmp_mutex_unlock(&mutex), "unlock"); }

static void pay_in_carelessly(void *arg) {
    (void)arg;
    for (int n = 0; n < TIMES; n++) {
        lock();
        long seen = balance;
        unlock();
        lock();
        balance = seen + 1;
        unlock();
    }
}

static void pay_in_carefully(void *arg) {
    (void)arg;
    for (int n = 0; n < TIMES; n++) {
        lock();
        balance++;
        unlock();
    }
}

/* The first task starts all others: what a thread does is not drawn. */
static void open_the_bank(void *teller) {
    gmp_wg_t all = {{0, 0}};
    for (int n = 0; n < TELLERS; n++) must(gmp_wg_go(&all, *(gmp_fn_t *)teller, NULL), "a teller");
    must(gmp_wg_wait(&all, GMP_FOREVER), "wait");
}

typedef struct {
    long lost;
    uint64_t trace;
} day_t;

/* One runtime, one order. */
static day_t one_day(uint64_t seed, gmp_fn_t teller) {
    gmp_config_t config;
    must(gmp_config_init(&config, sizeof config), "config");
    config.sched_seed = seed;
    must(gmp_start(&config), "start");
    balance = 0;
    must(gmp_run(open_the_bank, &teller), "run");
    must(gmp_wait_idle(GMP_FOREVER), "wait");
    day_t day = {TELLERS * TIMES - balance, gmp_trace_hash()};
    must(gmp_shutdown(GMP_FOREVER), "stop");
    return day;
}

/* How many of the seeds lose money. Those that do must do it again, in the same order. */
static long try_all(long seeds, gmp_fn_t teller, const char *name) {
    long found = 0;
    for (long seed = 1; seed <= seeds; seed++) {
        day_t day = one_day((uint64_t)seed, teller);
        if (day.lost == 0) continue;
        if (found++ < 5) printf("%s: seed %ld loses %ld of %d\n", name, seed, day.lost, TELLERS * TIMES);
        day_t again = one_day((uint64_t)seed, teller);
        if (again.lost != day.lost || again.trace != day.trace) {
            fprintf(stderr, "lost_update: seed %ld was not the same again\n", seed);
            exit(1);
        }
    }
    printf("%s: %ld of %ld seeds lose money, and each did it twice\n", name, found, seeds);
    return found;
}

int main(int argc, char **argv) {
    long seeds = argc > 1 ? atol(argv[1]) : 1000;
    if (seeds < 1) must(GMP_EINVAL, "at least one seed");
    long careless = try_all(seeds, pay_in_carelessly, "careless");
    long careful = try_all(seeds, pay_in_carefully, "careful");
    return careless > 0 && careful == 0 ? 0 : 1;
}
