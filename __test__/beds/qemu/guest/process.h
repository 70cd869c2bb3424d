/* The processes that the host has started in the guest. */
#ifndef PROCESS_H
#define PROCESS_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "link.h"

#define PROCESS_LIMIT 512
#define PROCESS_POLLS (3 * PROCESS_LIMIT)

void process_spawn(const struct frame *frame);
void process_stdin(const struct frame *frame);
void process_kill(const struct frame *frame);
/* Collects every child that has ended, orphans included: the agent is process 1. */
void process_reap(void);
size_t process_polls(struct pollfd *polls);
void process_serve(const struct pollfd *polls, size_t count);

#endif
