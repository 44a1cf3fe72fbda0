/* The sockets: who is let in, one task for each, and how it ends. */
#ifndef KVD_SERVER_H
#define KVD_SERVER_H
#include <gmprt.h>

struct server_options {
    const char *address;   /* "host:port"; port 0 takes a free one */
    int max_clients;
    int64_t idle;          /* nanoseconds that a client may be silent, or not read its replies; 0: for ever */
    int64_t grace;         /* nanoseconds for the replies of what was sent before the end */
};

/* Runs until SIGTERM or SIGINT, as a task. Prints "port N" once it listens. 0, or a code. */
int server_run(const struct server_options *options);
#endif
