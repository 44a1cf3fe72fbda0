/* References: the last may be dropped as soon as the last value was received or the last wait was answered, although
 * the other side's call has not returned; and while others wait. §19.14.
 *
 * Memory that the process frees is kept for a while, filled, and looked at before it goes: nobody may write into it. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <malloc.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "check.h"

enum { KEPT = 2048, FILL = 0xa5, LARGEST = 4096 };
static void *kept[KEPT];
static unsigned kept_next;
static atomic_flag keeping = ATOMIC_FLAG_INIT;

extern void __libc_free(void *memory);

static void nobody_wrote_into(const unsigned char *memory) {
    for (size_t i = 0; i < malloc_usable_size((void *)memory); i++) CHECK_EQ(memory[i], FILL);
}

/* In place of libc's, for the library too. */
void free(void *memory) {
    if (memory && malloc_usable_size(memory) <= LARGEST) {
        memset(memory, FILL, malloc_usable_size(memory));
        while (atomic_flag_test_and_set(&keeping)) continue;
        void *oldest = kept[kept_next];
        kept[kept_next] = memory;
        kept_next = (kept_next + 1) % KEPT;
        atomic_flag_clear(&keeping);
        memory = oldest;
        if (memory) nobody_wrote_into((const unsigned char *)memory);
    }
    __libc_free(memory);
}

static void nobody_wrote(void) {
    for (int i = 0; i < KEPT; i++) {
        if (kept[i]) nobody_wrote_into((const unsigned char *)kept[i]);
    }
}

static gmp_chan_t *ints(size_t capacity) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(sizeof(int), capacity, &chan));
    return chan;
}

SCENARIO(channel_lives_as_long_as_one_reference) {
    for (int references = 0; references < 5; references++) {
        gmp_chan_t *chan = ints(3);
        int value = 0;
        for (int i = 0; i < references; i++) CHECK(gmp_chan_ref(chan) == chan);
        for (int i = 0; i < references; i++) {
            CHECK_OK(gmp_chan_send(chan, &i, GMP_NOWAIT));
            gmp_chan_free(chan);
            CHECK_OK(gmp_chan_recv(chan, &value, GMP_NOWAIT));
            CHECK_EQ(value, i);
        }
        CHECK_OK(gmp_chan_send(chan, &value, GMP_NOWAIT)); /* a value that goes with the channel */
        gmp_chan_free(chan);
    }
    nobody_wrote();
}

/* ------------------------------------------------------------ free after the last value */
struct job {
    gmp_chan_t *chan, *other; /* with `other`: by a select of both */
    int op, number;
};

static gmp_chan_t *jobs;
static int task_rounds = 20000, thread_rounds = 3000;

/* Works off jobs until there are no more. The channel of a job may be gone when its call returns. */
static void *partner(void *arg) {
    struct job job;
    (void)arg;
    while (gmp_chan_recv(jobs, &job, SOON()) == GMP_OK) {
        int value = job.op == GMP_CASE_SEND ? job.number : -1;
        if (job.other) {
            gmp_case_t cases[2] = {{GMP_CASE_RECV, 9, job.other, NULL}, {job.op, 9, job.chan, &value}};
            size_t chosen = 9;
            CHECK_OK(gmp_select(cases, 2, SOON(), &chosen));
            CHECK_EQ(chosen, 1);
            CHECK_OK(cases[1].status);
        } else if (job.op == GMP_CASE_SEND) {
            CHECK_OK(gmp_chan_send(job.chan, &value, SOON()));
        } else {
            CHECK_OK(gmp_chan_recv(job.chan, &value, SOON()));
        }
        CHECK_EQ(value, job.number);
    }
    return NULL;
}

static void a_little_time(uint64_t *random) {
    uint64_t turns = check_random(random) % 4 ? 0 : check_random(random) % 2000;
    while (turns-- > 0) __asm__ volatile("");
}

/* The caller's side of each job is the one that frees. */
static void *give_jobs(void *arg) {
    uint64_t random = check_seed();
    gmp_chan_t *other = NULL, *last_other = NULL;
    for (int round = 0; round < *(int *)arg; round++) {
        int partner_sends = round % 4 < 2, capacity = partner_sends ? round / 4 % 2 : 0, value = round;
        if (round % 2) other = ints(0);
        struct job job = {ints((size_t)capacity), round % 2 ? other : NULL,
                          partner_sends ? GMP_CASE_SEND : GMP_CASE_RECV, round};
        CHECK_OK(gmp_chan_send(jobs, &job, SOON()));
        gmp_chan_free(last_other); /* its select has returned: the partner took the next job */
        last_other = job.other;
        a_little_time(&random);
        if (partner_sends) CHECK_OK(gmp_chan_recv(job.chan, &value, SOON()));
        else CHECK_OK(gmp_chan_send(job.chan, &value, SOON()));
        gmp_chan_free(job.chan);
        CHECK_EQ(value, round);
    }
    CHECK_OK(gmp_chan_close(jobs));
    return NULL;
}

