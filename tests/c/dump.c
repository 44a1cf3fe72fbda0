/* Dumps: each state and each reason is shown, with name, place and the system call of a thread that sleeps. */
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#include "dump_text.h"

static int fds[2];
static gmp_chan_t *never;
static atomic_int count, stop;
static char line[2048];

static gmp_task_t *spawn_named(const char *name, void *(*f)(void *), void *arg, uint32_t flags) {
    gmp_spawn_opts_t options;
    gmp_task_t *task;
    CHECK_OK(gmp_spawn_opts_init(&options, sizeof options));
    options.name = name;
    options.flags = flags;
    CHECK_OK(gmp_spawn(f, arg, &options, &task));
    return task;
}

__attribute__((noinline)) static long read_byte(int fd) {
    char byte;
    return read(fd, &byte, 1);
}

/* ------------------------------------------------------------ without a runtime */

static void check_not_running(void) {
    char *text = text_from(gmp_dump);
    CHECK(strncmp(text, "gmp dump version=", 17) == 0 && strstr(text, " not running\n"));
    CHECK_EQ(count_lines(text, ""), 1);
    free(text);
}

SCENARIO(nothing_runs_before_the_start_and_after_the_shutdown) {
    check_not_running();
    CHECK_EQ(check_threads(), 1); /* a dump starts nothing */
    check_start(2);
    char *text = text_from(gmp_dump);
    CHECK_LINE(text, line, "gmp dump version=", " uptime=", " procs=2 ");
    CHECK_EQ(count_lines(text, "processor "), 2);
    CHECK_EQ(count_lines(text, "task "), 0);
    free(text);
    CHECK_OK(gmp_shutdown(SOON()));
    check_not_running();
}

SCENARIO(bad_descriptor_is_ebadf) {
    CHECK_CODE(gmp_dump(-1), GMP_EBADF);
    CHECK_CODE(gmp_dump(1000000), GMP_EBADF);
    check_start(1);
    CHECK_CODE(gmp_dump(-1), GMP_EBADF);
    int fd = open("/dev/null", O_RDONLY);
    CHECK(fd >= 0);
    CHECK_CODE(gmp_dump(fd), GMP_EBADF);
    int full = open("/dev/full", O_WRONLY);
    if (full >= 0) CHECK_CODE(gmp_dump(full), -ENOSPC);
}

static void *receive_for_ever(void *arg) {
    int value;
    (void)arg;
    CHECK_CODE(gmp_chan_recv(never, &value, GMP_FOREVER), GMP_ECLOSED);
    return NULL;
}

SCENARIO(child_of_a_fork_has_nothing_and_then_its_own) {
    check_start(2);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &never));
    spawn_named("of the parent", receive_for_ever, NULL, 0);
    CHECK_LINE_COMES(line, "task ", "state=parked");
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        check_not_running();
        check_start(1);
        char *text = text_from(gmp_dump);
        CHECK_LINE(text, line, "gmp dump version=", " procs=1 ");
        CHECK(strstr(text, "of the parent") == NULL);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

/* ------------------------------------------------------------ what tasks do */

static void *lock_it(void *mutex) {
    CHECK_OK(gmp_mutex_lock(mutex, GMP_FOREVER));
    CHECK_OK(gmp_mutex_unlock(mutex));
    return NULL;
}
static void *read_lock_it(void *lock) {
    CHECK_OK(gmp_rwlock_rdlock(lock, GMP_FOREVER));
    CHECK_OK(gmp_rwlock_rdunlock(lock));
    return NULL;
}
static void *write_lock_it(void *lock) {
    CHECK_OK(gmp_rwlock_wrlock(lock, GMP_FOREVER));
    CHECK_OK(gmp_rwlock_wrunlock(lock));
    return NULL;
}
static void *send_it(void *chan) {
    int value = 1;
    CHECK_CODE(gmp_chan_send(chan, &value, GMP_FOREVER), GMP_ECLOSED);
    return NULL;
}
static void *select_nothing(void *arg) {
    (void)arg;
    CHECK_OK(gmp_select(NULL, 0, GMP_FOREVER, NULL));
    return NULL;
}
static void *wait_for_group(void *group) {
    CHECK_OK(gmp_wg_wait(group, GMP_FOREVER));
    return NULL;
}
static void *sleep_long(void *arg) {
    (void)arg;
    CHECK_CODE(gmp_sleep(3600 * SECOND), GMP_ECANCELED);
    return NULL;
}
static void *join_it(void *task) {
    CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
    return NULL;
}
static void *acquire_it(void *sem) {
    CHECK_OK(gmp_sem_acquire(sem, 1, GMP_FOREVER));
    return NULL;
}

