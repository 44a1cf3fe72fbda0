/* Conditions: tickets in order, nothing lost, nothing stolen, and the mutex held again after every wait. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
#include "waits.h"

static gmp_mutex_t mutex;
static gmp_cond_t cond;

static void lock(void) { CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER)); }
static void unlock(void) { CHECK_OK(gmp_mutex_unlock(&mutex)); }
static void held(void) { CHECK_CODE(gmp_mutex_trylock(&mutex), GMP_EAGAIN); }

/* ------------------------------------------------------------ answers */
static void wait_in_vain(void *arg) {
    (void)arg;
    lock();
    CHECK_CODE(gmp_cond_wait(&cond, &mutex, GMP_NOWAIT), GMP_EAGAIN);
    held();
    CHECK_CODE(gmp_cond_wait(&cond, &mutex, INT64_MIN), GMP_ETIMEDOUT);
    held();
    CHECK_CODE(gmp_cond_wait(&cond, &mutex, -1), GMP_ETIMEDOUT);
    held();
    CHECK_CODE(gmp_cond_wait(&cond, &mutex, gmp_now() - SECOND), GMP_ETIMEDOUT);
    held();
    for (int i = 0; i < 20; i++) {
        gmp_time_t deadline = gmp_after_ns(i * 50000);
        CHECK_CODE(gmp_cond_wait(&cond, &mutex, deadline), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= deadline);
        held();
    }
    unlock();
}

