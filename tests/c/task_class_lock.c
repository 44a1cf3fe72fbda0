/* Classes with a lock of their own: the token leaves a machine whose task stays in foreign code. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

/* The class's lock. Its thread-bound kind tells who gives up what it does not hold. */
static pthread_mutex_t own_lock;
static long protected_count; /* only the lock keeps two from it */

struct member {
    atomic_int detached; /* in foreign code, without the lock */
    int moves;           /* may go on on another thread */
    int number;
    const char *top; /* of its frames */
};

static atomic_int asked;

#define UNTIL(condition)                                                                                               \
    do {                                                                                                               \
        gmp_time_t until = SOON();                                                                                     \
        while (!(condition)) {                                                                                         \
            CHECK(gmp_now() < until);                                                                                  \
            usleep(100);                                                                                               \
        }                                                                                                              \
    } while (0)

static void take(void) { CHECK_EQ(pthread_mutex_lock(&own_lock), 0); }
static void give(void) { CHECK_EQ(pthread_mutex_unlock(&own_lock), 0); }

static void acquire(void *user, void *m) {
    (void)user, (void)m;
    take();
}

static void release(void *user, void *m) {
    (void)user, (void)m;
    give();
}

static int may_migrate(void *user, void *t, const void *sp) {
    struct member *member = (struct member *)t;
    void *at[32];
    (void)user;
    CHECK(sp != NULL);
    int n = gmp_parked_frames(sp, member->top, at, 32);
    CHECK(n > 1 || n == GMP_ENOTSUP || n == GMP_EAGAIN);
    if (n > 1) {
        CHECK_CODE(gmp_parked_frames(sp, member->top, at, (size_t)n - 1), GMP_EINVAL);
        CHECK_CODE(gmp_parked_frames(member->top, sp, at, 32), GMP_EINVAL);
        CHECK_CODE(gmp_parked_frames(NULL, member->top, at, 32), GMP_EINVAL);
        CHECK_CODE(gmp_parked_frames(sp, NULL, at, 32), GMP_EINVAL);
        CHECK_CODE(gmp_parked_frames(sp, member->top, NULL, 32), GMP_EINVAL);
    }
    atomic_fetch_add(&asked, 1);
    return member->moves;
}

static int first_run(void *user, void *m, void *t, void *stack_low, size_t stack_size) {
    (void)user, (void)m;
    ((struct member *)t)->top = (const char *)stack_low + stack_size - 2048;
    return 0;
}

static int is_blocked(void *user, void *t) {
    (void)user;
    return atomic_load(&((struct member *)t)->detached);
}

static gmp_task_class_t the_class = {
    .struct_size = sizeof the_class,
    .name = "own lock",
    .flags = GMP_CLASS_EXCLUSIVE | GMP_CLASS_OWN_LOCK,
    .acquire = acquire,
    .release = release,
    .first_run = first_run,
    .may_migrate = may_migrate,
    .is_blocked = is_blocked,
};

static void begin(int procs) {
    pthread_mutexattr_t kind;
    CHECK_EQ(pthread_mutexattr_init(&kind), 0);
    CHECK_EQ(pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK), 0);
    CHECK_EQ(pthread_mutex_init(&own_lock, &kind), 0);
    check_start(procs);
}

static void spawn_member(gmp_task_fn_t fn, struct member *member, gmp_task_t **task) {
    gmp_spawn_opts_t opts;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.task_class = &the_class;
    opts.class_data = member;
    CHECK_OK(gmp_spawn(fn, member, &opts, task));
}

static void detach(struct member *self) {
    atomic_store(&self->detached, 1);
    give();
}

static void attach(struct member *self) {
    take();
    atomic_store(&self->detached, 0);
}

static int channel[2];

static void *reads(void *arg) {
    struct member *self = (struct member *)arg;
    char byte;
    detach(self);
    CHECK_EQ(read(channel[0], &byte, 1), 1);
    attach(self);
    protected_count++;
    return arg;
}

static void *writes(void *arg) {
    protected_count++;
    CHECK_EQ(write(channel[1], "x", 1), 1);
    return arg;
}

