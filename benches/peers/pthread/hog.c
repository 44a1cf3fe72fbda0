/* hog: P threads compute on P CPUs; the last of them to start makes a new thread first: how long until that one runs.
 * n times, with new threads each time; ms, the mean and the worst. */
#include "pthread_frame.h"
#include <stdatomic.h>

static atomic_int computing, let_go;
static int64_t made, ran;
static pthread_t newest;

static void *new_thread(void *unused) {
  ran = bench_now();
  atomic_store(&let_go, 1);
  return unused;
}

static void *hog(void *unused) {
  if (atomic_fetch_add(&computing, 1) + 1 == args.procs) {
    made = bench_now();
    newest = bench_thread(new_thread, NULL);
  }
  while (!atomic_load_explicit(&let_go, memory_order_relaxed)) {
  }
  return unused;
}

int main(int argc, char **argv) {
  bench_start(argc, argv);
  pthread_t *hogs = calloc((size_t)args.procs, sizeof *hogs);
  if (!hogs) bench_die("no memory");
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    int64_t sum = 0, worst = 0;
    for (long i = 0; i < n; i++) {
      atomic_store(&computing, 0);
      atomic_store(&let_go, 0);
      for (int p = 0; p < args.procs; p++) hogs[p] = bench_thread(hog, NULL);
      for (int p = 0; p < args.procs; p++) bench_join(hogs[p], NULL);
      bench_join(newest, NULL);
      sum += ran - made;
      if (ran - made > worst) worst = ran - made;
    }
    bench_line("hog", "pthread", &args, rep, "mean", sum / 1e6 / n, "ms");
    bench_line("hog", "pthread", &args, rep, "worst", worst / 1e6, "ms");
  }
  free(hogs);
  return 0;
}
