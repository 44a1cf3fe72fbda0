/* A cache that speaks Redis's protocol: kvd [--host ADDRESS] [--port PORT] [--maxmemory BYTES] [--maxclients N]
 *                                           [--timeout SECONDS] [--max-bulk BYTES] [--grace SECONDS]
 *
 * One task a client. Whatever one receive brings is answered with one send. The keys lie in shards with a mutex each, so
 * clients on different processors rarely meet. It keeps nothing on disk. What it does when memory is spent: it refuses
 * what would take more (-OOM), as Redis does without an eviction policy.
 *
 * Prints "port N" once it listens. SIGTERM and SIGINT end it: no new clients, replies to what has come, then the end.
 *
 *     cd kvd && cc *.c -lgmp -o kvd && ./kvd --port 6379
 */
#include "budget.h"
#include "command.h"
#include "server.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

struct job {
    struct server_options options;
    int result;
};

/* A number, with kb, mb or gb behind it if you like. */
static long long amount(const char *text, long long most) {
    static const char *const units[] = {"", "kb", "mb", "gb"};
    char *end;
    long long n = strtoll(text, &end, 10);
    for (int i = 0; i < 4; i++) {
        if (end != text && strcasecmp(end, units[i]) == 0 && n >= 0 && n <= most >> (10 * i)) return n << (10 * i);
    }
    fprintf(stderr, "kvd: not an amount up to %lld: %s\n", most, text);
    exit(2);
}

/* A client is a descriptor: as many as this process may have. */
static void raise_limit(int clients) {
    struct rlimit files;
    rlim_t wanted = (rlim_t)clients + 64;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted) return;
    files.rlim_cur = wanted < files.rlim_max ? wanted : files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static void run(void *arg) {
    struct job *job = arg;
    job->result = server_run(&job->options);
}

int main(int argc, char **argv) {
    static const struct option known[] = {{"host", 1, NULL, 'h'},       {"port", 1, NULL, 'p'},    {"maxmemory", 1, NULL, 'm'},
                                          {"maxclients", 1, NULL, 'c'}, {"timeout", 1, NULL, 't'}, {"max-bulk", 1, NULL, 'b'},
                                          {"grace", 1, NULL, 'g'},      {NULL, 0, NULL, 0}};
    const char *host = "127.0.0.1", *port = "6379";
    struct job job = {.options = {.max_clients = 10000, .idle = 300 * 1000000000LL, .grace = 5 * 1000000000LL}};
    budget_set_limit(1u << 30);
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (option == 'h') host = optarg;
        else if (option == 'p') port = optarg;
        else if (option == 'm') budget_set_limit((size_t)amount(optarg, 1LL << 46));
        else if (option == 'c') job.options.max_clients = (int)amount(optarg, 1000000);
        else if (option == 't') job.options.idle = amount(optarg, 1000000) * 1000000000;
        else if (option == 'b') request_limits.bulk = (size_t)amount(optarg, 1LL << 29);
        else if (option == 'g') job.options.grace = amount(optarg, 1000000) * 1000000000;
        else return 2;
    }
    if (optind < argc) {
        fprintf(stderr, "usage: kvd [--port PORT] [--maxmemory BYTES] ... (see the head of main.c)\n");
        return 2;
    }
    request_limits.whole = 4 * request_limits.bulk < (64u << 20) ? 64u << 20 : 4 * request_limits.bulk;
    char address[300];
    snprintf(address, sizeof address, "%s:%s", host, port);
    job.options.address = address;
    raise_limit(job.options.max_clients);
    hash_seed();
    commands_init();
    int code = gmp_run(run, &job);
    if (code == GMP_OK) code = job.result;
    if (code != GMP_OK) fprintf(stderr, "kvd: %s: %s\n", address, gmp_strerror(code));
    return gmp_shutdown(GMP_FOREVER) == GMP_OK && code == GMP_OK ? 0 : 1;
}
