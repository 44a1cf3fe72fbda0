/* Reader-writer locks under load: sums that come out, waits that are cancelled or expire, memory that goes. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
#include "waits.h"

static gmp_rwlock_t lock;

static void read_lock(void) { CHECK_OK(gmp_rwlock_rdlock(&lock, GMP_FOREVER)); }
static void read_unlock(void) { CHECK_OK(gmp_rwlock_rdunlock(&lock)); }
static void write_lock(void) { CHECK_OK(gmp_rwlock_wrlock(&lock, GMP_FOREVER)); }
static void write_unlock(void) { CHECK_OK(gmp_rwlock_wrunlock(&lock)); }

static void nobody_is_left(void) {
    CHECK_OK(gmp_rwlock_wrlock(&lock, GMP_NOWAIT));
    write_unlock();
    CHECK_OK(gmp_rwlock_rdlock(&lock, GMP_NOWAIT));
    read_unlock();
    CHECK_CODE(gmp_rwlock_rdunlock(&lock), GMP_EMISUSE);
    CHECK_CODE(gmp_rwlock_wrunlock(&lock), GMP_EMISUSE);
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ sums */
enum { PARTIES = 10, ROUNDS = 4000 };

/* Plain on purpose: the lock alone keeps the halves equal. */
static uint64_t left, right, written;
static atomic_int reading, writing;
static atomic_ullong wanted_sum, wanted_written;

static gmp_time_t some_deadline(uint64_t *random) {
    switch (check_random(random) % 4) {
    case 0: return GMP_NOWAIT;
    case 1: return gmp_after_ns((int64_t)(check_random(random) % 100000));
    default: return GMP_FOREVER;
    }
}

static void read_both(uint64_t *random) {
    atomic_fetch_add(&reading, 1);
    CHECK_EQ(atomic_load(&writing), 0);
    uint64_t before = left;
    if (check_random(random) % 16 == 0) gmp_yield();
    CHECK(left == before && right == before);
    atomic_fetch_sub(&reading, 1);
    read_unlock();
}

static uint64_t write_both(uint64_t *random) {
    uint64_t mine = check_random(random);
    CHECK_EQ(atomic_fetch_add(&writing, 1), 0);
    CHECK_EQ(atomic_load(&reading), 0);
    left += mine;
    if (mine % 16 == 0) gmp_yield();
    right += mine;
    written++;
    CHECK_EQ(atomic_load(&reading), 0);
    atomic_fetch_sub(&writing, 1);
    write_unlock();
    return mine;
}

static void read_and_write(void *arg) {
    uint64_t random = check_seed() + 7919 * (uint64_t)(intptr_t)arg, sum = 0, times = 0;
    for (int i = 0; i < ROUNDS; i++) {
        int writes = check_random(&random) % 4 == 0;
        gmp_time_t deadline = some_deadline(&random);
        int code = writes ? gmp_rwlock_wrlock(&lock, deadline) : gmp_rwlock_rdlock(&lock, deadline);
        if (code != GMP_OK) {
            CHECK_CODE(code, deadline == GMP_NOWAIT ? GMP_EAGAIN : GMP_ETIMEDOUT);
            CHECK(deadline != GMP_FOREVER);
        } else if (writes) {
            sum += write_both(&random);
            times++;
        } else {
            read_both(&random);
        }
    }
    atomic_fetch_add(&wanted_sum, sum);
    atomic_fetch_add(&wanted_written, times);
}

static void load_with(int threads) {
    struct party party[PARTIES];
    for (int i = 0; i < PARTIES; i++) {
        party_start(&party[i], i < threads ? THREAD : TASK, read_and_write, (void *)(intptr_t)(i + 1));
    }
    parties_end(party, PARTIES);
    CHECK(left == right && left == atomic_load(&wanted_sum));
    CHECK(written == atomic_load(&wanted_written) && written > 0);
    nobody_is_left();
}

//@ with GMP_TEST_NO_MEMBARRIER=1
SCENARIO(sums_under_load_come_out_for_tasks) { load_with(0); }
SCENARIO(sums_under_load_come_out_for_tasks_and_threads) { load_with(3); }
/* Nobody has started the runtime here: threads need none to contend. */
SCENARIO(sums_under_load_come_out_for_threads) { load_with(PARTIES); }

/* ------------------------------------------------------------ cancellation */
static int code_of(gmp_task_t *task) {
    void *result;
    CHECK_OK(gmp_join(task, SOON(), &result));
    return (int)(intptr_t)result;
}

static void *read_or_not(void *deadline) {
    int code = gmp_rwlock_rdlock(&lock, deadline ? *(gmp_time_t *)deadline : GMP_FOREVER);
    if (code == GMP_OK) {
        CHECK_EQ(atomic_load(&writing), 0);
        read_unlock();
    }
    return (void *)(intptr_t)code;
}

