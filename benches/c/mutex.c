/* mutex: 8 tasks lock, count one up, unlock, n times in all; ns per lock and unlock. */
#include "gmp_frame.h"
#define TASKS 8

static gmp_mutex_t lock;
static long counter;

static void count_up(void *each) {
  for (long left = (long)(intptr_t)each; left > 0; left--) {
    CHECK(gmp_mutex_lock(&lock, GMP_FOREVER));
    counter++;
    CHECK(gmp_mutex_unlock(&lock));
  }
}

static void measure(void *unused) {
  (void)unused;
  for (int rep = -1; rep < args.reps; rep++) {
    long each = bench_size(&args, rep) / TASKS + 1;
    gmp_wg_t all = {{0}};
    counter = 0;
    int64_t start = bench_now();
    for (int i = 0; i < TASKS; i++) CHECK(gmp_wg_go(&all, count_up, (void *)(intptr_t)each));
    CHECK(gmp_wg_wait(&all, GMP_FOREVER));
    int64_t end = bench_now();
    if (counter != TASKS * each) bench_die("two tasks held the mutex at once");
    bench_line("mutex", "gmp", &args, rep, "pair", (double)(end - start) / (TASKS * each), "ns");
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
