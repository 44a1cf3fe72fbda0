/* select: two channels that are ready in turn; ns per message.
 * "message": one task sends to two unbuffered channels by turns, another selects, so that it mostly waits in both.
 * "ready": one task alone puts a message into one of two channels of capacity 1 by turns and selects it: the choice
 * without any waiting, the send included. */
#include "gmp_frame.h"

static gmp_chan_t *turns[2];

static void open_both(size_t capacity) {
  for (int i = 0; i < 2; i++) CHECK(gmp_chan_new(sizeof(long), capacity, &turns[i]));
}

static void free_both(void) {
  for (int i = 0; i < 2; i++) gmp_chan_free(turns[i]);
}

static void take_either(long expected) {
  long value;
  size_t chosen;
  gmp_case_t cases[2] = {{GMP_CASE_RECV, 0, turns[0], &value}, {GMP_CASE_RECV, 0, turns[1], &value}};
  CHECK(gmp_select(cases, 2, GMP_FOREVER, &chosen));
  if (value != expected || (long)chosen != value % 2) bench_die("a message came out of turn");
}

static void send_by_turns(void *n) {
  for (long i = 0; i < (long)(intptr_t)n; i++) CHECK(gmp_chan_send(turns[i % 2], &i, GMP_FOREVER));
}

static void take_all(void *n) {
  for (long i = 0; i < (long)(intptr_t)n; i++) take_either(i);
}

static void waiting(int rep, long n) {
  gmp_wg_t both = {{0}};
  open_both(0);
  int64_t start = bench_now();
  CHECK(gmp_wg_go(&both, send_by_turns, (void *)(intptr_t)n));
  CHECK(gmp_wg_go(&both, take_all, (void *)(intptr_t)n));
  CHECK(gmp_wg_wait(&both, GMP_FOREVER));
  bench_line("select", "gmp", &args, rep, "message", (double)(bench_now() - start) / n, "ns");
  free_both();
}

static void ready(int rep, long n) {
  open_both(1);
  int64_t start = bench_now();
  for (long i = 0; i < n; i++) {
    CHECK(gmp_chan_send(turns[i % 2], &i, GMP_FOREVER));
    take_either(i);
  }
  bench_line("select", "gmp", &args, rep, "ready", (double)(bench_now() - start) / n, "ns");
  free_both();
}

static void measure(void *unused) {
  (void)unused;
  for (int rep = -1; rep < args.reps; rep++) {
    waiting(rep, bench_size(&args, rep));
    ready(rep, bench_size(&args, rep));
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
