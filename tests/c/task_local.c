/* Task-local storage: per task, per plain thread, with destructors at the end of either. */
#include <pthread.h>

#include "check.h"

static gmp_key_t key, other;
static atomic_int destroyed;
static atomic_long destroyed_sum;

static void destroy(void *value) {
    atomic_fetch_add(&destroyed, 1);
    atomic_fetch_add(&destroyed_sum, (long)(intptr_t)value);
}

static void use(void *arg) {
    intptr_t mine = (intptr_t)arg;
    CHECK(gmp_local_get(key) == NULL);
    CHECK_OK(gmp_local_set(key, (void *)mine));
    CHECK_OK(gmp_local_set(other, (void *)-mine));
    for (int i = 0; i < 20; i++) {
        gmp_yield();
        CHECK_EQ((intptr_t)gmp_local_get(key), mine);
        CHECK_EQ((intptr_t)gmp_local_get(other), -mine);
        CHECK_OK(gmp_sleep(1000));
    }
    if (mine % 2) gmp_exit(); /* the end by exit destroys as well */
}

SCENARIO(values_belong_to_their_task_and_are_destroyed_at_its_end) {
    check_start(2);
    CHECK_OK(gmp_key_create(destroy, &key));
    CHECK_OK(gmp_key_create(NULL, &other));
    for (intptr_t i = 1; i <= 200; i++) CHECK_OK(gmp_go(use, (void *)i));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&destroyed), 200);
    CHECK_EQ(atomic_load(&destroyed_sum), 200 * 201 / 2);
}

static void leave_empty(void *arg) {
    (void)arg;
    CHECK_OK(gmp_local_set(key, &key));
    CHECK_OK(gmp_local_set(key, NULL));
}

SCENARIO(null_values_are_not_destroyed) {
    CHECK_OK(gmp_key_create(destroy, &key));
    for (int i = 0; i < 10; i++) CHECK_OK(gmp_run(leave_empty, NULL));
    CHECK_EQ(atomic_load(&destroyed), 0);
}

static void *use_on_a_thread(void *arg) {
    CHECK(gmp_local_get(key) == NULL);
    CHECK_OK(gmp_local_set(key, arg));
    CHECK(gmp_local_get(key) == arg);
    return NULL;
}

SCENARIO(plain_threads_have_their_own_values_and_destructors) {
    CHECK_OK(gmp_key_create(destroy, &key));
    CHECK_OK(gmp_local_set(key, &key));
    for (intptr_t i = 1; i <= 20; i++) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, use_on_a_thread, (void *)i), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK_EQ(atomic_load(&destroyed), 20);
    CHECK_EQ(atomic_load(&destroyed_sum), 210);
    CHECK(gmp_local_get(key) == &key);
}

enum { KEYS = 64 };
static gmp_key_t keys[KEYS];

static void use_all(void *arg) {
    (void)arg;
    for (intptr_t i = 0; i < KEYS; i++) CHECK_OK(gmp_local_set(keys[i], (void *)(i + 1)));
    gmp_yield();
    for (intptr_t i = 0; i < KEYS; i++) CHECK_EQ((intptr_t)gmp_local_get(keys[i]), i + 1);
}

SCENARIO(many_keys_do_not_mix) {
    for (int i = 0; i < KEYS; i++) CHECK_OK(gmp_key_create(destroy, &keys[i]));
    for (int i = 0; i < 20; i++) CHECK_OK(gmp_go(use_all, NULL));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&destroyed), 20 * KEYS);
}

SCENARIO(null_and_unknown_keys_are_refused) {
    gmp_key_t unknown = {UINT32_C(0xfffffff0)};
    CHECK_CODE(gmp_key_create(destroy, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_local_set(unknown, &key), GMP_EINVAL);
    CHECK(gmp_local_get(unknown) == NULL);
}

static void destroy_by_parking(void *value) {
    gmp_yield();
    CHECK_OK(gmp_sleep(1000));
    destroy(value);
}

static void set_one(void *arg) { CHECK_OK(gmp_local_set(key, arg)); }

/* Destructors run in the task, which may still park. */
SCENARIO(destructor_may_park) {
    CHECK_OK(gmp_key_create(destroy_by_parking, &key));
    for (intptr_t i = 1; i <= 50; i++) CHECK_OK(gmp_go(set_one, (void *)i));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&destroyed), 50);
}
