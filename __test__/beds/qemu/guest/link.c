#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT "/dev/vport0p1"
#define OUT_LIMIT (512 * 1024)
#define OUT_RESERVE (64 * 1024)

static int port = -1;
static uint8_t out[OUT_LIMIT];
static size_t out_start, out_end;
static uint8_t in[FRAME_LIMIT + 4];
static size_t in_length, in_used;

/* The agent is process 1: its end panics the kernel, QEMU leaves, and the host shows this line from the console. */
void give_up(const char *what)
{
	fprintf(stderr, "bed agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

void link_open(void)
{
	/* The driver announces the port some time after its module is in. */
	for (int attempt = 0; attempt < 500; attempt++) {
		port = open(PORT, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (port >= 0)
			return;
		usleep(10 * 1000);
	}
	give_up(PORT);
}

int link_fd(void)
{
	return port;
}

short link_interest(void)
{
	return POLLIN | (out_end > out_start ? POLLOUT : 0);
}

size_t link_room(void)
{
	size_t taken = out_end - out_start + OUT_RESERVE + FRAME_HEADER;
	return taken < OUT_LIMIT ? OUT_LIMIT - taken : 0;
}

void link_send(enum frame_type type, uint32_t id, const void *data, size_t length)
{
	uint32_t rest = (uint32_t)(FRAME_HEADER - 4 + length);

	if (out_end - out_start + FRAME_HEADER + length > OUT_LIMIT) {
		errno = ENOBUFS;
		give_up("the host does not read");
	}
	if (out_end + FRAME_HEADER + length > OUT_LIMIT) {
		memmove(out, out + out_start, out_end - out_start);
		out_end -= out_start;
		out_start = 0;
	}
	memcpy(out + out_end, &rest, 4);
	out[out_end + 4] = (uint8_t)type;
	memcpy(out + out_end + 5, &id, 4);
	if (length)
		memcpy(out + out_end + FRAME_HEADER, data, length);
	out_end += FRAME_HEADER + length;
}

void link_write(void)
{
	while (out_end > out_start) {
		ssize_t written = write(port, out + out_start, out_end - out_start);
		if (written < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (written <= 0)
			give_up("write " PORT);
		out_start += (size_t)written;
	}
	out_start = out_end = 0;
}

void link_read(void)
{
	memmove(in, in + in_used, in_length - in_used);
	in_length -= in_used;
	in_used = 0;
	ssize_t got = read(port, in + in_length, sizeof in - in_length);
	if (got < 0 && errno != EAGAIN && errno != EINTR)
		give_up("read " PORT);
	if (got > 0)
		in_length += (size_t)got;
}

int link_next(struct frame *frame)
{
	size_t left = in_length - in_used;
	uint32_t rest;

	if (left < FRAME_HEADER)
		return 0;
	memcpy(&rest, in + in_used, 4);
	if (rest < FRAME_HEADER - 4 || rest > FRAME_LIMIT) {
		errno = EPROTO;
		give_up("frame from the host");
	}
	if (left < rest + 4)
		return 0;
	frame->type = in[in_used + 4];
	memcpy(&frame->id, in + in_used + 5, 4);
	frame->data = in + in_used + FRAME_HEADER;
	frame->length = rest + 4 - FRAME_HEADER;
	in_used += rest + 4;
	return 1;
}
