/* The bed's witness: a process of its own that stamps the kernel's uevents about USB devices. */
#ifndef UEVENTS_H
#define UEVENTS_H

#define UEVENT_LIMIT 8192

/* Returns a SOCK_SEQPACKET descriptor; each packet is a u64 of CLOCK_MONOTONIC in ns and the kernel's message. */
int uevents_start(void);

#endif
