/* parked: n threads wait on one condition; bytes resident per thread, ms until all wait, ms to wake all and join. */
#include "pthread_frame.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER, came = PTHREAD_COND_INITIALIZER;
static long arrived, expected;
static int open_gate;

static void *wait_at_gate(void *unused) {
  pthread_mutex_lock(&lock);
  if (++arrived == expected) pthread_cond_signal(&came);
  while (!open_gate) pthread_cond_wait(&opened, &lock);
  pthread_mutex_unlock(&lock);
  return unused;
}

static void park_and_wake(long n, int rep, pthread_t *threads) {
  arrived = 0;
  expected = n;
  open_gate = 0;
  long before = bench_resident();
  int64_t start = bench_now();
  for (long i = 0; i < n; i++) threads[i] = bench_thread(wait_at_gate, NULL);
  pthread_mutex_lock(&lock);
  while (arrived < n) pthread_cond_wait(&came, &lock);
  int64_t parked = bench_now();
  long grown = bench_resident() - before;
  int64_t wake = bench_now();
  open_gate = 1;
  pthread_cond_broadcast(&opened);
  pthread_mutex_unlock(&lock);
  for (long i = 0; i < n; i++) bench_join(threads[i], NULL);
  int64_t end = bench_now();
  bench_line("parked", "pthread", &args, rep, "resident", (double)grown / n, "B");
  bench_line("parked", "pthread", &args, rep, "create", (parked - start) / 1e6, "ms");
  bench_line("parked", "pthread", &args, rep, "wake_all", (end - wake) / 1e6, "ms");
}

int main(int argc, char **argv) {
  bench_start(argc, argv);
  pthread_t *threads = calloc((size_t)args.n + 100, sizeof *threads);
  if (!threads) bench_die("no memory");
  park_and_wake(100, -1, threads);
  park_and_wake(args.n, 0, threads);
  free(threads);
  return 0;
}