static void blocked_member_is_freed_by_another(void) {
    static struct member reader, writer;
    gmp_task_t *task[2];
    CHECK_EQ(pipe(channel), 0);
    spawn_member(reads, &reader, &task[0]);
    spawn_member(writes, &writer, &task[1]);
    CHECK_OK(gmp_join(task[0], SOON(), NULL));
    CHECK_OK(gmp_join(task[1], SOON(), NULL));
    CHECK_EQ(protected_count, 2);
    CHECK_IDLE();
}

SCENARIO(blocked_member_is_freed_by_another_on_one_processor) {
    begin(1);
    blocked_member_is_freed_by_another();
}

SCENARIO(blocked_member_is_freed_by_another_on_two_processors) {
    begin(2);
    blocked_member_is_freed_by_another();
}

static atomic_int stop;

/* As an interpreter's loop: now and then it offers its lock. */
static void *computes(void *arg) {
    while (!atomic_load(&stop)) {
        for (volatile int spin = 0; spin < 1000; spin++) {
        }
        give();
        sched_yield();
        take();
    }
    return arg;
}

static void *stops(void *arg) {
    atomic_store(&stop, 1);
    return arg;
}

SCENARIO(members_that_compute_are_stopped_by_another) {
    enum { MANY = 12 }; /* more than may compute without a processor otherwise */
    static struct member member[MANY + 1];
    gmp_task_t *task[MANY + 1];
    begin(1);
    for (int i = 0; i < MANY; i++) spawn_member(computes, &member[i], &task[i]);
    spawn_member(stops, &member[MANY], &task[MANY]);
    for (int i = 0; i <= MANY; i++) CHECK_OK(gmp_join(task[i], SOON(), NULL));
    CHECK_IDLE();
}

static atomic_int parked, went_on;
static gmp_wg_t gate;

static void *parks(void *arg) {
    struct member *self = (struct member *)arg;
    pthread_t before = pthread_self();
    atomic_fetch_add(&parked, 1);
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    if (!self->moves) CHECK(pthread_equal(before, pthread_self()));
    atomic_fetch_add(&went_on, 1);
    return arg;
}

static void open_gate(void *arg) {
    (void)arg;
    CHECK_OK(gmp_wg_done(&gate));
}

/* Those that may move go on while the thread that they were parked on is stuck; the others when it is back. */
SCENARIO(parked_members_leave_a_stuck_thread_if_they_may) {
    enum { MANY = 20 };
    static struct member member[MANY], reader;
    gmp_task_t *task[MANY], *stuck;
    begin(1);
    CHECK_EQ(pipe(channel), 0);
    CHECK_OK(gmp_wg_add(&gate, 1));
    for (int i = 0; i < MANY; i++) {
        member[i].moves = i % 2;
        spawn_member(parks, &member[i], &task[i]);
    }
    UNTIL(atomic_load(&parked) == MANY);
    spawn_member(reads, &reader, &stuck);
    UNTIL(atomic_load(&reader.detached));
    CHECK_OK(gmp_go(open_gate, NULL));
    UNTIL(atomic_load(&went_on) == MANY / 2);
    for (int i = 1; i < MANY; i += 2) CHECK_OK(gmp_join(task[i], SOON(), NULL));
    CHECK_EQ(atomic_load(&went_on), MANY / 2);
    CHECK(atomic_load(&asked) >= MANY / 2);
    CHECK_EQ(write(channel[1], "x", 1), 1);
    CHECK_OK(gmp_join(stuck, SOON(), NULL));
    for (int i = 0; i < MANY; i += 2) CHECK_OK(gmp_join(task[i], SOON(), NULL));
    CHECK_IDLE();
}

static long sums[64];

static void *storms(void *arg) {
    struct member *self = (struct member *)arg;
    uint64_t dice = check_seed() + (uint64_t)self->number * UINT64_C(0x9e3779b97f4a7c15);
    pthread_t home = pthread_self();
    for (int i = 0; i < 60; i++) {
        dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        switch (dice >> 61) {
        case 0:
        case 1:
            detach(self);
            usleep((useconds_t)(dice >> 40 & 1023));
            attach(self);
            break;
        case 2: CHECK_OK(gmp_sleep((int64_t)(dice >> 32 & 0x7ffff))); break;
        case 3:
            for (volatile int spin = 0; spin < (int)(dice >> 42 & 0x3ffff); spin++) {
            }
            break;
        default: gmp_yield();
        }
        if (!self->moves) CHECK(pthread_equal(home, pthread_self()));
        long seen = protected_count;
        for (volatile int spin = 0; spin < 100; spin++) {
        }
        protected_count = seen + 1;
        sums[self->number]++;
    }
    return arg;
}

