/* Reader-writer locks: who may be in together, who goes first, and what a lock that nobody holds refuses. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
#include "waits.h"

static gmp_rwlock_t lock;

static void read_lock(void) { CHECK_OK(gmp_rwlock_rdlock(&lock, GMP_FOREVER)); }
static void read_unlock(void) { CHECK_OK(gmp_rwlock_rdunlock(&lock)); }
static void write_lock(void) { CHECK_OK(gmp_rwlock_wrlock(&lock, GMP_FOREVER)); }
static void write_unlock(void) { CHECK_OK(gmp_rwlock_wrunlock(&lock)); }

/* What a newcomer finds: both answers to a call that may not wait. What it got it gives back. */
static void newcomer_finds(int reader, int writer) {
    CHECK_CODE(gmp_rwlock_rdlock(&lock, GMP_NOWAIT), reader);
    if (reader == GMP_OK) read_unlock();
    CHECK_CODE(gmp_rwlock_wrlock(&lock, GMP_NOWAIT), writer);
    if (writer == GMP_OK) write_unlock();
}

SCENARIO(zeroed_memory_is_an_unlocked_lock) {
    CHECK_EQ(sizeof(gmp_rwlock_t), 32);
    newcomer_finds(GMP_OK, GMP_OK);
    read_lock();
    newcomer_finds(GMP_OK, GMP_EAGAIN);
    read_lock();
    newcomer_finds(GMP_OK, GMP_EAGAIN);
    read_unlock();
    newcomer_finds(GMP_OK, GMP_EAGAIN);
    read_unlock();
    newcomer_finds(GMP_OK, GMP_OK);
    write_lock();
    newcomer_finds(GMP_EAGAIN, GMP_EAGAIN);
    write_unlock();
    newcomer_finds(GMP_OK, GMP_OK);
}

SCENARIO(null_is_einval) {
    CHECK_CODE(gmp_rwlock_rdlock(NULL, GMP_FOREVER), GMP_EINVAL);
    CHECK_CODE(gmp_rwlock_wrlock(NULL, GMP_NOWAIT), GMP_EINVAL);
    CHECK_CODE(gmp_rwlock_rdunlock(NULL), GMP_EINVAL);
    CHECK_CODE(gmp_rwlock_wrunlock(NULL), GMP_EINVAL);
}

/* ------------------------------------------------------------ misuse */
static void refuses(int (*unlock)(gmp_rwlock_t *)) {
    gmp_rwlock_t before = lock;
    CHECK_CODE(unlock(&lock), GMP_EMISUSE);
    CHECK(memcmp(&before, &lock, sizeof before) == 0);
}

static void misuse(void *arg) {
    (void)arg;
    refuses(gmp_rwlock_rdunlock);
    refuses(gmp_rwlock_wrunlock);
    newcomer_finds(GMP_OK, GMP_OK);
    read_lock();
    refuses(gmp_rwlock_wrunlock);
    newcomer_finds(GMP_OK, GMP_EAGAIN);
    read_unlock();
    refuses(gmp_rwlock_rdunlock);
    write_lock();
    refuses(gmp_rwlock_rdunlock);
    newcomer_finds(GMP_EAGAIN, GMP_EAGAIN);
    CHECK_CODE(gmp_rwlock_rdlock(&lock, gmp_after_ns(1000)), GMP_ETIMEDOUT); /* somebody was in its queues */
    CHECK_CODE(gmp_rwlock_wrlock(&lock, gmp_after_ns(1000)), GMP_ETIMEDOUT);
    refuses(gmp_rwlock_rdunlock);
    write_unlock();
    refuses(gmp_rwlock_wrunlock);
    refuses(gmp_rwlock_rdunlock);
    newcomer_finds(GMP_OK, GMP_OK);
}

SCENARIO(unlock_of_what_is_not_held_is_emisuse_and_changes_nothing) {
    misuse(NULL);
    CHECK_OK(gmp_run(misuse, NULL));
}

static void unlock_both(void *arg) {
    read_unlock();
    read_unlock();
    write_lock();
    (void)arg;
}

SCENARIO(whoever_likes_may_unlock) {
    for (int i = 0; i < 100; i++) {
        struct party party;
        read_lock();
        read_lock();
        party_start(&party, i % 2 ? TASK : THREAD, unlock_both, NULL);
        party_end(&party);
        write_unlock();
        newcomer_finds(GMP_OK, GMP_OK);
    }
}