static void read_it(void *arg) { CHECK_CODE((int)(intptr_t)read_or_not(arg), GMP_OK); }

static void *write_or_not(void *deadline) {
    int code = gmp_rwlock_wrlock(&lock, deadline ? *(gmp_time_t *)deadline : GMP_FOREVER);
    if (code == GMP_OK) {
        CHECK_EQ(atomic_fetch_add(&writing, 1), 0);
        gmp_yield();
        atomic_fetch_sub(&writing, 1);
        write_unlock();
    }
    return (void *)(intptr_t)code;
}

static void *marked_waits(void *arg) {
    (void)arg;
    CHECK_CODE(gmp_rwlock_wrlock(&lock, GMP_FOREVER), GMP_ECANCELED);
    CHECK_CODE(gmp_rwlock_wrlock(&lock, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_rwlock_wrlock(&lock, gmp_now() - 1), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_rwlock_wrlock(&lock, SOON()), GMP_ECANCELED);
    CHECK_OK(gmp_rwlock_rdlock(&lock, GMP_FOREVER)); /* a reader is in: no need to wait */
    read_unlock();
    return NULL;
}

SCENARIO(cancelled_writer_answers_and_has_no_effect) {
    gmp_task_t *task;
    read_lock();
    CHECK_OK(gmp_spawn(marked_waits, NULL, NULL, &task));
    until_parked(1);
    CHECK_OK(gmp_task_cancel(task));
    CHECK_CODE(code_of(task), GMP_OK);
    CHECK_OK(gmp_rwlock_rdlock(&lock, GMP_NOWAIT)); /* no writer waits any more */
    read_unlock();
    read_unlock();
    nobody_is_left();
}

SCENARIO(cancelled_reader_answers_and_has_no_effect) {
    gmp_task_t *task;
    write_lock();
    CHECK_OK(gmp_spawn(read_or_not, NULL, NULL, &task));
    until_parked(1);
    CHECK_OK(gmp_task_cancel(task));
    CHECK_CODE(code_of(task), GMP_ECANCELED);
    write_unlock();
    nobody_is_left();
}

enum { BEHIND = 5 };

/* The readers waited because of the writer only: when it goes away they get in, beside the reader that is in. */
static void writer_goes_away(int by_deadline) {
    gmp_task_t *writer, *reader[BEHIND];
    struct party thread;
    gmp_time_t deadline = gmp_after_ns(50 * MS);
    read_lock();
    CHECK_OK(gmp_spawn(write_or_not, by_deadline ? &deadline : NULL, NULL, &writer));
    if (!by_deadline) until_parked(1);
    for (int i = 0; i < BEHIND; i++) CHECK_OK(gmp_spawn(read_or_not, NULL, NULL, &reader[i]));
    party_start(&thread, THREAD, read_it, NULL);
    if (!by_deadline) {
        until_parked(1 + BEHIND);
        CHECK_OK(gmp_task_cancel(writer));
    }
    CHECK_CODE(code_of(writer), by_deadline ? GMP_ETIMEDOUT : GMP_ECANCELED);
    for (int i = 0; i < BEHIND; i++) CHECK_CODE(code_of(reader[i]), GMP_OK);
    party_end(&thread);
    CHECK_CODE(gmp_rwlock_wrlock(&lock, GMP_NOWAIT), GMP_EAGAIN); /* still read by us */
    read_unlock();
    nobody_is_left();
}

SCENARIO(readers_behind_a_cancelled_writer_get_in) { writer_goes_away(0); }
SCENARIO(readers_behind_a_writer_whose_deadline_passed_get_in) { writer_goes_away(1); }

SCENARIO(readers_stay_out_while_another_writer_waits) {
    gmp_task_t *writer[2], *reader;
    read_lock();
    for (int i = 0; i < 2; i++) {
        CHECK_OK(gmp_spawn(write_or_not, NULL, NULL, &writer[i]));
        until_parked(i + 1);
    }
    CHECK_OK(gmp_spawn(read_or_not, NULL, NULL, &reader));
    until_parked(3);
    CHECK_OK(gmp_task_cancel(writer[0]));
    CHECK_CODE(code_of(writer[0]), GMP_ECANCELED);
    until_parked(2);
    CHECK_CODE(gmp_rwlock_rdlock(&lock, GMP_NOWAIT), GMP_EAGAIN);
    read_unlock();
    CHECK_CODE(code_of(writer[1]), GMP_OK);
    CHECK_CODE(code_of(reader), GMP_OK);
    nobody_is_left();
}

static gmp_task_t *to_cancel;

static void cancel_it(void *arg) {
    spin_for((intptr_t)arg);
    CHECK_OK(gmp_task_cancel(to_cancel));
}

/* Unlock, cancellation and deadline at the same moment: whatever the answer is, the lock is free afterwards. */
SCENARIO(unlock_against_cancellation_and_deadline_loses_no_lock) {
    uint64_t random = check_seed();
    for (int round = 0; round < 2000; round++) {
        gmp_task_t *task[3];
        struct party canceller;
        gmp_time_t deadline = round % 4 ? GMP_FOREVER : gmp_after_ns((int64_t)(check_random(&random) % 50000));
        int victim = (int)(check_random(&random) % 3), writes = (int)(check_random(&random) % 8);
        int we_write = check_random(&random) % 2 == 0;
        we_write ? write_lock() : read_lock();
        for (int i = 0; i < 3; i++) {
            void *until = i == victim ? &deadline : NULL;
            CHECK_OK(gmp_spawn(writes >> i & 1 ? write_or_not : read_or_not, until, NULL, &task[i]));
        }
        to_cancel = task[victim];
        intptr_t after = (intptr_t)(check_random(&random) % 20000);
        party_start(&canceller, round % 3 ? TASK : THREAD, cancel_it, (void *)after);
        spin_for((int64_t)(check_random(&random) % 30000));
        we_write ? write_unlock() : read_unlock();
        party_end(&canceller);
        for (int i = 0; i < 3; i++) {
            int code = code_of(task[i]);
            CHECK(code == GMP_OK || (i == victim && (code == GMP_ECANCELED || code == GMP_ETIMEDOUT)));
        }
        CHECK_OK(gmp_rwlock_wrlock(&lock, GMP_NOWAIT));
        write_unlock();
    }
    nobody_is_left();
}

/* ------------------------------------------------------------ memory */
enum { USED = 3000, USERS = 3 };
static char *pages;
static int users, polls;

struct shared {
    gmp_rwlock_t lock;
    atomic_int users_in;
};

/* Gets in as a writer after all others were in: from then on nobody waits or will wait. */
static void free_it(void *arg) {
    (void)arg;
    for (int round = 0; round < USED; round++) {
        struct shared *mine = (struct shared *)(pages + round * PAGE);
        meet(round, users + 1);
        POLL_UNTIL(atomic_load(&mine->users_in) == users);
        if (polls) { /* never waits: it sees the lock free the moment that it is */
            POLL_UNTIL(gmp_rwlock_wrlock(&mine->lock, GMP_NOWAIT) == GMP_OK);
        } else {
            CHECK_OK(gmp_rwlock_wrlock(&mine->lock, GMP_FOREVER));
        }
        CHECK_OK(gmp_rwlock_wrunlock(&mine->lock));
        page_free(mine);
    }
}

/* In each round at most one writes. */
static void use_it(void *arg) {
    for (int round = 0; round < USED; round++) {
        struct shared *mine = (struct shared *)(pages + round * PAGE);
        int writes = (round + (int)(intptr_t)arg) % USERS == 0;
        meet(round, users + 1);
        CHECK_OK(writes ? gmp_rwlock_wrlock(&mine->lock, GMP_FOREVER) : gmp_rwlock_rdlock(&mine->lock, GMP_FOREVER));
        atomic_fetch_add(&mine->users_in, 1);
        CHECK_OK(writes ? gmp_rwlock_wrunlock(&mine->lock) : gmp_rwlock_rdunlock(&mine->lock));
    }
}

static void freed_after_the_last_unlock(enum kind frees, int n, int threads) {
    struct party party[USERS + 1];
    pages = pages_new(USED);
    users = n;
    party_start(&party[n], frees, free_it, NULL);
    for (int i = 0; i < n; i++) party_start(&party[i], i < threads ? THREAD : TASK, use_it, (void *)(intptr_t)i);
    parties_end(party, n + 1);
}

static void freed_by_a_poll(enum kind frees, int n, int threads) {
    polls = 1;
    freed_after_the_last_unlock(frees, n, threads);
}

SCENARIO(memory_may_go_after_the_last_unlock_of_tasks) { freed_after_the_last_unlock(TASK, USERS, 0); }
SCENARIO(memory_may_go_after_the_last_unlock_of_threads) { freed_after_the_last_unlock(THREAD, USERS, USERS); }
SCENARIO(memory_may_go_after_the_last_unlock_of_both) { freed_after_the_last_unlock(TASK, USERS, 1); }
SCENARIO(memory_may_go_after_a_poll_by_a_task) { freed_by_a_poll(TASK, 1, 1); }
SCENARIO(memory_may_go_after_a_poll_by_a_thread) { freed_by_a_poll(THREAD, 1, 0); }
SCENARIO(memory_may_go_after_a_poll_among_several) { freed_by_a_poll(TASK, USERS, 1); }
