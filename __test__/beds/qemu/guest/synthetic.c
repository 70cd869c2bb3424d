/* One USB device made of the descriptors on stdin, plugged into vhci_hcd with this process as the device's other end (usbip protocol).
 *
 * Input, one item a line, bytes in hex, ended by `plug`:
 *     speed 1|2|3|5          the kernel's enum usb_device_speed: low, full, high, super
 *     device HEX | config HEX | bos HEX | string HEX      config and string: the next index (strings from 0, the languages);
 *                                                         an item without bytes is answered with a stall
 *     report HEX             the report descriptor of each HID interface
 *     stall HEX              a request that stalls: bmRequestType and bRequest
 * Prints `plugged <vhci port> <controller> <port on its root hub>`, then serves until stdin ends. What is not a descriptor read, a status or a
 * configuration choice stalls; transfers on other endpoints wait until they are cancelled, like a device that has nothing to say. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define VHCI "/sys/devices/platform/vhci_hcd.0"
#define DESCRIPTOR_LIMIT 65535
#define LINE_LIMIT (2 * DESCRIPTOR_LIMIT + 64)
#define TRANSFER_LIMIT (1024 * 1024)

enum { CMD_SUBMIT = 1, CMD_UNLINK = 2, RET_SUBMIT = 3, RET_UNLINK = 4 };

struct pdu {
	uint32_t command, seqnum, devid, direction, endpoint;
	/* CMD_SUBMIT: flags, length, start frame, packets, interval. RET_SUBMIT: status, length, start frame, packets, errors. RET_UNLINK: status. */
	uint32_t words[5];
	uint8_t setup[8];
};

struct descriptor {
	uint8_t *bytes;
	size_t length;
};

static struct descriptor device, bos, report, configs[256], strings[256], stalls[16];
static size_t config_count, string_count, stall_count;
static int speed = 3;

/* Transfers that wait. Each has its own seqnum, and the kernel has few under way at once. */
static uint32_t waiting[1024];

_Noreturn static void give_up(const char *what)
{
	fprintf(stderr, "synthetic: %s: %s\n", what, errno ? strerror(errno) : "malformed");
	exit(1);
}

static struct descriptor parse_hex(const char *text)
{
	size_t length = strspn(text, "0123456789abcdefABCDEF") / 2;
	struct descriptor parsed = { malloc(length + 1), length };

	if (length > DESCRIPTOR_LIMIT || !parsed.bytes)
		give_up("descriptor");
	for (size_t i = 0; i < length; i++) {
		unsigned byte;
		sscanf(text + 2 * i, "%2x", &byte);
		parsed.bytes[i] = (uint8_t)byte;
	}
	return parsed;
}

static void read_description(void)
{
	static char line[LINE_LIMIT];

	while (fgets(line, sizeof line, stdin)) {
		char *value = strchr(line, ' ');
		value = value ? value + 1 : line + strlen(line);
		if (!strncmp(line, "plug", 4))
			return;
		if (!strncmp(line, "speed ", 6))
			speed = atoi(value);
		else if (!strncmp(line, "device ", 7))
			device = parse_hex(value);
		else if (!strncmp(line, "bos ", 4))
			bos = parse_hex(value);
		else if (!strncmp(line, "report ", 7))
			report = parse_hex(value);
		else if (!strncmp(line, "stall ", 6) && stall_count < 16)
			stalls[stall_count++] = parse_hex(value);
		else if (!strncmp(line, "config", 6) && config_count < 256)
			configs[config_count++] = parse_hex(value);
		else if (!strncmp(line, "string", 6) && string_count < 256)
			strings[string_count++] = parse_hex(value);
		else
			give_up(line);
	}
	give_up("input ended before plug");
}

/* vhci's ports are numbered through all controllers; a free one may be lost to another process between reading and writing. */
static void plug(int kernel_end)
{
	const char *wanted = speed == 5 ? "ss" : "hs";

	for (int controller = 0;; controller++) {
		char path[128], line[256];
		int index = 0;
		if (controller)
			snprintf(path, sizeof path, VHCI "/status.%d", controller);
		else
			snprintf(path, sizeof path, VHCI "/status");
		FILE *status = fopen(path, "re");
		if (!status)
			give_up(controller ? "no free vhci port" : VHCI "/status");
		while (fgets(line, sizeof line, status)) {
			char hub[8];
			int port, state;
			if (sscanf(line, "%7s %d %d", hub, &port, &state) != 3)
				continue;
			if (strcmp(hub, wanted))
				continue;
			index++;
			/* 4 = VDEV_ST_NULL */
			if (state != 4)
				continue;
			int attach = open(VHCI "/attach", O_WRONLY | O_CLOEXEC);
			if (attach < 0)
				give_up(VHCI "/attach");
			int length = snprintf(line, sizeof line, "%d %d %d %d", port, kernel_end, port + 1, speed);
			ssize_t written = write(attach, line, (size_t)length);
			int error = errno;
			close(attach);
			if (written == length) {
				fclose(status);
				printf("plugged %d %d %d\n", port, controller, index);
				fflush(stdout);
				return;
			}
			if (error != EBUSY) {
				errno = error;
				give_up(VHCI "/attach");
			}
		}
		fclose(status);
	}
}

static int transfer(int fd, void *data, size_t length, int writing)
{
	for (size_t done = 0; done < length;) {
		ssize_t step = writing ? send(fd, (uint8_t *)data + done, length - done, MSG_NOSIGNAL) : read(fd, (uint8_t *)data + done, length - done);
		if (step < 0 && errno == EINTR)
			continue;
		if (step <= 0)
			return 0;
		done += (size_t)step;
	}
	return 1;
}