/* ------------------------------------------------------------ deadlines */
static void wait_in_vain(int (*get)(gmp_rwlock_t *, gmp_time_t)) {
    CHECK_CODE(get(&lock, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(get(&lock, INT64_MIN), GMP_ETIMEDOUT);
    CHECK_CODE(get(&lock, -1), GMP_ETIMEDOUT);
    CHECK_CODE(get(&lock, gmp_now() - SECOND), GMP_ETIMEDOUT);
    for (int i = 0; i < 10; i++) {
        gmp_time_t deadline = gmp_after_ns(i * 100000);
        CHECK_CODE(get(&lock, deadline), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= deadline);
    }
}

static void deadlines(void *arg) {
    (void)arg;
    CHECK_OK(gmp_rwlock_rdlock(&lock, INT64_MIN)); /* what can be done at once is done */
    wait_in_vain(gmp_rwlock_wrlock);               /* no upgrade */
    CHECK_OK(gmp_rwlock_rdlock(&lock, -1));
    read_unlock();
    read_unlock();
    CHECK_OK(gmp_rwlock_wrlock(&lock, INT64_MIN));
    wait_in_vain(gmp_rwlock_rdlock); /* and no way down */
    wait_in_vain(gmp_rwlock_wrlock);
    write_unlock();
    newcomer_finds(GMP_OK, GMP_OK);
}

SCENARIO(waits_take_a_deadline) {
    deadlines(NULL);
    CHECK_OK(gmp_run(deadlines, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ who goes first */
enum { READERS = 8 };
static atomic_int readers_in, writers_in, reads, writes, may_leave;

static void read_with_the_others(void *arg) {
    read_lock();
    CHECK_EQ(atomic_load(&writers_in), 0);
    CHECK_EQ(atomic_load(&writes), *(int *)arg); /* whoever queued first has written, and nobody else */
    atomic_fetch_add(&readers_in, 1);
    UNTIL(atomic_load(&readers_in) >= READERS, give_way()); /* ends only if all are in at the same time */
    atomic_fetch_add(&reads, 1);
    UNTIL(atomic_load(&reads) >= READERS, give_way());
    read_unlock();
}

static void write_once(void *arg) {
    (void)arg;
    write_lock();
    CHECK_EQ(atomic_fetch_add(&writers_in, 1), 0);
    gmp_yield();
    CHECK_EQ(atomic_load(&readers_in) % READERS, 0);
    atomic_fetch_add(&writes, 1);
    atomic_fetch_sub(&writers_in, 1);
    write_unlock();
}

/* §22.7: a reader is in; W1 waits, readers wait behind it, W2 behind them. W1, all the readers, W2. */
static void turns(int threads) {
    struct party party[READERS + 2];
    int one = 1;
    CHECK_OK(gmp_start(NULL));
    read_lock();
    party_start(&party[0], threads & 1 ? THREAD : TASK, write_once, NULL);
    until_waiting(party, 1);
    newcomer_finds(GMP_EAGAIN, GMP_EAGAIN); /* a writer waits */
    CHECK_CODE(gmp_rwlock_rdlock(&lock, gmp_after_ns(MS)), GMP_ETIMEDOUT); /* a second read lock would wait for ever */
    for (int i = 1; i <= READERS; i++) {
        party_start(&party[i], threads & 2 && i % 2 ? THREAD : TASK, read_with_the_others, &one);
    }
    until_waiting(party, READERS + 1);
    party_start(&party[READERS + 1], threads & 1 ? THREAD : TASK, write_once, NULL);
    until_waiting(party, READERS + 2);
    CHECK_EQ(atomic_load(&writes), 0);
    CHECK_EQ(atomic_load(&readers_in), 0);
    read_unlock();
    parties_end(party, READERS + 2);
    CHECK_EQ(atomic_load(&writes), 2);
    CHECK_EQ(atomic_load(&reads), READERS);
    newcomer_finds(GMP_OK, GMP_OK);
}

SCENARIO(writer_then_all_queued_readers_then_the_next_writer) { turns(0); }
SCENARIO(turns_of_writing_threads_and_reading_tasks) { turns(1); }
SCENARIO(turns_of_writing_tasks_and_mixed_readers) { turns(2); }
SCENARIO(turns_of_threads_and_tasks) { turns(3); }

/* The same without a reader in front: those who come during a writer's time go before the writer that queued first. */
SCENARIO(readers_that_came_during_a_writer_go_before_the_waiting_writer) {
    struct party party[READERS + 1];
    int none = 0;
    CHECK_OK(gmp_start(NULL));
    write_lock();
    party_start(&party[0], TASK, write_once, NULL);
    until_waiting(party, 1);
    for (int i = 1; i <= READERS; i++) party_start(&party[i], i % 3 ? TASK : THREAD, read_with_the_others, &none);
    until_waiting(party, READERS + 1);
    write_unlock();
    parties_end(party, READERS + 1);
    CHECK_EQ(atomic_load(&writes), 1);
}

static void read_until_told(void *arg) {
    (void)arg;
    read_lock();
    atomic_fetch_add(&readers_in, 1);
    UNTIL(atomic_load(&may_leave), give_way());
    CHECK_EQ(atomic_load(&writers_in), 0);
    atomic_fetch_sub(&readers_in, 1);
    read_unlock();
}

static void write_after_them(void *arg) {
    (void)arg;
    write_lock();
    atomic_fetch_add(&writers_in, 1);
    CHECK_EQ(atomic_load(&readers_in), 0);
    atomic_fetch_sub(&writers_in, 1);
    write_unlock();
}

SCENARIO(readers_that_are_in_finish_first) {
    struct party reader[READERS], writer;
    CHECK_OK(gmp_start(NULL));
    for (int i = 0; i < READERS; i++) party_start(&reader[i], i % 2 ? THREAD : TASK, read_until_told, NULL);
    UNTIL(atomic_load(&readers_in) == READERS, usleep(100));
    party_start(&writer, TASK, write_after_them, NULL);
    /* Waiting: newcomers are refused from then on. */
    int code;
    UNTIL((code = gmp_rwlock_rdlock(&lock, GMP_NOWAIT)) == GMP_EAGAIN, CHECK_OK(code); read_unlock());
    CHECK_EQ(atomic_load(&readers_in), READERS);
    atomic_store(&may_leave, 1);
    parties_end(reader, READERS);
    party_end(&writer);
    newcomer_finds(GMP_OK, GMP_OK);
}

SCENARIO(hundred_thousand_read_locks_at_once) {
    for (int i = 0; i < 100000; i++) CHECK_OK(gmp_rwlock_rdlock(&lock, GMP_NOWAIT));
    CHECK_CODE(gmp_rwlock_wrlock(&lock, GMP_NOWAIT), GMP_EAGAIN);
    for (int i = 0; i < 100000; i++) read_unlock();
    newcomer_finds(GMP_OK, GMP_OK);
}

/* ------------------------------------------------------------ nobody starves */
static atomic_int stop;

/* Those that spin let others run, on one processor, when their time is up: that is what the checkpoints are for. */
static void work_inside(void *arg) { arg ? (void)gmp_sleep(50000) : spin_for(50000); }

static void read_in_a_loop(void *arg) {
    while (!atomic_load(&stop)) {
        read_lock();
        work_inside(arg);
        read_unlock();
        CHECK_OK(gmp_checkpoint());
    }
}

static void write_in_a_loop(void *arg) {
    while (!atomic_load(&stop)) {
        write_lock();
        work_inside(arg);
        write_unlock();
        CHECK_OK(gmp_checkpoint());
    }
}

static gmp_time_t patience;

static void write_ten_times(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) {
        CHECK_OK(gmp_sleep(100000));
        CHECK_OK(gmp_rwlock_wrlock(&lock, patience));
        write_unlock();
    }
}

static void read_ten_times(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) {
        CHECK_OK(gmp_sleep(100000));
        CHECK_OK(gmp_rwlock_rdlock(&lock, patience));
        read_unlock();
    }
}

static void ten_times_against(void (*loop)(void *), void (*ten_times)(void *), enum kind looping, enum kind other) {
    struct party loops[3], ten;
    CHECK_OK(gmp_start(NULL));
    for (intptr_t i = 0; i < 3; i++) party_start(&loops[i], looping, loop, (void *)(i % 2));
    patience = gmp_after_ns(10 * SECOND);
    party_start(&ten, other, ten_times, NULL);
    party_end(&ten);
    atomic_store(&stop, 1);
    parties_end(loops, 3);
    newcomer_finds(GMP_OK, GMP_OK);
}

SCENARIO(writer_task_gets_in_among_reading_tasks) { ten_times_against(read_in_a_loop, write_ten_times, TASK, TASK); }
SCENARIO(writer_thread_gets_in_among_reading_tasks) {
    ten_times_against(read_in_a_loop, write_ten_times, TASK, THREAD);
}
SCENARIO(writer_task_gets_in_among_reading_threads) {
    ten_times_against(read_in_a_loop, write_ten_times, THREAD, TASK);
}
SCENARIO(reader_task_gets_in_among_writing_tasks) { ten_times_against(write_in_a_loop, read_ten_times, TASK, TASK); }
SCENARIO(reader_thread_gets_in_among_writing_tasks) {
    ten_times_against(write_in_a_loop, read_ten_times, TASK, THREAD);
}
SCENARIO(reader_task_gets_in_among_writing_threads) {
    ten_times_against(write_in_a_loop, read_ten_times, THREAD, TASK);
}
