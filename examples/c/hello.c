#include <gmprt.h>
#include <stdio.h>

static void hello(void *name) { printf("hello from %s, task %lu\n", (char *)name, (unsigned long)gmp_self_id()); }

int main(void) {
    gmp_go(hello, "a");
    gmp_go(hello, "b");
    return gmp_shutdown(GMP_FOREVER);
}