SCENARIO(wait_takes_a_deadline_and_holds_the_mutex_again) {
    CHECK_EQ(sizeof(gmp_cond_t), 16);
    wait_in_vain(NULL);
    CHECK_OK(gmp_run(wait_in_vain, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(null_is_einval) {
    lock();
    CHECK_CODE(gmp_cond_wait(NULL, &mutex, GMP_FOREVER), GMP_EINVAL);
    held();
    unlock();
    CHECK_CODE(gmp_cond_wait(&cond, NULL, GMP_FOREVER), GMP_EINVAL);
    CHECK_CODE(gmp_cond_signal(NULL), GMP_EINVAL);
    CHECK_CODE(gmp_cond_broadcast(NULL), GMP_EINVAL);
}

static void wait_without_the_mutex(void *arg) {
    gmp_cond_t cond_before = cond;
    gmp_mutex_t mutex_before = mutex;
    (void)arg;
    CHECK_CODE(gmp_cond_wait(&cond, &mutex, GMP_FOREVER), GMP_EMISUSE);
    CHECK_CODE(gmp_cond_wait(&cond, &mutex, SOON()), GMP_EMISUSE);
    CHECK(memcmp(&cond_before, &cond, sizeof cond) == 0);
    CHECK(memcmp(&mutex_before, &mutex, sizeof mutex) == 0);
    CHECK_OK(gmp_mutex_trylock(&mutex));
    unlock();
}

SCENARIO(wait_without_the_mutex_is_emisuse_and_changes_nothing) {
    wait_without_the_mutex(NULL);
    CHECK_OK(gmp_run(wait_without_the_mutex, NULL));
    wait_in_vain(NULL);
    wait_without_the_mutex(NULL);
}

static void signal_nobody(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) {
        CHECK_OK(gmp_cond_signal(&cond));
        CHECK_OK(gmp_cond_broadcast(&cond));
    }
    lock();
    CHECK_CODE(gmp_cond_wait(&cond, &mutex, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    unlock();
}

SCENARIO(signal_without_a_waiter_is_forgotten) {
    signal_nobody(NULL);
    CHECK_OK(gmp_run(signal_nobody, NULL));
}

/* ------------------------------------------------------------ order */
enum { WAITERS = 24 };
static int tickets, woken[WAITERS], wakes; /* under the mutex */

/* The ticket is drawn under the mutex, before the wait gives it up: so tickets have the mutex's order. */
static void draw_and_wait(void *arg) {
    (void)arg;
    lock();
    int mine = tickets++;
    CHECK_OK(gmp_cond_wait(&cond, &mutex, SOON()));
    held();
    woken[wakes++] = mine;
    unlock();
}

static int tickets_now(void) {
    lock();
    int n = tickets;
    unlock();
    return n;
}

static int wakes_now(void) {
    lock();
    int n = wakes;
    unlock();
    return n;
}

static void draw_in_order(struct party *party, int from, int to) {
    for (int i = from; i < to; i++) {
        party_start(&party[i], i % 3 == 2 ? THREAD : TASK, draw_and_wait, NULL);
        UNTIL(tickets_now() == i + 1, usleep(20));
    }
}

SCENARIO(signal_wakes_the_oldest_ticket) {
    struct party party[WAITERS];
    draw_in_order(party, 0, WAITERS);
    for (int i = 0; i < WAITERS; i++) {
        CHECK_OK(gmp_cond_signal(&cond));
        UNTIL(wakes_now() == i + 1, usleep(20));
        CHECK_EQ(woken[i], i);
    }
    parties_end(party, WAITERS);
}

/* Who of several signalled ones gets the mutex first is open; that they are the oldest is not. */
SCENARIO(signals_in_a_row_wake_the_oldest_tickets) {
    uint64_t random = check_seed();
    struct party party[WAITERS];
    draw_in_order(party, 0, WAITERS);
    for (int signalled = 0; signalled < WAITERS;) {
        int from = signalled, sum = 0, wanted = 0;
        int n = 1 + (int)(check_random(&random) % 5), locked = check_random(&random) % 2 == 0;
        if (locked) lock();
        for (; n > 0 && signalled < WAITERS; n--, signalled++) CHECK_OK(gmp_cond_signal(&cond));
        if (locked) unlock();
        UNTIL(wakes_now() == signalled, usleep(20));
        for (int i = from; i < signalled; i++) {
            CHECK(woken[i] >= from && woken[i] < signalled);
            sum += woken[i];
            wanted += i;
        }
        CHECK_EQ(sum, wanted);
    }
    parties_end(party, WAITERS);
}

SCENARIO(broadcast_wakes_those_who_waited_before_it) {
    struct party party[WAITERS];
    draw_in_order(party, 0, WAITERS / 2);
    CHECK_OK(gmp_cond_broadcast(&cond));
    draw_in_order(party, WAITERS / 2, WAITERS);
    UNTIL(wakes_now() == WAITERS / 2, usleep(20));
    for (int i = 0; i < WAITERS / 2; i++) CHECK(woken[i] < WAITERS / 2);
    parties_end(party, WAITERS / 2);
    until_waiting(party + WAITERS / 2, WAITERS / 2);
    CHECK_EQ(wakes_now(), WAITERS / 2);
    CHECK_OK(gmp_cond_broadcast(&cond));
    parties_end(party + WAITERS / 2, WAITERS / 2);
    CHECK_EQ(wakes, WAITERS);
}

/* ------------------------------------------------------------ nothing stolen, nothing lost */
static atomic_int waits, came_back;
static int let_go;

static void wait_once(void *arg) {
    (void)arg;
    lock();
    atomic_store(&waits, 1);
    CHECK_OK(gmp_cond_wait(&cond, &mutex, SOON()));
    unlock();
    atomic_store(&came_back, 1);
}

static void wake(void *broadcast) { CHECK_OK(broadcast ? gmp_cond_broadcast(&cond) : gmp_cond_signal(&cond)); }

static void wait_until_let_go(void *arg) {
    (void)arg;
    lock();
    while (!let_go) CHECK_OK(gmp_cond_wait(&cond, &mutex, SOON()));
    unlock();
}

/* §22.16: the one wake goes to whoever has the older ticket, although somebody else begins to wait at that moment. */
static void a_late_one_steals_nothing(enum kind first, enum kind late) {
    for (intptr_t round = 0; round < 1000; round++) {
        struct party party[3];
        atomic_store(&waits, 0);
        atomic_store(&came_back, 0);
        let_go = 0;
        party_start(&party[0], first, wait_once, NULL);
        UNTIL(atomic_load(&waits), give_way());
        lock(); /* given up by its wait: it has its ticket */
        unlock();
        party_start(&party[1], TASK, wake, (void *)(round % 2));
        party_start(&party[2], late, wait_until_let_go, NULL);
        UNTIL(atomic_load(&came_back), give_way());
        lock();
        let_go = 1;
        CHECK_OK(gmp_cond_broadcast(&cond));
        unlock();
        parties_end(party, 3);
    }
}

SCENARIO(late_task_steals_nothing_from_a_task) { a_late_one_steals_nothing(TASK, TASK); }
SCENARIO(late_thread_steals_nothing_from_a_task) { a_late_one_steals_nothing(TASK, THREAD); }
SCENARIO(late_task_steals_nothing_from_a_thread) { a_late_one_steals_nothing(THREAD, TASK); }

enum { ITEMS = 20000, TAKERS = 4 };
static int items, taken[TAKERS]; /* under the mutex */
static int over;

static void take(void *arg) {
    lock();
    for (;;) {
        while (items == 0 && !over) CHECK_OK(gmp_cond_wait(&cond, &mutex, SOON()));
        if (items == 0) break;
        items--;
        taken[(intptr_t)arg]++;
    }
    unlock();
}

/* §22.17: the signal needs no lock; what it tells of was changed under the lock. */
static void put(void *arg) {
    for (int i = 0; i < ITEMS; i++) {
        lock();
        items++;
        unlock();
        CHECK_OK(gmp_cond_signal(&cond));
        if (arg && i % 64 == 0) gmp_yield();
    }
}

static void hand_over(int threads) {
    struct party takers[TAKERS], putters[2];
    int sum = 0;
    for (int i = 0; i < TAKERS; i++) party_start(&takers[i], i < threads ? THREAD : TASK, take, (void *)(intptr_t)i);
    party_start(&putters[0], TASK, put, takers);
    party_start(&putters[1], threads ? THREAD : TASK, put, NULL);
    parties_end(putters, 2);
    lock();
    over = 1;
    unlock();
    CHECK_OK(gmp_cond_broadcast(&cond));
    parties_end(takers, TAKERS);
    for (int i = 0; i < TAKERS; i++) sum += taken[i];
    CHECK_EQ(sum, 2 * ITEMS);
    CHECK_EQ(check_stats().timers_pending, 0);
}

//@ with GMP_TEST_NO_MEMBARRIER=1
SCENARIO(signals_without_the_lock_are_not_lost_on_tasks) { hand_over(0); }
SCENARIO(signals_without_the_lock_are_not_lost_on_tasks_and_threads) { hand_over(2); }
SCENARIO(signals_without_the_lock_are_not_lost_on_threads) { hand_over(TAKERS); }

enum { GENERATIONS = 2000 };
static int generation; /* under the mutex */
static atomic_int at_generation[GENERATIONS];

static void follow(void *arg) {
    (void)arg;
    lock();
    for (int i = 0; i < GENERATIONS; i++) {
        /* No loop around the wait: a wake that nobody meant, or one of an older generation, would show here. */
        atomic_fetch_add(&at_generation[i], 1);
        CHECK_OK(gmp_cond_wait(&cond, &mutex, SOON()));
        CHECK_EQ(generation, i + 1);
    }
    unlock();
}

SCENARIO(broadcast_wakes_each_waiter_once_and_for_a_reason) {
    enum { FOLLOWERS = 6 };
    struct party party[FOLLOWERS];
    for (int i = 0; i < FOLLOWERS; i++) party_start(&party[i], i % 3 == 2 ? THREAD : TASK, follow, NULL);
    for (int i = 0; i < GENERATIONS; i++) {
        UNTIL(atomic_load(&at_generation[i]) == FOLLOWERS, give_way());
        lock();
        generation++;
        if (i % 2) CHECK_OK(gmp_cond_broadcast(&cond));
        unlock();
        if (i % 2 == 0) CHECK_OK(gmp_cond_broadcast(&cond));
    }
    parties_end(party, FOLLOWERS);
}
