#define _GNU_SOURCE
#include "uevents.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "link.h"

#define RECEIVE_BUFFER (64 * 1024 * 1024)

static int has(const char *message, size_t length, const char *entry)
{
	return memmem(message, length, entry, strlen(entry) + 1) != NULL;
}

_Noreturn static void witness(int kernel, int agent)
{
	/* The processor is shared with what the tests measure: the stamp must not wait for its turn. */
	struct sched_param first = { .sched_priority = 1 };
	sched_setscheduler(0, SCHED_FIFO, &first);

	struct {
		uint64_t stamp;
		char message[UEVENT_LIMIT];
	} packet;
	struct sockaddr_nl sender;

	for (;;) {
		socklen_t sender_length = sizeof sender;
		ssize_t got = recvfrom(kernel, packet.message, sizeof packet.message - 1, 0, (struct sockaddr *)&sender, &sender_length);
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		if (got < 0 && errno == EINTR)
			continue;
		/* A ledger with a hole is worse than none. */
		if (got < 0)
			_exit(1);
		if (sender.nl_pid != 0)
			continue;
		packet.message[got] = 0;
		if (!has(packet.message, (size_t)got, "SUBSYSTEM=usb") || !has(packet.message, (size_t)got, "DEVTYPE=usb_device"))
			continue;
		packet.stamp = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
		if (send(agent, &packet, sizeof packet.stamp + (size_t)got, MSG_NOSIGNAL) < 0)
			_exit(1);
	}
}

int uevents_start(void)
{
	struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int size = RECEIVE_BUFFER, pair[2];
	int kernel = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (kernel < 0 || setsockopt(kernel, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) || bind(kernel, (struct sockaddr *)&group, sizeof group))
		give_up("uevent socket");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		give_up("socketpair");
	pid_t pid = fork();
	if (pid < 0)
		give_up("fork");
	if (pid == 0) {
		close(pair[0]);
		witness(kernel, pair[1]);
	}
	close(kernel);
	close(pair[1]);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	return pair[0];
}
