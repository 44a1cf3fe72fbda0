/* The slice of a task that calls in all the time: after 10 ms any call lets others go first when others wait, and none
 * does when nobody waits. One processor. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "alive.h"

static atomic_int other_ran;
static void (*call)(void);

static void other(void *unused) {
    (void)unused;
    atomic_fetch_add(&other_ran, 1);
}

/* The other one is ready before the loop begins, and nothing in the loop waits for it. */
static void *call_and_call(void *unused) {
    gmp_time_t start = gmp_now(), until = SOON();
    (void)unused;
    CHECK_OK(gmp_go(other, NULL));
    while (!atomic_load(&other_ran)) {
        call();
        CHECK(gmp_now() < until || !"the other task never ran");
    }
    printf("the other task ran after %.1f ms\n", (gmp_now() - start) / 1e6);
    return NULL;
}

static void lets_others_run(void (*fn)(void)) {
    gmp_task_t *task;
    call = fn;
    check_start(1);
    CHECK_OK(gmp_spawn(call_and_call, NULL, NULL, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    CHECK_IDLE();
}

static void checkpoint(void) { CHECK_OK(gmp_checkpoint()); }
SCENARIO(checkpoints) { lets_others_run(checkpoint); }

static gmp_mutex_t mutex;
static void lock_and_unlock(void) {
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    CHECK_OK(gmp_mutex_unlock(&mutex));
}
SCENARIO(mutex_lock_and_unlock) { lets_others_run(lock_and_unlock); }

static void try_held(void) { CHECK_CODE(gmp_mutex_trylock(&mutex), GMP_EAGAIN); }
SCENARIO(mutex_trylock_of_a_held_one) {
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    lets_others_run(try_held);
}

static gmp_rwlock_t rwlock;
static void read_lock_and_unlock(void) {
    CHECK_OK(gmp_rwlock_rdlock(&rwlock, GMP_FOREVER));
    CHECK_OK(gmp_rwlock_rdunlock(&rwlock));
    CHECK_OK(gmp_rwlock_wrlock(&rwlock, GMP_FOREVER));
    CHECK_OK(gmp_rwlock_wrunlock(&rwlock));
}
SCENARIO(rwlock_lock_and_unlock) { lets_others_run(read_lock_and_unlock); }

static gmp_chan_t *chan;
static void try_receive(void) {
    int value;
    CHECK_CODE(gmp_chan_recv(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
}
SCENARIO(receive_that_would_wait) {
    CHECK_OK(gmp_chan_new(sizeof(int), 1, &chan));
    lets_others_run(try_receive);
}

static void send_and_receive(void) {
    int value = 4;
    CHECK_OK(gmp_chan_send(chan, &value, GMP_FOREVER));
    CHECK_OK(gmp_chan_recv(chan, &value, GMP_FOREVER));
}
SCENARIO(send_and_receive_without_waiting) {
    CHECK_OK(gmp_chan_new(sizeof(int), 1, &chan));
    lets_others_run(send_and_receive);
}

static void select_nothing(void) {
    int value;
    gmp_case_t one = {.op = GMP_CASE_RECV, .chan = chan, .value = &value};
    CHECK_CODE(gmp_select(&one, 1, GMP_NOWAIT, NULL), GMP_EAGAIN);
}
SCENARIO(select_that_would_wait) {
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    lets_others_run(select_nothing);
}

static gmp_wg_t group;
static void add_and_done(void) {
    CHECK_OK(gmp_wg_add(&group, 1));
    CHECK_OK(gmp_wg_done(&group));
    CHECK_OK(gmp_wg_wait(&group, GMP_FOREVER));
}
SCENARIO(wait_group_that_is_done) { lets_others_run(add_and_done); }

static gmp_sem_t sem;
static void release_and_acquire(void) {
    CHECK_OK(gmp_sem_release(&sem, 2));
    CHECK_OK(gmp_sem_acquire(&sem, 2, GMP_FOREVER));
}
SCENARIO(semaphore_release_and_acquire) { lets_others_run(release_and_acquire); }

static gmp_once_t once;
static void do_nothing(void *unused) { (void)unused; }
static void do_once(void) { CHECK_OK(gmp_once_do(&once, do_nothing, NULL)); }
SCENARIO(once_that_was_done) { lets_others_run(do_once); }

static gmp_cond_t cond;
static void signal_nobody(void) { CHECK_OK(gmp_cond_signal(&cond)); }
SCENARIO(signal_to_nobody) { lets_others_run(signal_nobody); }

static void short_section(void) {
    CHECK_OK(gmp_blocking_enter());
    CHECK_OK(gmp_blocking_exit());
}
SCENARIO(declared_sections) { lets_others_run(short_section); }

static gmp_timer_t *timer;
static void set_timer(void) {
    if (timer == NULL) CHECK_OK(gmp_timer_func(SECOND * 1000, do_nothing, NULL, &timer));
    CHECK(gmp_timer_reset(timer, SECOND * 1000) >= 0);
}
SCENARIO(timer_reset) {
    lets_others_run(set_timer);
}

static gmp_key_t key;
static void set_local(void) { CHECK_OK(gmp_local_set(key, &key)); }
SCENARIO(local_set) {
    CHECK_OK(gmp_key_create(NULL, &key));
    lets_others_run(set_local);
}

static void make_context(void) {
    gmp_ctx_t *ctx;
    CHECK_OK(gmp_ctx_new(NULL, GMP_FOREVER, &ctx));
    gmp_ctx_free(ctx);
}
SCENARIO(context_new_and_free) { lets_others_run(make_context); }

static void sleep_not_at_all(void) { CHECK_OK(gmp_sleep(0)); }
SCENARIO(sleep_of_nothing) { lets_others_run(sleep_not_at_all); }

/* They would all come after the other one, were it not for the newest that goes first. */
static void spawn(void) {
    spin_for(20000);
    CHECK_OK(gmp_go(do_nothing, NULL));
}
SCENARIO(spawns) { lets_others_run(spawn); }

/* ------------------------------------------------------------ taking turns */
static atomic_long turns[4];
static atomic_int changes, last_turn;

static void take_turns(void *arg) {
    int me = (int)(intptr_t)arg;
    while (!atomic_load(&let_go)) {
        CHECK_OK(gmp_checkpoint());
        atomic_fetch_add(&turns[me], 1);
        if (atomic_exchange(&last_turn, me) != me) atomic_fetch_add(&changes, 1);
    }
}

/* A slice each: not one of them for ever, and not a switch at every checkpoint. */
SCENARIO(tasks_at_checkpoints_take_turns) {
    long all = 0;
    gmp_time_t start;
    check_start(1);
    for (intptr_t i = 0; i < 4; i++) CHECK_OK(gmp_go(take_turns, (void *)i));
    start = gmp_now();
    UNTIL(atomic_load(&changes) >= 12, usleep(1000));
    printf("%d changes in %.0f ms\n", atomic_load(&changes), (gmp_now() - start) / 1e6);
    release_by_flag();
    CHECK_IDLE();
    for (int i = 0; i < 4; i++) {
        CHECK(atomic_load(&turns[i]) > 0);
        all += atomic_load(&turns[i]);
    }
    CHECK(all > 100L * atomic_load(&changes));
}

static void *checkpoint_alone(void *unused) {
    uint64_t before = check_stats().switches;
    gmp_time_t end = gmp_now() + 100 * MS;
    (void)unused;
    while (gmp_now() < end) CHECK_OK(gmp_checkpoint());
    CHECK_EQ(check_stats().switches, before);
    return NULL;
}

SCENARIO(checkpoints_of_the_only_task_switch_to_nobody) {
    gmp_task_t *task;
    check_start(1);
    CHECK_OK(gmp_spawn(checkpoint_alone, NULL, NULL, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
}