/* A shape of every wait; the main thread holds what they wait for. */
SCENARIO(every_reason_is_shown_with_its_time) {
    static gmp_mutex_t mutex;
    static gmp_rwlock_t held_by_reader, held_by_writer;
    static gmp_wg_t group;
    static gmp_sem_t sem;
    check_start(2);
    gmp_chan_t *never_taken;
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &never));
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &never_taken));
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    CHECK_OK(gmp_rwlock_rdlock(&held_by_reader, GMP_FOREVER));
    CHECK_OK(gmp_rwlock_wrlock(&held_by_writer, GMP_FOREVER));
    CHECK_OK(gmp_wg_add(&group, 1));
    gmp_task_t *sleeper = spawn_named("sleep", sleep_long, NULL, 0);
    spawn_named("mutex", lock_it, &mutex, 0);
    spawn_named("rwlock-read", read_lock_it, &held_by_writer, 0);
    spawn_named("rwlock-write", write_lock_it, &held_by_reader, 0);
    spawn_named("chan-recv", receive_for_ever, NULL, 0);
    spawn_named("chan-send", send_it, never_taken, 0);
    spawn_named("select", select_nothing, NULL, 0);
    spawn_named("join", join_it, sleeper, 0);
    spawn_named("wait-group", wait_for_group, &group, 0);
    spawn_named("semaphore", acquire_it, &sem, 0);
    static const char *reasons[] = {"sleep", "mutex", "rwlock-read", "rwlock-write", "chan-recv", "chan-send", "select",
                                    "join", "wait-group", "semaphore"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        char name[64], reason[64];
        snprintf(name, sizeof name, " name=\"%s\"", reasons[i]);
        snprintf(reason, sizeof reason, " state=parked reason=%s for=", reasons[i]);
        CHECK_LINE_COMES(line, "task ", name, reason, " stack=256K site=");
    }
    /* The time goes on: poll until it is a good half second, whatever it was first. */
    CHECK_LINE_COMES(line, "task ", " name=\"sleep\"", " for=0.");
    char id[32];
    snprintf(id, sizeof id, "task %llu ", (unsigned long long)gmp_task_id(sleeper));
    for (;;) {
        char *text = text_from(gmp_dump);
        CHECK_LINE(text, line, id, " state=parked");
        const char *at = strstr(line, " for=");
        double age = strtod(at + 5, NULL);
        free(text);
        CHECK(age < 60);
        if (age > 0.5) break;
    }
    CHECK_OK(gmp_task_cancel(sleeper)); /* its joiner's, too */
}

static void *spin(void *arg) {
    (void)arg;
    atomic_fetch_add(&count, 1);
    while (!atomic_load(&stop)) continue;
    return NULL;
}

static void *read_declared(void *arg) {
    (void)arg;
    CHECK_OK(gmp_blocking_enter());
    CHECK_EQ(read_byte(fds[0]), 1);
    CHECK_OK(gmp_blocking_exit());
    return NULL;
}

static void *read_undeclared(void *arg) {
    (void)arg;
    CHECK_EQ(read_byte(fds[0]), 1);
    return NULL;
}

static void *return_at_once(void *arg) { return arg; }

SCENARIO(running_blocking_blocked_new_and_ended_are_told_apart) {
    check_start(3);
    CHECK_EQ(pipe(fds), 0);
    gmp_task_t *ended = spawn_named("ended", return_at_once, NULL, 0);
    CHECK_LINE_COMES(line, "task ", " state=ended ");
    CHECK_OK(gmp_join(ended, SOON(), NULL));
    spawn_named("declared", read_declared, NULL, 0);
    CHECK_LINE_COMES(line, "task ", " name=\"declared\"", " state=blocking thread=", " call=read");
    spawn_named("undeclared", read_undeclared, NULL, 0);
    CHECK_LINE_COMES(line, "task ", " name=\"undeclared\"", " state=blocked thread=", " call=read");
    CHECK_LINE_COMES(line, "machine ", " state=running task=", " call=read");
    spawn_named("hog", spin, NULL, 0);
    CHECK_LINE_COMES(line, "task ", " name=\"hog\"", " state=running thread=");
    CHECK(strstr(line, " call=") == NULL);
    spawn_named("hint", spin, NULL, GMP_SPAWN_BLOCKING);
    CHECK_LINE_COMES(line, "task ", " name=\"hint\"", " will-block ");
    atomic_store(&stop, 1);
    CHECK_EQ(write(fds[1], "xx", 2), 2);
    CHECK_IDLE();
}

