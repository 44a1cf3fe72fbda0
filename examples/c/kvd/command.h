/* The commands: what each is called, what it takes, which arguments are keys. */
#ifndef KVD_COMMAND_H
#define KVD_COMMAND_H
#include "client.h"

enum {
    CMD_GROWS = 1,    /* refused when the memory is spent */
    CMD_WRITES = 2,
    CMD_ALL_KEYS = 4, /* locks the whole store */
};

struct command {
    const char *name;            /* lower case */
    void (*run)(struct client *c);
    int arity;                   /* with the name; negative: at least so many */
    unsigned flags;
    int first_key, last_key, step; /* 0: no keys; last_key negative: from the end */
};

extern const struct command key_commands[], text_commands[], list_commands[], hash_commands[], set_commands[], server_commands[];

void commands_init(void);              /* once, before the first client */
void command_run(struct client *c);    /* the request; its keys' shards are locked meanwhile */
const struct command *command_find(struct slice name);
const struct command *command_number(size_t i); /* NULL past the last */

/* ------------------------------------------------------------ for the commands */
static inline struct slice arg(const struct client *c, size_t i) { return c->request.argv[i]; }
bool is_word(struct slice text, const char *word); /* whatever the case */
bool glob(struct slice pattern, struct slice text); /* * ? [a-z] [^a-z] \x */
/* Argument `i` as an integer; false: replied. */
bool int_arg(struct client *c, size_t i, int64_t *out);
/* The key of argument 1, which has to be of `kind`: *out is NULL where it is not there. False: replied. */
bool find_key(struct client *c, enum kind kind, struct item **out);
/* The same, and made where it is not there. */
bool need_key(struct client *c, enum kind kind, struct item **out);
struct item *add_key(struct client *c, enum kind kind, void *value); /* NULL: replied; the value is freed */
void drop_if_empty(struct client *c, const struct item *item);       /* the container of argument 1 */
#endif
