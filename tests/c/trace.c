/* Traces: files that tools can read, whatever happens meanwhile, and no trace where there was none to be. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

static gmp_chan_t *chan;
static atomic_int stop, count;

/* ------------------------------------------------------------ a file, and what is in it */

static char directory[] = "/tmp/gmp-trace-XXXXXX", path[64];

static void remove_directory(void) {
    unlink(path);
    rmdir(directory);
}

static const char *trace_path(void) {
    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/trace.json", directory);
    atexit(remove_directory);
    return path;
}

static const char *skip(const char *at) {
    return at + strspn(at, " \t\r\n");
}

static const char *string_at(const char *at) {
    CHECK(*at++ == '"');
    while (*at != '"') {
        CHECK((unsigned char)*at >= 0x20);
        if (*at == '\\') {
            at++;
            CHECK(strchr("\"\\/bfnrtu", *at));
            if (*at == 'u') CHECK(strspn(at + 1, "0123456789abcdefABCDEF") >= 4);
        }
        at++;
    }
    return at + 1;
}

/* What follows one value; a text that is no JSON fails. */
static const char *value_at(const char *at) {
    at = skip(at);
    if (*at == '"') return string_at(at);
    if (*at == '{' || *at == '[') {
        char end = *at == '{' ? '}' : ']';
        for (at = skip(at + 1); *at != end;) {
            if (end == '}') {
                at = skip(string_at(at));
                CHECK(*at++ == ':');
            }
            at = skip(value_at(at));
            if (*at != ',') {
                CHECK(*at == end);
                break;
            }
            at = skip(at + 1);
            CHECK(*at != end);
        }
        return at + 1;
    }
    size_t length = strspn(at, "-+.0123456789eE");
    CHECK(length > 0);
    return at + length;
}