static const struct descriptor *find_descriptor(uint8_t type, uint8_t index)
{
	switch (type) {
	case 1: return &device;
	case 2: return index < config_count ? &configs[index] : NULL;
	case 3: return index < string_count ? &strings[index] : NULL;
	case 15: return &bos;
	case 0x22: return &report;
	default: return NULL;
	}
}

/* Answers a control request; returns the status, and the reply in *data. */
static int32_t control(const uint8_t setup[8], const uint8_t **data, size_t *length)
{
	static uint8_t configuration, zeros[2];
	size_t limit = (size_t)(setup[6] | setup[7] << 8);

	*length = 0;
	for (size_t i = 0; i < stall_count; i++)
		if (stalls[i].length >= 2 && !memcmp(stalls[i].bytes, setup, 2))
			return -EPIPE;
	switch (setup[0] << 8 | setup[1]) {
	case 0x8006: case 0x8106: { /* GET_DESCRIPTOR */
		const struct descriptor *found = find_descriptor(setup[3], setup[2]);
		if (!found || found->length == 0)
			return -EPIPE;
		*data = found->bytes;
		*length = found->length < limit ? found->length : limit;
		return 0;
	}
	case 0x8000: case 0x8100: case 0x8200: /* GET_STATUS */
		*data = zeros;
		*length = limit < 2 ? limit : 2;
		return 0;
	case 0x8008: /* GET_CONFIGURATION */
		*data = &configuration;
		*length = limit < 1 ? limit : 1;
		return 0;
	case 0x0009: /* SET_CONFIGURATION */
		configuration = setup[2];
		return 0;
	case 0x010b: /* SET_INTERFACE */
	case 0x2109: case 0x210a: case 0x210b: /* HID's SET_REPORT, SET_IDLE, SET_PROTOCOL */
	case 0x0001: case 0x0101: case 0x0201: /* CLEAR_FEATURE */
	case 0x0003: case 0x0103: case 0x0203: /* SET_FEATURE */
	case 0x0030: case 0x0031: /* SET_SEL, SET_ISOCH_DELAY */
		return 0;
	default:
		return -EPIPE;
	}
}

static int reply(int fd, uint32_t command, uint32_t seqnum, int32_t status, const void *data, size_t length, size_t actual)
{
	struct pdu pdu = { .command = htonl(command), .seqnum = htonl(seqnum) };

	pdu.words[0] = htonl((uint32_t)status);
	if (command == RET_SUBMIT)
		pdu.words[1] = htonl((uint32_t)actual);
	return transfer(fd, &pdu, sizeof pdu, 1) && (length == 0 || transfer(fd, (void *)data, length, 1));
}

static int unlink_transfer(int fd, uint32_t seqnum, uint32_t victim)
{
	for (size_t i = 0; i < sizeof waiting / sizeof *waiting; i++)
		if (waiting[i] == victim) {
			waiting[i] = 0;
			return reply(fd, RET_UNLINK, seqnum, -ECONNRESET, NULL, 0, 0);
		}
	return reply(fd, RET_UNLINK, seqnum, 0, NULL, 0, 0);
}

static int leave_waiting(uint32_t seqnum)
{
	for (size_t i = 0; i < sizeof waiting / sizeof *waiting; i++)
		if (waiting[i] == 0) {
			waiting[i] = seqnum;
			return 1;
		}
	return 0;
}

/* Serves one request; false when the kernel has let go or speaks out of turn. */
static int serve(int fd)
{
	static uint8_t payload[TRANSFER_LIMIT];
	struct pdu pdu;

	if (!transfer(fd, &pdu, sizeof pdu, 0))
		return 0;
	uint32_t seqnum = ntohl(pdu.seqnum), length = ntohl(pdu.words[1]), packets = ntohl(pdu.words[3]);
	if (ntohl(pdu.command) == CMD_UNLINK)
		return unlink_transfer(fd, seqnum, ntohl(pdu.words[0]));

	int incoming = ntohl(pdu.direction) == 1;
	if (length > TRANSFER_LIMIT || (!incoming && !transfer(fd, payload, length, 0)))
		return 0;
	if (ntohl(pdu.endpoint) == 0) {
		const uint8_t *data = NULL;
		size_t actual = 0;
		int32_t status = control(pdu.setup, &data, &actual);
		if (actual > length)
			actual = length;
		return reply(fd, RET_SUBMIT, seqnum, status, data, incoming ? actual : 0, incoming ? actual : length);
	}
	if (packets != 0 && packets != UINT32_MAX) {
		/* Isochronous: each packet has a record of 16 bytes. */
		if (packets > TRANSFER_LIMIT / 16 || !transfer(fd, payload, packets * 16, 0))
			return 0;
		return leave_waiting(seqnum);
	}
	return incoming ? leave_waiting(seqnum) : reply(fd, RET_SUBMIT, seqnum, 0, NULL, 0, length);
}

int main(void)
{
	int pair[2];

	read_description();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		give_up("socketpair");
	plug(pair[1]);
	/* The kernel holds its end itself. */
	close(pair[1]);

	struct pollfd polls[2] = { { .fd = pair[0], .events = POLLIN }, { .fd = 0, .events = POLLIN } };
	for (;;) {
		if (poll(polls, 2, -1) < 0 && errno != EINTR)
			give_up("poll");
		char end;
		if (polls[1].revents && read(0, &end, 1) <= 0)
			return 0;
		if (polls[0].revents && !serve(pair[0]))
			return 0;
	}
}
