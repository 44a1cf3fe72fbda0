/* files: what a read of a file costs by pread and by io_uring, behind a choice in docs/DECISIONS.md ("I/O").
 *
 *     cc -O2 files.c -luring -lpthread -o files && taskset -c 0 ./files      (Debian: liburing-dev)
 *
 * In the page cache: one reader, by plain pread, which is also what a task does in a declared blocking section; by READ one
 * at a time; by READ, 32 a batch. Not in it (O_DIRECT), 4 KiB at random, 32 under way: by 32 threads, by READ. The file, of
 * 256 MiB, is made in the working directory and unlinked at once. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 65536, BATCH = 32, SPAN = 256 << 20, WARM = 8 << 20, ROUNDS = 9, WARM_READS = 16384, COLD_READS = 8192 };

static int file;
static size_t size, span;
static char *buffers;
static struct io_uring ring;

static void die(const char *what, int code) {
  fprintf(stderr, "error: %s: %s\n", what, strerror(code));
  exit(1);
}

static double now(clockid_t clock) {
  struct timespec ts;
  clock_gettime(clock, &ts);
  return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static off_t somewhere(uint64_t *seed) {
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return (off_t)(*seed % (span / size) * size);
}

static void plainly(long reads, uint64_t seed, char *into) {
  for (long i = 0; i < reads; i++)
    if (pread(file, into, size, somewhere(&seed)) != (ssize_t)size) die("pread", errno);
}

static void *thread(void *seed) {
  char *into = aligned_alloc(4096, size);
  plainly(COLD_READS / BATCH, (uintptr_t)seed, into);
  free(into);
  return NULL;
}

static void threads(void) {
  pthread_t all[BATCH];
  for (uintptr_t i = 0; i < BATCH; i++)
    if (pthread_create(&all[i], NULL, thread, (void *)(0x9e3779b97f4a7c15u * (i + 1)))) die("pthread_create", EAGAIN);
  for (int i = 0; i < BATCH; i++) pthread_join(all[i], NULL);
}

/* `deep` under way; with `whole`, the next ones come when all of them have ended, else each when one has. */
static void by_ring(long reads, int deep, int whole) {
  uint64_t seed = 88172645463325252u;
  long sent = 0;
  int slots[BATCH], idle = deep;
  for (int i = 0; i < deep; i++) slots[i] = i;
  for (long ended = 0; ended < reads;) {
    while (idle && sent < reads) {
      int slot = slots[--idle];
      struct io_uring_sqe *entry = io_uring_get_sqe(&ring);
      io_uring_prep_read(entry, file, buffers + slot * MOST, (unsigned)size, somewhere(&seed));
      entry->user_data = (uint64_t)slot;
      sent++;
    }
    int code = io_uring_submit_and_wait(&ring, whole ? (unsigned)(sent - ended) : 1);
    if (code < 0) die("io_uring_enter", -code);
    struct io_uring_cqe *c;
    unsigned head, seen = 0;
    io_uring_for_each_cqe(&ring, head, c) {
      if (c->res != (int)size) die("READ", c->res < 0 ? -c->res : EIO);
      slots[idle++] = (int)c->user_data;
      seen++;
    }
    io_uring_cq_advance(&ring, seen);
    ended += seen;
  }
}

static void show(const char *what, const char *way, double *wall, double *cpu, long reads) {
  for (int i = 0; i < ROUNDS; i++)
    for (int j = i + 1; j < ROUNDS; j++) {
      double w = wall[i], c = cpu[i];
      if (wall[j] < w) wall[i] = wall[j], wall[j] = w;
      if (cpu[j] < c) cpu[i] = cpu[j], cpu[j] = c;
    }
  printf("%-14s %5zu bytes, %-22s %7.0f ns a read, %7.0f ns of CPU\n", what, size, way, wall[ROUNDS / 2] / (double)reads,
         cpu[ROUNDS / 2] / (double)reads);
}

static void measure(int cold) {
  static const char *const WARM_WAYS[] = {"pread", "READ", "READ, 32 a batch"};
  static const char *const COLD_WAYS[] = {"pread, 32 threads", "READ, 32 under way"};
  double wall[3][ROUNDS], cpu[3][ROUNDS];
  long reads = cold ? COLD_READS : WARM_READS;
  for (int round = 0; round < ROUNDS; round++)
    for (int way = 0; way < 3 - cold; way++) {
      double start = now(CLOCK_MONOTONIC), used = now(CLOCK_PROCESS_CPUTIME_ID);
      if (cold) way ? by_ring(reads, BATCH, 0) : threads();
      else if (way == 0) plainly(reads, 88172645463325252u, buffers);
      else by_ring(reads, way == 1 ? 1 : BATCH, 1);
      wall[way][round] = now(CLOCK_MONOTONIC) - start;
      cpu[way][round] = now(CLOCK_PROCESS_CPUTIME_ID) - used;
    }
  for (int way = 0; way < 3 - cold; way++)
    show(cold ? "from the disk" : "from the cache", cold ? COLD_WAYS[way] : WARM_WAYS[way], wall[way], cpu[way], reads);
}

int main(void) {
  char path[] = "files.XXXXXX";
  buffers = aligned_alloc(4096, (size_t)BATCH * MOST);
  file = mkstemp(path);
  if (!buffers || file < 0) die("mkstemp", errno);
  int direct = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC), code = errno;
  unlink(path);
  memset(buffers, 'f', (size_t)BATCH * MOST);
  for (long made = 0; made < SPAN; made += BATCH * MOST)
    if (write(file, buffers, BATCH * MOST) != BATCH * MOST) die("write", errno);
  fsync(file);
  struct io_uring_params with = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
  int made = io_uring_queue_init_params(2 * BATCH, &ring, &with);
  if (made < 0) die("io_uring_setup", -made);
  span = WARM;
  for (size = 4096; size <= MOST; size *= 4) measure(0);
  if (direct < 0) die("O_DIRECT", code);
  file = direct;
  span = SPAN;
  size = 4096;
  measure(1);
  return 0;
}
