/* unannounced: one task blocks again and again, 50 ms at a time, in nanosleep, read and pthread_mutex_lock by turns,
 * without saying so. n times in all; meanwhile a task yields and yields, and another sleeps for 1 ms at a time.
 * ms: `gap_*`, of the longest times without the yielding task, one for each time that the other blocked; `late_*`, of how
 * much later than asked for the sleeper came back. Half, 99 of 100, all of them were no longer. P = 1 is what it is about. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>

#include "gmp_frame.h"

#define BLOCKED 50000000L
#define GAP 20000 /* shorter ones are no gaps */

static atomic_long episode;
static atomic_int stop;
static int64_t *gaps, *lates;
static long late_n, late_most;
static int wanted[2], given[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t held;

static void pass_50_ms(void) {
  struct timespec span = {0, BLOCKED};
  nanosleep(&span, NULL);
}

/* The thread at the other end: it answers a request for a byte, or holds the mutex, for 50 ms. */
static void *other_end(void *unused) {
  char what;
  while (read(wanted[0], &what, 1) == 1) {
    if (what == 'm') {
      pthread_mutex_lock(&mutex);
      pthread_barrier_wait(&held);
      pass_50_ms();
      pthread_mutex_unlock(&mutex);
    } else {
      pass_50_ms();
      if (write(given[1], "x", 1) != 1) bench_die("write failed");
    }
  }
  return unused;
}

static void block(long turn) {
  char byte = 'x';
  if (turn % 3 == 0) {
    pass_50_ms();
  } else if (turn % 3 == 1) {
    if (write(wanted[1], "r", 1) != 1 || read(given[0], &byte, 1) != 1) bench_die("the pipe failed");
  } else {
    if (write(wanted[1], "m", 1) != 1) bench_die("the pipe failed");
    pthread_barrier_wait(&held);
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
  }
}

static void block_often(void *n) {
  for (long i = 0; i < (long)(intptr_t)n; i++) {
    atomic_store(&episode, i);
    block(i);
    CHECK(gmp_sleep(1000000));
  }
  atomic_store(&stop, 1);
}

static void yield_often(void *unused) {
  (void)unused;
  for (int64_t last = bench_now(), now; !atomic_load_explicit(&stop, memory_order_relaxed); last = now) {
    gmp_yield();
    now = bench_now();
    if (now - last < GAP) continue;
    long at = atomic_load(&episode);
    if (now - last > gaps[at]) gaps[at] = now - last;
  }
}

static void sleep_often(void *unused) {
  (void)unused;
  while (!atomic_load(&stop)) {
    int64_t start = bench_now();
    CHECK(gmp_sleep(1000000));
    if (late_n < late_most) lates[late_n++] = bench_now() - start - 1000000;
  }
}

static int by_size(const void *left, const void *right) {
  int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
  return (a > b) - (a < b);
}

static void lines(int rep, const char *what, int64_t *of, long n) {
  static const struct {
    const char *name;
    double share;
  } shown[] = {{"p50", 0.5}, {"p99", 0.99}, {"worst", 1.0}};
  qsort(of, (size_t)n, sizeof *of, by_size);
  for (int i = 0; i < 3; i++) {
    char metric[32];
    long at = (long)(shown[i].share * (double)n);
    snprintf(metric, sizeof metric, "%s_%s", what, shown[i].name);
    bench_line("unannounced", "gmp", &args, rep, metric, of[at < n ? at : n - 1] / 1e6, "ms");
  }
}

static void measure(void *unused) {
  (void)unused;
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    gmp_wg_t all = {{0}};
    late_n = 0;
    late_most = n * 200;
    gaps = calloc((size_t)n, sizeof *gaps);
    lates = calloc((size_t)late_most, sizeof *lates);
    if (!gaps || !lates) bench_die("no memory");
    atomic_store(&stop, 0);
    CHECK(gmp_wg_go(&all, yield_often, NULL));
    CHECK(gmp_wg_go(&all, sleep_often, NULL));
    CHECK(gmp_wg_go(&all, block_often, (void *)(intptr_t)n));
    CHECK(gmp_wg_wait(&all, GMP_FOREVER));
    lines(rep, "gap", gaps, n);
    lines(rep, "late", lates, late_n);
    free(gaps);
    free(lates);
  }
}

int main(int argc, char **argv) {
  pthread_t thread;
  if (pipe(wanted) || pipe(given) || pthread_barrier_init(&held, NULL, 2)) bench_die("no pipes");
  if (pthread_create(&thread, NULL, other_end, NULL)) bench_die("no thread");
  return bench_run_tasks(argc, argv, measure);
}
