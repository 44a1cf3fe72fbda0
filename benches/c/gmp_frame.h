/* What the gmp programs add to frame.h: start with P processors, run the row's main as a task, check each code.
 *
 * Always true: the timed section runs in a task, as it runs on a worker for each peer. */
#ifndef BENCH_GMP_FRAME_H
#define BENCH_GMP_FRAME_H
#include "frame.h"
#include "gmprt.h"

#define CHECK(call)                                                                             \
  do {                                                                                          \
    int check_code = (call);                                                                    \
    if (check_code < 0) {                                                                       \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, gmp_strerror(check_code)); \
      exit(1);                                                                                  \
    }                                                                                           \
  } while (0)

static bench_args_t args;

static inline int bench_run_tasks(int argc, char **argv, gmp_fn_t fn) {
  args = bench_parse(argc, argv);
  gmp_config_t cfg;
  CHECK(gmp_config_init(&cfg, sizeof cfg));
  cfg.max_procs = args.procs;
  CHECK(gmp_start(&cfg));
  CHECK(gmp_run(fn, NULL));
  return 0;
}
#endif
