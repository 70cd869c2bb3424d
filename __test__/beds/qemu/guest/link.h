/* The line to the host: one virtio-serial port that carries frames of
 *   u32 length of what follows | u8 type | u32 id | payload      (little endian)
 * The id names a process. Nothing here allocates: both directions have a fixed buffer, and whoever wants to send asks for room first. */
#ifndef LINK_H
#define LINK_H

#include <stddef.h>
#include <stdint.h>

enum frame_type {
	/* host to guest */
	FRAME_SPAWN = 1, /* uid, gid, cwd, argc, argv..., env...: each ends in NUL */
	FRAME_STDIN = 2, /* bytes; none = end of file */
	FRAME_KILL = 3,  /* u8 signal */
	/* guest to host */
	FRAME_READY = 10,
	FRAME_STARTED = 11, /* u32 pid */
	FRAME_STDOUT = 12,
	FRAME_STDERR = 13,
	FRAME_EXIT = 14,   /* i32 wait status */
	FRAME_FAILED = 15, /* u8 step ('c'wd, 'u'ser, 'e'xec, 'f'ork), i32 errno */
	FRAME_TAKEN = 16,  /* u32 bytes of stdin that the process has read, or that nobody will */
	FRAME_UEVENT = 17, /* u64 CLOCK_MONOTONIC in ns, the kernel's message */
};

#define FRAME_HEADER 9
#define FRAME_LIMIT (128 * 1024)

struct frame {
	enum frame_type type;
	uint32_t id;
	uint8_t *data;
	size_t length;
};

void link_open(void);
int link_fd(void);
short link_interest(void);
/* How many payload bytes a frame may have now. Keeps a reserve for the small frames that must always fit (STARTED, EXIT, TAKEN). */
size_t link_room(void);
void link_send(enum frame_type type, uint32_t id, const void *data, size_t length);
void link_write(void);
void link_read(void);
/* The next whole frame that has arrived; its data is valid until the next call. */
int link_next(struct frame *frame);

_Noreturn void give_up(const char *what);

#endif
