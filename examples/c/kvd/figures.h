/* What INFO and CONFIG GET tell of the server: written by the server, read by anybody. */
#ifndef KVD_FIGURES_H
#define KVD_FIGURES_H
#include <gmprt.h>
#include <stdatomic.h>

#define KVD_VERSION "7.0.0" /* the Redis whose words these are */

struct figures {
    int port, max_clients, idle_seconds; /* set before the first client */
    gmp_time_t started;
    atomic_llong clients;
    atomic_ullong accepted, refused, timed_out;
};
extern struct figures figures;
#endif