static void free_first(int partner_is_thread, int caller_is_thread) {
    int *rounds = partner_is_thread || caller_is_thread ? &thread_rounds : &task_rounds;
    pthread_t thread[2];
    CHECK_OK(gmp_chan_new(sizeof(struct job), 0, &jobs));
    if (partner_is_thread) CHECK_EQ(pthread_create(&thread[0], NULL, partner, NULL), 0);
    else CHECK_OK(gmp_spawn(partner, NULL, NULL, NULL));
    if (caller_is_thread) CHECK_EQ(pthread_create(&thread[1], NULL, give_jobs, rounds), 0);
    else CHECK_OK(gmp_spawn(give_jobs, rounds, NULL, NULL));
    if (partner_is_thread) CHECK_EQ(pthread_join(thread[0], NULL), 0);
    if (caller_is_thread) CHECK_EQ(pthread_join(thread[1], NULL), 0);
    CHECK_IDLE();
    gmp_chan_free(jobs);
    nobody_wrote();
}

//@ with GMP_MAXPROCS=1
SCENARIO(last_reference_goes_while_the_other_tasks_call_returns) {
    free_first(0, 0);
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(last_reference_goes_while_the_other_threads_call_returns) { free_first(1, 1); }

SCENARIO(last_reference_goes_while_calls_return_to_a_task_and_a_thread) {
    check_start(2);
    free_first(0, 1);
    free_first(1, 0);
}

static void *send_last(void *arg) {
    int value = 4711;
    CHECK_OK(gmp_chan_send((gmp_chan_t *)arg, &value, GMP_FOREVER));
    return NULL;
}

static void start_and_free(void *arg) {
    for (int round = 0; round < *(int *)arg; round++) {
        gmp_chan_t *chan = ints((size_t)(round % 3));
        int value = 0;
        CHECK_OK(gmp_spawn(send_last, chan, NULL, NULL));
        CHECK_OK(gmp_chan_recv(chan, &value, GMP_FOREVER));
        gmp_chan_free(chan);
        CHECK_EQ(value, 4711);
    }
}

//@ with GMP_MAXPROCS=1
SCENARIO(result_of_a_new_task_comes_through_a_channel_that_is_freed_at_once) {
    int rounds = 20000;
    CHECK_OK(gmp_run(start_and_free, &rounds));
    rounds = 3000;
    start_and_free(&rounds);
    CHECK_IDLE();
    nobody_wrote();
}

/* ------------------------------------------------------------ free while others wait */
struct waiter {
    gmp_chan_t *chan, *other;
    gmp_time_t deadline;
    int op, use_select, code, value;
};

static atomic_int begun;

/* Until `n` tasks have called and are all waiting, or have had their answers. */
static void all_wait(int n) {
    gmp_time_t until = SOON();
    while (atomic_load(&begun) != n || check_stats().tasks_parked != gmp_num_tasks()) {
        CHECK(gmp_now() < until);
        CHECK_OK(gmp_sleep(20000));
    }
}

static void *wait_on(void *arg) {
    struct waiter *waiter = (struct waiter *)arg;
    atomic_fetch_add(&begun, 1);
    gmp_case_t cases[3] = {{waiter->op, 9, waiter->chan, &waiter->value},
                           {GMP_CASE_RECV, 9, waiter->other, NULL},
                           {waiter->op, 9, waiter->chan, &waiter->value}};
    if (waiter->use_select) waiter->code = gmp_select(cases, 3, waiter->deadline, NULL);
    else if (waiter->op == GMP_CASE_SEND) waiter->code = gmp_chan_send(waiter->chan, &waiter->value, waiter->deadline);
    else waiter->code = gmp_chan_recv(waiter->chan, &waiter->value, waiter->deadline);
    return NULL;
}

enum { WAITERS = 8 };

/* Each wait on a channel of its own, or all on one. */
static void start_waiters(struct waiter *waiters, gmp_task_t **task, int together, gmp_time_t deadline) {
    gmp_chan_t *chan = NULL;
    atomic_store(&begun, 0);
    for (int i = 0; i < WAITERS; i++) {
        if (!together || i == 0) chan = ints(0);
        waiters[i] = (struct waiter){chan, ints(0), deadline, GMP_CASE_RECV, i / 2 % 2, 1, -1};
        if (!together && i % 2) waiters[i].op = GMP_CASE_SEND;
        CHECK_OK(gmp_spawn(wait_on, &waiters[i], NULL, &task[i]));
    }
    all_wait(WAITERS);
}

static void free_under_waiters(struct waiter *waiters, int together) {
    for (int i = 0; i < WAITERS; i++) {
        if (!together || i == 0) gmp_chan_free(waiters[i].chan);
        gmp_chan_free(waiters[i].other);
    }
}

static void end_waiters(struct waiter *waiters, gmp_task_t **task, int code) {
    for (int i = 0; i < WAITERS; i++) {
        CHECK_OK(gmp_join(task[i], SOON(), NULL));
        CHECK_CODE(waiters[i].code, code);
        CHECK_EQ(waiters[i].value, -1);
    }
}

SCENARIO(waiters_wait_on_when_the_last_reference_is_dropped) {
    static struct waiter waiters[WAITERS];
    gmp_task_t *task[WAITERS];
    check_start(2);
    for (int round = 0; round < 60; round++) {
        start_waiters(waiters, task, round % 2, round % 4 < 2 ? GMP_FOREVER : SOON());
        free_under_waiters(waiters, round % 2);
        CHECK_EQ(check_stats().tasks_parked, WAITERS); /* free does not close */
        for (int i = 0; i < WAITERS; i++) CHECK_OK(gmp_task_cancel(task[(i * 3 + round) % WAITERS]));
        end_waiters(waiters, task, GMP_ECANCELED);
    }
    for (int round = 0; round < 20; round++) {
        start_waiters(waiters, task, round % 2, gmp_after_ns(20 * MS));
        free_under_waiters(waiters, round % 2);
        end_waiters(waiters, task, GMP_ETIMEDOUT);
    }
    nobody_wrote();
}

static atomic_int tids[WAITERS];

static void *wait_on_a_thread(void *arg) {
    struct waiter *waiter = (struct waiter *)arg;
    atomic_store(&tids[waiter->value], (int)syscall(SYS_gettid));
    wait_on(waiter);
    CHECK_CODE(waiter->code, GMP_ETIMEDOUT);
    return NULL;
}

/* The kernel shows the thread in one and the same futex call at five looks, or it has ended. */
static void waits_or_ended(int tid) {
    char path[64], last[128] = "", now[128];
    int same = 0;
    FILE *file;
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", tid);
    while (same < 5 && (file = fopen(path, "r")) != NULL) {
        if (!fgets(now, sizeof now, file)) now[0] = 0;
        fclose(file);
        same = strtol(now, NULL, 10) == SYS_futex && strcmp(now, last) == 0 ? same + 1 : 0;
        strcpy(last, now);
        usleep(200);
    }
}

SCENARIO(waiting_threads_time_out_on_a_channel_that_is_gone) {
    static struct waiter waiters[WAITERS];
    for (int op = GMP_CASE_SEND; op <= GMP_CASE_RECV; op++) {
        pthread_t thread[WAITERS];
        gmp_chan_t *chan = ints(0);
        memset((void *)tids, 0, sizeof tids);
        for (int i = 0; i < WAITERS; i++) {
            waiters[i] = (struct waiter){chan, NULL, gmp_after_ns(500 * MS), op, i % 2, 1, i};
            CHECK_EQ(pthread_create(&thread[i], NULL, wait_on_a_thread, &waiters[i]), 0);
        }
        for (int i = 0; i < WAITERS; i++) {
            while (atomic_load(&tids[i]) == 0) usleep(50);
            waits_or_ended(atomic_load(&tids[i]));
        }
        gmp_chan_free(chan);
        for (int i = 0; i < WAITERS; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
        for (int i = 0; i < WAITERS; i++) CHECK_EQ(waiters[i].value, i);
    }
    nobody_wrote();
}

/* The woken have not run yet when the channels go: those of their losing cases too. */
SCENARIO(channels_of_a_select_go_as_soon_as_it_was_answered) {
    static struct waiter waiters[WAITERS];
    gmp_task_t *task[WAITERS];
    check_start(2);
    for (int round = 0; round < 200; round++) {
        start_waiters(waiters, task, 0, GMP_FOREVER);
        for (int i = 0; i < WAITERS; i++) {
            int value = -1;
            if (waiters[i].op == GMP_CASE_SEND) CHECK_OK(gmp_chan_recv(waiters[i].chan, &value, GMP_NOWAIT));
            else CHECK_OK(gmp_chan_send(waiters[i].chan, &value, GMP_NOWAIT));
            gmp_chan_free(waiters[i].other);
            gmp_chan_free(waiters[i].chan);
        }
        end_waiters(waiters, task, GMP_OK);
    }
    nobody_wrote();
}

SCENARIO(closed_channel_goes_while_those_it_woke_return) {
    static struct waiter waiters[WAITERS];
    gmp_task_t *task[WAITERS];
    check_start(2);
    for (int round = 0; round < 200; round++) {
        int together = round % 2;
        start_waiters(waiters, task, together, GMP_FOREVER);
        for (int i = 0; i < WAITERS; i++) {
            if (!together || i == 0) CHECK_OK(gmp_chan_close(waiters[i].chan));
        }
        free_under_waiters(waiters, together);
        for (int i = 0; i < WAITERS; i++) {
            CHECK_OK(gmp_join(task[i], SOON(), NULL));
            CHECK_CODE(waiters[i].code, waiters[i].use_select ? GMP_OK : GMP_ECLOSED);
            CHECK_EQ(waiters[i].value, waiters[i].op == GMP_CASE_SEND ? -1 : 0);
        }
    }
    nobody_wrote();
}
