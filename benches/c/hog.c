/* hog: P tasks compute without a call until a new task has run: how long that takes. n times, with new hogs each time;
 * ms, the mean and the worst. `mean`, `worst`: a timer makes the new task while they compute, 0 to 100 ms after they were
 * started. `fresh_*`: the last of them to start makes it, and then computes. The main task is parked meanwhile. */
#include <stdatomic.h>

#include "gmp_frame.h"

static gmp_wg_t all;
static atomic_int computing, let_go;
static int fresh;
static int64_t made, ran;

static void new_task(void *unused) {
  (void)unused;
  ran = bench_now();
  atomic_store(&let_go, 1);
  CHECK(gmp_wg_done(&all));
}

static void hog(void *unused) {
  (void)unused;
  if (atomic_fetch_add(&computing, 1) + 1 == args.procs && fresh) {
    made = bench_now();
    CHECK(gmp_go(new_task, NULL));
  }
  while (!atomic_load_explicit(&let_go, memory_order_relaxed)) {
  }
}

static void measure_one(int rep, const char *mean, const char *worst_of) {
  long n = bench_size(&args, rep);
  int64_t sum = 0, worst = 0;
  for (long i = 0; i < n; i++) {
    gmp_timer_t *timer = NULL;
    atomic_store(&computing, 0);
    atomic_store(&let_go, 0);
    CHECK(gmp_wg_add(&all, 1));
    if (!fresh) {
      int64_t span = bench_draw_sleep(i);
      made = bench_now() + span;
      CHECK(gmp_timer_func(span, new_task, NULL, &timer));
    }
    for (int p = 0; p < args.procs; p++) CHECK(gmp_wg_go(&all, hog, NULL));
    CHECK(gmp_wg_wait(&all, GMP_FOREVER));
    gmp_timer_free(timer);
    sum += ran - made;
    if (ran - made > worst) worst = ran - made;
  }
  bench_line("hog", "gmp", &args, rep, mean, sum / 1e6 / n, "ms");
  bench_line("hog", "gmp", &args, rep, worst_of, worst / 1e6, "ms");
}

static void measure(void *unused) {
  (void)unused;
  for (int rep = -1; rep < args.reps; rep++) {
    fresh = 0;
    measure_one(rep, "mean", "worst");
    fresh = 1;
    measure_one(rep, "fresh_mean", "fresh_worst");
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