/* The file's text, which is one JSON value; freed by the caller. */
static char *trace_at(const char *file) {
    FILE *f = fopen(file, "r");
    CHECK(f != NULL);
    CHECK_EQ(fseek(f, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(size + 1);
    CHECK(text != NULL && fread(text, 1, size, f) == size);
    fclose(f);
    text[size] = 0;
    CHECK_EQ(strlen(text), size);
    CHECK_EQ(*skip(value_at(text)), 0);
    return text;
}

static long count_of(const char *text, const char *what) {
    long n = 0;
    while ((text = strstr(text, what))) n++, text += strlen(what);
    return n;
}

static gmp_task_t *spawn_named(const char *name, void *(*f)(void *), void *arg) {
    gmp_spawn_opts_t options;
    gmp_task_t *task;
    CHECK_OK(gmp_spawn_opts_init(&options, sizeof options));
    options.name = name;
    CHECK_OK(gmp_spawn(f, arg, &options, &task));
    return task;
}

static void join(gmp_task_t *task) {
    CHECK_OK(gmp_join(task, SOON(), NULL));
}

/* ------------------------------------------------------------ what it tells */

static void *send_ten(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) CHECK_OK(gmp_chan_send(chan, &i, SOON()));
    return NULL;
}

static void *receive_ten(void *arg) {
    int value;
    (void)arg;
    for (int i = 0; i < 10; i++) CHECK_OK(gmp_chan_recv(chan, &value, SOON()));
    CHECK_OK(gmp_sleep(1000000));
    CHECK_OK(gmp_blocking_enter());
    usleep(1000);
    CHECK_OK(gmp_blocking_exit());
    gmp_yield();
    return NULL;
}

SCENARIO(tasks_are_told_with_names_reasons_and_arrows) {
    check_start(2);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    CHECK_OK(gmp_trace_start(trace_path()));
    gmp_task_t *first = spawn_named("the \"first\"\n\xff\xc3\xa9", receive_ten, NULL);
    gmp_task_t *second = spawn_named("second, whose name is longer than what is kept of a name", send_ten, NULL);
    join(first);
    join(second);
    CHECK_OK(gmp_trace_stop());
    char *text = trace_at(path);
    CHECK(strstr(text, "\"name\":\"the \\\"first\\\"\\u000a\xef\xbf\xbd\xc3\xa9\""));
    CHECK(strstr(text, "\"name\":\"second, whose name is longer than what is kept o\""));
    CHECK(strstr(text, "\"left\":\"chan-recv\"") || strstr(text, "\"left\":\"chan-send\""));
    CHECK(strstr(text, "\"left\":\"sleep\"") && strstr(text, "\"name\":\"blocking\""));
    CHECK_EQ(count_of(text, "\"left\":\"ended\""), 2);
    CHECK(count_of(text, "\"name\":\"create\",\"cat\"") == 4); /* two arrows, each with two ends */
    CHECK(count_of(text, "\"ph\":\"s\"") > 5);
    CHECK_EQ(count_of(text, "\"ph\":\"s\""), count_of(text, "\"ph\":\"f\""));
    CHECK(strstr(text, "\"lost\":0,"));
    CHECK(strstr(text, "\"name\":\"machine ") && strstr(text, "\"name\":\"processor "));
    free(text);
}

static void *nothing(void *arg) {
    return arg;
}

static void *spawn_and_join(void *arg) {
    (void)arg;
    for (int i = 0; i < 100; i++) {
        gmp_task_t *child;
        CHECK_OK(gmp_spawn(nothing, NULL, NULL, &child));
        join(child);
        gmp_task_t *grandchild = spawn_named("short", nothing, NULL);
        CHECK_OK(gmp_join(grandchild, GMP_FOREVER, NULL));
    }
    return NULL;
}

SCENARIO(children_that_run_in_place_are_told) {
    check_start(1);
    CHECK_OK(gmp_trace_start(trace_path()));
    join(spawn_named("parent", spawn_and_join, NULL));
    CHECK_OK(gmp_trace_stop());
    char *text = trace_at(path);
    CHECK_EQ(count_of(text, "\"left\":\"ended\""), 201);
    CHECK_EQ(count_of(text, "\"name\":\"short\""), 100);
    CHECK(strstr(text, "\"left\":\"join-in-place\"") || strstr(text, "\"left\":\"join\""));
    free(text);
}

static void *trace_from_inside(void *arg) {
    (void)arg;
    CHECK_OK(gmp_trace_start(path));
    CHECK_CODE(gmp_trace_start(path), GMP_EBUSY);
    gmp_yield();
    CHECK_OK(gmp_trace_stop());
    CHECK_CODE(gmp_trace_stop(), GMP_EMISUSE);
    return NULL;
}

SCENARIO(task_may_start_and_stop_it_and_its_name_is_known_from_before) {
    check_start(2);
    trace_path();
    join(spawn_named("here already", trace_from_inside, NULL));
    char *text = trace_at(path);
    free(text);
}

/* ------------------------------------------------------------ beside work */

static void *work_on(void *arg) {
    (void)arg;
    while (!stop) {
        gmp_task_t *child;
        CHECK_OK(gmp_spawn(nothing, NULL, NULL, &child));
        join(child);
        for (int i = 0; i < 10; i++) gmp_yield();
        CHECK_OK(gmp_sleep(1000));
    }
    return NULL;
}

SCENARIO(it_is_begun_and_stopped_again_and_again_while_tasks_run) {
    check_start(3);
    trace_path();
    gmp_task_t *tasks[8];
    for (int i = 0; i < 8; i++) tasks[i] = spawn_named("busy", work_on, NULL);
    for (int round = 0; round < 30; round++) {
        CHECK_OK(gmp_trace_start(path));
        usleep(round % 3 * 3000);
        CHECK_OK(gmp_trace_stop());
        char *text = trace_at(path);
        free(text);
    }
    stop = 1;
    for (int i = 0; i < 8; i++) join(tasks[i]);
}

static void *begin_and_stop(void *arg) {
    (void)arg;
    for (int i = 0; i < 30; i++) {
        int code = gmp_trace_start(path);
        CHECK(code == GMP_OK || code == GMP_EBUSY);
        count += code == GMP_OK;
        code = gmp_trace_stop();
        CHECK(code == GMP_OK || code == GMP_EMISUSE);
        count -= code == GMP_OK;
    }
    return NULL;
}

SCENARIO(several_threads_and_tasks_begin_and_stop_it_at_once) {
    check_start(2);
    trace_path();
    gmp_task_t *tasks[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) tasks[i] = spawn_named("", begin_and_stop, NULL);
    for (int i = 0; i < 2; i++) CHECK_EQ(pthread_create(&threads[i], NULL, begin_and_stop, NULL), 0);
    for (int i = 0; i < 2; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 2; i++) join(tasks[i]);
    CHECK_EQ(count, 0);
    free(trace_at(path));
}

static void *yield_much(void *arg) {
    (void)arg;
    for (count++; count < 2;) gmp_yield();
    for (int i = 0; i < 200000; i++) gmp_yield();
    return NULL;
}

static char *piped;
static size_t piped_size;

static void *read_pipe(void *arg) {
    int fd = *(int *)arg;
    ssize_t n;
    do {
        piped = realloc(piped, piped_size + 65537);
        CHECK(piped != NULL);
        n = read(fd, piped + piped_size, 65536);
        CHECK(n >= 0);
        piped_size += (size_t)n;
    } while (n > 0);
    piped[piped_size] = 0;
    return NULL;
}

/* Nobody reads while the tasks run: what does not fit is lost, and told. */
SCENARIO(what_is_not_written_in_time_is_lost_and_counted) {
    check_start(1);
    CHECK_EQ(mkfifo(trace_path(), 0600), 0);
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    CHECK(fd >= 0);
    CHECK_OK(gmp_trace_start(path));
    gmp_task_t *first = spawn_named("first", yield_much, NULL), *second = spawn_named("second", yield_much, NULL);
    join(first);
    join(second);
    CHECK_EQ(fcntl(fd, F_SETFL, 0), 0);
    pthread_t reader;
    CHECK_EQ(pthread_create(&reader, NULL, read_pipe, &fd), 0);
    CHECK_OK(gmp_trace_stop());
    CHECK_EQ(pthread_join(reader, NULL), 0);
    CHECK_EQ(*skip(value_at(piped)), 0);
    CHECK(strstr(piped, " events lost\"") && strstr(piped, "\"left\":\"events-lost\""));
    const char *lost = strstr(piped, "\"lost\":");
    CHECK(lost && strtol(lost + 7, NULL, 10) > 100000);
    free(piped);
}

/* ------------------------------------------------------------ bad input */

SCENARIO(bad_paths_and_wrong_order_have_their_codes) {
    CHECK_CODE(gmp_trace_stop(), GMP_EMISUSE);
    CHECK_CODE(gmp_trace_start(NULL), GMP_EINVAL);
    CHECK_EQ(check_threads(), 1); /* nothing was started */
    check_start(1);
    CHECK_CODE(gmp_trace_start("/nonexistent/trace"), -ENOENT);
    CHECK_CODE(gmp_trace_start(""), -ENOENT);
    CHECK_CODE(gmp_trace_start("/tmp"), -EISDIR);
    CHECK_CODE(gmp_trace_stop(), GMP_EMISUSE);
    CHECK_OK(gmp_trace_start(trace_path()));
    char other[80];
    snprintf(other, sizeof other, "%s.other", path);
    CHECK_CODE(gmp_trace_start(other), GMP_EBUSY);
    CHECK_EQ(access(other, F_OK), -1);
    CHECK_OK(gmp_trace_stop());
    CHECK_CODE(gmp_trace_stop(), GMP_EMISUSE);
    free(trace_at(path));
}

SCENARIO(full_device_is_told_by_the_stop) {
    if (access("/dev/full", W_OK) != 0) return;
    CHECK_OK(gmp_trace_start("/dev/full")); /* starts the runtime, too */
    join(spawn_named("x", nothing, NULL));
    CHECK_CODE(gmp_trace_stop(), -ENOSPC);
    CHECK_OK(gmp_trace_start(trace_path()));
    CHECK_OK(gmp_trace_stop());
    free(trace_at(path));
}

static void receive(void *arg) {
    int value;
    (void)arg;
    gmp_chan_recv(chan, &value, GMP_FOREVER);
}

//@ says gmp: all tasks are asleep
SCENARIO(deadlock_is_found_though_a_trace_is_under_way) {
    check_start(2);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    CHECK_OK(gmp_trace_start(trace_path()));
    CHECK_CODE(gmp_run(receive, NULL), GMP_EDEADLK);
    CHECK_OK(gmp_trace_stop());
    char *text = trace_at(path);
    CHECK(strstr(text, "\"left\":\"chan-recv\""));
    free(text);
}

/* ------------------------------------------------------------ ends */

SCENARIO(shutdown_ends_it) {
    check_start(2);
    CHECK_OK(gmp_trace_start(trace_path()));
    join(spawn_named("last", nothing, NULL));
    CHECK_OK(gmp_shutdown(SOON()));
    char *text = trace_at(path);
    CHECK(strstr(text, "\"name\":\"last\"") && strstr(text, "trace stopped"));
    free(text);
    CHECK_CODE(gmp_trace_stop(), GMP_EMISUSE);
    CHECK_CODE(gmp_trace_start(path), GMP_ESTOPPED);
    check_start(1);
    CHECK_OK(gmp_trace_start(path));
    CHECK_OK(gmp_trace_stop());
    CHECK_OK(gmp_shutdown(SOON()));
}

SCENARIO(child_of_a_fork_is_in_no_trace_and_may_begin_its_own) {
    check_start(2);
    CHECK_OK(gmp_trace_start(trace_path()));
    join(spawn_named("parent", nothing, NULL));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_CODE(gmp_trace_stop(), GMP_EMISUSE);
        char own[80];
        snprintf(own, sizeof own, "%s.child", path);
        check_start(1);
        join(spawn_named("child", nothing, NULL));
        CHECK_OK(gmp_trace_start(own));
        join(spawn_named("grandchild", nothing, NULL));
        CHECK_OK(gmp_trace_stop());
        char *text = trace_at(own);
        unlink(own);
        CHECK(strstr(text, "grandchild") && !strstr(text, "parent"));
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_OK(gmp_trace_stop());
    char *text = trace_at(path);
    CHECK(strstr(text, "\"parent\"") && !strstr(text, "\"child\""));
    free(text);
}
