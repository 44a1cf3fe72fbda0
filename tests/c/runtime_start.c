/* Starting: lazily, explicitly, twice, with foolish configurations; run and wait_idle. */
#include "check.h"

static atomic_int ran;
static gmp_wg_t gate;

static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

static void wait_at_gate(void *arg) {
    (void)arg;
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    atomic_fetch_add(&ran, 1);
}

SCENARIO(first_go_starts_the_runtime) {
    CHECK_OK(gmp_go(count, NULL));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 1);
    CHECK_EQ(gmp_num_tasks(), 0);
    CHECK_CODE(gmp_start(NULL), GMP_EBUSY);
}

SCENARIO(getters_answer_before_start) {
    CHECK(gmp_now() > 0);
    CHECK(gmp_num_cpu() >= 1);
    CHECK(gmp_max_procs_default() >= 1);
    CHECK_EQ(gmp_self_id(), 0);
    CHECK_EQ(gmp_num_tasks(), 0);
    CHECK_EQ(gmp_abi_version(), GMP_ABI_VERSION);
    CHECK(strncmp(gmp_version_string(), "0.1", 3) == 0);
    CHECK_OK(gmp_checkpoint());
    gmp_yield();
    CHECK_OK(gmp_sleep(1000));
    CHECK_OK(gmp_blocking_enter());
    CHECK_OK(gmp_blocking_exit());
}

SCENARIO(loading_starts_nothing) {
    CHECK_THREADS(1);
    CHECK_EQ(gmp_num_tasks(), 0);
    CHECK_THREADS(1);
}

SCENARIO(start_twice_is_ebusy) {
    CHECK_OK(gmp_start(NULL));
    CHECK_CODE(gmp_start(NULL), GMP_EBUSY);
    gmp_config_t config;
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.max_procs = 7;
    int before = gmp_max_procs(0);
    CHECK_CODE(gmp_start(&config), GMP_EBUSY);
    CHECK_EQ(gmp_max_procs(0), before);
}

SCENARIO(config_is_taken) {
    gmp_config_t config;
    CHECK_OK(gmp_config_init(&config, sizeof config));
    CHECK_EQ(config.struct_size, sizeof config);
    config.max_procs = 3;
    config.max_threads = 77;
    CHECK_OK(gmp_start(&config));
    CHECK_EQ(gmp_max_procs(0), 3);
    CHECK_EQ(gmp_set_max_threads(78), 77);
    CHECK_EQ(check_stats().procs, 3);
}

SCENARIO(foolish_config_is_einval_and_starts_nothing) {
    gmp_config_t config;
    CHECK_CODE(gmp_config_init(NULL, sizeof config), GMP_EINVAL);
    CHECK_CODE(gmp_config_init(&config, 0), GMP_EINVAL);
    CHECK_CODE(gmp_config_init(&config, 1), GMP_EINVAL);

    static const size_t foolish_sizes[] = {0, 1, 7, SIZE_MAX};
    for (size_t i = 0; i < sizeof foolish_sizes / sizeof foolish_sizes[0]; i++) {
        CHECK_OK(gmp_config_init(&config, sizeof config));
        config.struct_size = foolish_sizes[i];
        CHECK_CODE(gmp_start(&config), GMP_EINVAL);
    }
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.max_procs = -1;
    CHECK_CODE(gmp_start(&config), GMP_EINVAL);
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.max_threads = -1;
    CHECK_CODE(gmp_start(&config), GMP_EINVAL);
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.stack_size = SIZE_MAX;
    CHECK_CODE(gmp_start(&config), GMP_EINVAL);
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.flags = UINT32_C(1) << 31;
    CHECK_CODE(gmp_start(&config), GMP_EINVAL);

    CHECK_THREADS(1);
    CHECK_OK(gmp_start(NULL)); /* it was not running */
}

static void run_inner(void *arg) {
    CHECK_OK(gmp_run(count, arg));
    CHECK_EQ(atomic_load(&ran), 1);
    atomic_fetch_add(&ran, 10);
}

static void leave(void *arg) {
    (void)arg;
    gmp_exit();
    CHECK(!"gmp_exit came back");
}

SCENARIO(run_returns_when_its_task_has_ended) {
    CHECK_OK(gmp_run(run_inner, NULL));
    CHECK_EQ(atomic_load(&ran), 11);
    CHECK_CODE(gmp_run(NULL, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_run(leave, NULL), GMP_EPANIC);
}

static void start_one_that_waits(void *arg) { CHECK_OK(gmp_go(wait_at_gate, arg)); }

SCENARIO(run_leaves_other_tasks_running) {
    CHECK_OK(gmp_wg_add(&gate, 1));
    CHECK_OK(gmp_run(start_one_that_waits, NULL));
    CHECK_EQ(gmp_num_tasks(), 1);
    CHECK_EQ(atomic_load(&ran), 0);
    CHECK_OK(gmp_wg_done(&gate));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 1);
}

SCENARIO(wait_idle_takes_a_deadline) {
    CHECK_OK(gmp_wait_idle(GMP_NOWAIT));
    CHECK_OK(gmp_wg_add(&gate, 1));
    CHECK_OK(gmp_go(wait_at_gate, NULL));
    CHECK_CODE(gmp_wait_idle(GMP_NOWAIT), GMP_EAGAIN);
    gmp_time_t deadline = gmp_after_ns(5 * MS);
    CHECK_CODE(gmp_wait_idle(deadline), GMP_ETIMEDOUT);
    CHECK(gmp_now() >= deadline);
    CHECK_OK(gmp_wg_done(&gate));
    CHECK_IDLE();
    CHECK_OK(gmp_wait_idle(GMP_NOWAIT));
}

static void wait_idle_inside(void *arg) {
    (void)arg;
    CHECK_CODE(gmp_wait_idle(GMP_FOREVER), GMP_EDEADLK);
    CHECK_CODE(gmp_wait_idle(GMP_NOWAIT), GMP_EDEADLK);
    atomic_fetch_add(&ran, 1);
}

SCENARIO(wait_idle_from_a_task_is_edeadlk) {
    CHECK_OK(gmp_run(wait_idle_inside, NULL));
    CHECK_EQ(atomic_load(&ran), 1);
}

static void wait_on_gate_for_good(void *arg) {
    (void)arg;
    gmp_wg_wait(&gate, GMP_FOREVER);
}

SCENARIO(process_may_exit_with_tasks_left) {
    CHECK_OK(gmp_wg_add(&gate, 1));
    for (int i = 0; i < 100; i++) CHECK_OK(gmp_go(wait_on_gate_for_good, NULL));
    CHECK_CODE(gmp_wait_idle(gmp_after_ns(2 * MS)), GMP_ETIMEDOUT);
}
