/* The frame of every C and C++ program of the benches: arguments, clock, memory, result lines.
 *
 * Owns: nothing. Always true: standard output carries result lines only, `row peer procs metric value unit`, so the
 * harness reads them without guessing. Called by: the programs beside it, ../peers/pthread and ../peers/boost. */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct bench_args {
  int procs;
  long n;
  int reps;
} bench_args_t;

static inline void bench_die(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static inline bench_args_t bench_parse(int argc, char **argv) {
  bench_args_t args = {1, 1000, 1};
  for (int i = 1; i + 1 < argc; i += 2) {
    long value = strtol(argv[i + 1], NULL, 10);
    if (value < 1) bench_die("every argument is a number from 1 up");
    if (!strcmp(argv[i], "--procs")) args.procs = (int)value;
    else if (!strcmp(argv[i], "--n")) args.n = value;
    else if (!strcmp(argv[i], "--reps")) args.reps = (int)value;
    else bench_die("usage: --procs N --n N --reps N");
  }
  return args;
}

/* The warm-up is repetition -1: a tenth of the work, whose lines are dropped. */
static inline long bench_size(const bench_args_t *args, int rep) { return rep < 0 ? args->n / 10 + 1 : args->n; }

static inline int64_t bench_now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The CPU time of the whole process. */
static inline int64_t bench_cpu(void) {
  struct timespec ts;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
  return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The i-th of the sleeps that every program of the row `timers` draws, in ns: splitmix64, 0 to 100 ms. */
static inline int64_t bench_draw_sleep(long i) {
  uint64_t z = ((uint64_t)i + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (int64_t)((z ^ z >> 31) % 100000000u);
}

static inline int64_t bench_longest_sleep(long n) {
  int64_t longest = 0;
  for (long i = 0; i < n; i++)
    if (bench_draw_sleep(i) > longest) longest = bench_draw_sleep(i);
  return longest;
}

/* The row `idle`: how long each task sleeps, and how many of these sleeps are looked at. */
#define BENCH_PERIOD 200000000L
#define BENCH_PERIODS 8
/* The row `quiet`: for how many seconds the process does nothing. */
#define BENCH_QUIET 8

static inline long bench_resident(void) {
  long pages = 0;
  FILE *statm = fopen("/proc/self/statm", "r");
  if (!statm || fscanf(statm, "%*s %ld", &pages) != 1) bench_die("/proc/self/statm cannot be read");
  fclose(statm);
  return pages * sysconf(_SC_PAGESIZE);
}

static inline void bench_line(const char *row, const char *peer, const bench_args_t *args, int rep,
                              const char *metric, double value, const char *unit) {
  if (rep < 0) return;
  printf("%s %s %d %s %.3f %s\n", row, peer, args->procs, metric, value, unit);
  fflush(stdout);
}
#endif