static void read_byte_undeclared(void *arg) { read_undeclared(arg); }
static void return_nothing(void *arg) { (void)arg; }

/* On one processor: the second task runs because the first one's processor was taken, and that is told. */
SCENARIO(task_that_lost_its_processor_counts_as_blocked) {
    check_start(1);
    CHECK_EQ(pipe(fds), 0);
    CHECK_OK(gmp_go(read_byte_undeclared, NULL));
    CHECK_LINE_COMES(line, "task ", " state=blocked thread=", " call=read");
    CHECK_OK(gmp_run(return_nothing, NULL));
    gmp_stats_t stats = check_stats();
    CHECK_EQ(stats.retakes_blocked, 1);
    CHECK_EQ(stats.tasks_blocked, 1);
    CHECK_EQ(stats.tasks_running, 0);
    char *text = text_from(gmp_dump);
    CHECK_LINE(text, line, "retaken call=read times=1");
    CHECK_LINE(text, line, "machine ", " state=running task=", " processor=none call=read");
    CHECK_LINE(text, line, "task ", " state=blocked for=", " call=read");
    free(text);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_IDLE();
    CHECK_EQ(check_stats().tasks_blocked, 0);
}

/* Its slice may be over when it spawns: then they run first, and it tries again. */
static void *new_ones_then_a_dump(void *arg) {
    gmp_time_t until = SOON();
    (void)arg;
    for (int there = 0; !there;) {
        CHECK(gmp_now() < until);
        for (int i = 0; i < 5; i++) CHECK_OK(gmp_task_free(spawn_named("young", return_at_once, NULL, 0)));
        char *text = text_from(gmp_dump);
        CHECK_LINE(text, line, "task ", " name=\"dumper\"", " state=running thread=");
        CHECK_LINE(text, line, "tasks ", " running=1 ");
        there = find_line(text, line, "task ", " state=new ", " name=\"young\"", (char *)NULL) != NULL;
        free(text);
    }
    return NULL;
}

SCENARIO(task_may_dump_and_finds_itself_running) {
    check_start(1);
    CHECK_OK(gmp_join(spawn_named("dumper", new_ones_then_a_dump, NULL, 0), SOON(), NULL));
    CHECK_IDLE();
}

static void join_child_in_place(void *arg) {
    (void)arg;
    gmp_task_t *child;
    CHECK_OK(gmp_spawn(receive_for_ever, NULL, NULL, &child));
    CHECK_OK(gmp_join(child, GMP_FOREVER, NULL));
}

//@ needs own-switch
SCENARIO(child_in_place_says_on_whose_stack) {
    check_start(1);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &never));
    CHECK_OK(gmp_go(join_child_in_place, NULL));
    CHECK_LINE_COMES(line, "task ", " state=parked reason=join-in-place ");
    char on[64];
    snprintf(on, sizeof on, " on-stack-of=%lld ", strtoll(line + 5, NULL, 10));
    CHECK_LINE_COMES(line, "task ", " state=parked reason=chan-recv for=", on);
    CHECK_OK(gmp_chan_close(never));
    CHECK_IDLE();
}

static void *wait_shielded(void *arg) {
    gmp_shield(1);
    return receive_for_ever(arg);
}

