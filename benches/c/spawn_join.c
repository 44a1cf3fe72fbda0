/* spawn_join: spawn one task, join it for its result, n times over; ns per spawn and join. */
#include "gmp_frame.h"

static void *same(void *value) { return value; }

static void measure(void *unused) {
  (void)unused;
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    int64_t start = bench_now();
    for (long i = 0; i < n; i++) {
      gmp_task_t *task;
      void *result;
      CHECK(gmp_spawn(same, (void *)(intptr_t)i, NULL, &task));
      CHECK(gmp_join(task, GMP_FOREVER, &result));
      if ((long)(intptr_t)result != i) bench_die("a join gave another task's result");
    }
    bench_line("spawn_join", "gmp", &args, rep, "task", (double)(bench_now() - start) / n, "ns");
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
