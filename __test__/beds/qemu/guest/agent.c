/* The guest's process 1: starts processes for the host, carries their streams, and passes on the kernel's uevents. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link.h"
#include "process.h"
#include "uevents.h"

static void pass_uevents(int uevents)
{
	static uint8_t packet[UEVENT_LIMIT + 8];

	while (link_room() >= sizeof packet) {
		ssize_t got = recv(uevents, packet, sizeof packet, 0);
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0)
			give_up("the uevent witness has gone");
		link_send(FRAME_UEVENT, 0, packet, (size_t)got);
	}
}

static void obey(const struct frame *frame)
{
	switch (frame->type) {
	case FRAME_SPAWN:
		process_spawn(frame);
		break;
	case FRAME_STDIN:
		process_stdin(frame);
		break;
	case FRAME_KILL:
		process_kill(frame);
		break;
	default:
		errno = EPROTO;
		give_up("frame type");
	}
}

int main(void)
{
	static struct pollfd polls[3 + PROCESS_POLLS];
	struct signalfd_siginfo info;
	struct frame frame;
	sigset_t children;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	int ended = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	if (ended < 0)
		give_up("signalfd");

	int uevents = uevents_start();
	link_open();
	link_send(FRAME_READY, 0, NULL, 0);

	for (;;) {
		int busy = link_room() < UEVENT_LIMIT + 8;
		size_t count = process_polls(polls + 3);
		polls[0] = (struct pollfd){ .fd = ended, .events = POLLIN };
		/* Uevents go before output, so that what a process prints about a device reaches the host after the ledger's entry. */
		polls[1] = (struct pollfd){ .fd = busy ? -1 : uevents, .events = POLLIN };
		polls[2] = (struct pollfd){ .fd = link_fd(), .events = link_interest() };
		if (poll(polls, 3 + count, -1) < 0 && errno != EINTR)
			give_up("poll");
		if (polls[1].revents)
			pass_uevents(uevents);
		process_serve(polls + 3, count);
		if (polls[0].revents) {
			while (read(ended, &info, sizeof info) > 0)
				;
			process_reap();
		}
		if (polls[2].revents & (POLLIN | POLLHUP))
			link_read();
		while (link_next(&frame))
			obey(&frame);
		link_write();
	}
}