static void plain(void *arg) {
    (void)arg;
    for (int i = 0; i < 50; i++) gmp_yield();
}

static void storm(int procs) {
    enum { MANY = 40 };
    static struct member member[MANY];
    gmp_task_t *task[MANY];
    long sum = 0;
    begin(procs);
    for (int i = 0; i < MANY; i++) {
        member[i].moves = i % 3 != 0;
        member[i].number = i;
        spawn_member(storms, &member[i], &task[i]);
        CHECK_OK(gmp_go(plain, NULL));
    }
    for (int i = 0; i < MANY; i++) CHECK_OK(gmp_join(task[i], SOON(), NULL));
    for (int i = 0; i < MANY; i++) sum += sums[i];
    CHECK_EQ(sum, MANY * 60);
    CHECK_EQ(protected_count, sum);
    CHECK_IDLE();
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
}

SCENARIO(storm_on_one_processor) { storm(1); }
SCENARIO(storm_on_two_processors) { storm(2); }
SCENARIO(storm_on_four_processors) { storm(4); }

/* Plain tasks' sections end by what members do that may move: the token must not be kept for the thread of one that may not. */
enum { SECTIONS = 16, BYTES = 2000 };

static void *sections(void *arg) {
    for (int i = 0; i < BYTES; i++) {
        char byte;
        for (volatile int spin = 0; spin < i % 64 * 500; spin++) {
        }
        CHECK_OK(gmp_blocking_enter());
        CHECK_EQ(read(channel[0], &byte, 1), 1);
        CHECK_OK(gmp_blocking_exit());
        if (i % 4 == 0) gmp_yield();
    }
    return arg;
}

static void *feeds(void *arg) {
    struct member *self = (struct member *)arg;
    uint64_t dice = check_seed() + (uint64_t)self->number * UINT64_C(0x9e3779b97f4a7c15);
    for (int i = 0; i < BYTES; i++) {
        dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        if (self->moves) CHECK_EQ(write(channel[1], "xx", 2), 2);
        switch (dice >> 61) {
        case 0:
            detach(self);
            usleep((useconds_t)(dice >> 40 & 127));
            attach(self);
            break;
        case 1:
        case 2: CHECK_OK(gmp_sleep((int64_t)(dice >> 32 & 0xffff))); break;
        default: gmp_yield();
        }
    }
    return arg;
}

static void sections_that_members_end(int procs) {
    static struct member member[SECTIONS];
    gmp_task_t *task[2 * SECTIONS];
    gmp_spawn_opts_t opts;
    begin(procs);
    CHECK_EQ(pipe(channel), 0);
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    for (int i = 0; i < SECTIONS; i++) {
        member[i].number = i;
        member[i].moves = i % 2;
        spawn_member(feeds, &member[i], &task[i]);
        CHECK_OK(gmp_spawn(sections, NULL, &opts, &task[SECTIONS + i]));
    }
    for (int i = 0; i < 2 * SECTIONS; i++) CHECK_OK(gmp_join(task[i], SOON(), NULL));
    CHECK_IDLE();
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
}

SCENARIO(sections_that_members_end_on_one_processor) { sections_that_members_end(1); }
SCENARIO(sections_that_members_end_on_two_processors) { sections_that_members_end(2); }
SCENARIO(sections_that_members_end_on_four_processors) { sections_that_members_end(4); }

SCENARIO(own_lock_without_exclusion_is_einval) {
    static struct member member;
    gmp_spawn_opts_t opts;
    gmp_task_t *task = NULL;
    the_class.flags = GMP_CLASS_OWN_LOCK;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.task_class = &the_class;
    opts.class_data = &member;
    CHECK_CODE(gmp_spawn(parks, &member, &opts, &task), GMP_EINVAL);
    CHECK(task == NULL);
}
