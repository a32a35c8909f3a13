/* held.h: for tests that let allocations of the program fail: those of the models must not. */
#ifndef LX_SIM_HELD_H
#define LX_SIM_HELD_H

#include "archive/hot.h"

/* > 0: what is allocated now is the models'. */
extern int sim_held;

/* The model's functions, each of which holds while it runs. */
void sim_hold_hot(struct lx_hot_ops *ops);

#endif