SCENARIO(marks_and_odd_names_are_shown) {
    check_start(1);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &never));
    spawn_named("a \"b\"\\\n\x01\xc3\xa9", receive_for_ever, NULL, 0);
    CHECK_LINE_COMES(line, "task ", " state=parked ", " name=\"a \\\"b\\\"\\\\\\x0a\\x01\xc3\xa9\" ");
    CHECK(strstr(line, " cancelled") == NULL && strstr(line, " shielded") == NULL && strstr(line, " context") == NULL);
    gmp_task_t *task = spawn_named("marked", wait_shielded, NULL, 0);
    CHECK_LINE_COMES(line, "task ", " name=\"marked\"", " state=parked ", " shielded ");
    CHECK_OK(gmp_task_cancel(task));
    CHECK_LINE_COMES(line, "task ", " name=\"marked\"", " state=parked ", " cancelled shielded ");
    CHECK_OK(gmp_chan_close(never));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    CHECK_IDLE();
}

static void *wait_locked(void *arg) {
    CHECK_EQ(gmp_lock_thread(), 1);
    return receive_for_ever(arg);
}

SCENARIO(tasks_that_are_bound_say_to_which_thread) {
    check_start(2);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &never));
    gmp_task_t *sticky = spawn_named("glue", receive_for_ever, NULL, GMP_SPAWN_STICKY);
    gmp_task_t *locked = spawn_named("key", wait_locked, NULL, 0);
    CHECK_LINE_COMES(line, "task ", " name=\"glue\"", " state=parked ", " sticky bound-to=");
    char machine[64];
    snprintf(machine, sizeof machine, " thread=%lld ", number_of(line, "bound-to"));
    CHECK_LINE_COMES(line, "machine ", machine);
    CHECK_LINE_COMES(line, "task ", " name=\"key\"", " state=parked ", " locked bound-to=");
    snprintf(machine, sizeof machine, " thread=%lld state=asleep", number_of(line, "bound-to"));
    CHECK_LINE_COMES(line, "machine ", machine, " locked");
    CHECK_OK(gmp_chan_close(never));
    CHECK_OK(gmp_join(sticky, SOON(), NULL));
    CHECK_OK(gmp_join(locked, SOON(), NULL));
    CHECK_IDLE();
}

/* A class without hooks: all that a dump has to say of it is its name. */
SCENARIO(class_and_context_are_shown) {
    static gmp_task_class_t class = {.struct_size = sizeof class, .name = "snakes \"and\" ladders"};
    gmp_spawn_opts_t options;
    gmp_task_t *of_class, *in_context;
    gmp_ctx_t *ctx;
    check_start(1);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &never));
    CHECK_OK(gmp_ctx_new(NULL, GMP_FOREVER, &ctx));
    CHECK_OK(gmp_spawn_opts_init(&options, sizeof options));
    options.task_class = &class;
    CHECK_OK(gmp_spawn(receive_for_ever, NULL, &options, &of_class));
    CHECK_OK(gmp_spawn_opts_init(&options, sizeof options));
    options.ctx = ctx;
    CHECK_OK(gmp_spawn(receive_for_ever, NULL, &options, &in_context));
    CHECK_LINE_COMES(line, "task ", " state=parked ", " class=\"snakes \\\"and\\\" ladders\" ");
    CHECK(strstr(line, " context") == NULL && strstr(line, " name=") == NULL);
    CHECK_LINE_COMES(line, "task ", " state=parked ", " context ");
    CHECK(strstr(line, " class=") == NULL);
    CHECK_OK(gmp_chan_close(never));
    CHECK_OK(gmp_join(of_class, SOON(), NULL));
    CHECK_OK(gmp_join(in_context, SOON(), NULL));
    gmp_ctx_free(ctx);
}

/* All wait for this thread, which the runtime knows once it has waited here itself. */
SCENARIO(what_only_this_thread_could_move_is_told) {
    check_start(2);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &never));
    gmp_task_t *task = spawn_named("left", receive_for_ever, NULL, 0);
    CHECK_OK(gmp_sleep(MS));
    CHECK_LINE_COMES(line, "still: nothing can move a task but 1 ");
    CHECK_OK(gmp_chan_close(never));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    char *text = text_from(gmp_dump);
    CHECK_EQ(count_lines(text, "still: "), 0);
    free(text);
}

/* The spawn site is in this program: a static function has no name there, an exported one has. */
SCENARIO(spawn_site_is_in_the_program) {
    check_start(1);
    gmp_task_t *task;
    CHECK_OK(gmp_spawn(receive_for_ever, NULL, NULL, &task));
    CHECK_LINE_COMES(line, "task ", " state=parked ", " site=c-dump+0x");
}
