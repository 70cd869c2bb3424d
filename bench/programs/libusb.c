/*
 * Listens by libusb alone, without Node: the floor for whoever listens by way of it. Speaks like listener.cjs, of whose commands it
 * knows `count` and `take`.
 */
#include <libusb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct event {
	int action, bus, address;
	long long at;
};

static struct event *heard;
static size_t count, room = 200000;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int LIBUSB_CALL changed(libusb_context *context, libusb_device *device, libusb_hotplug_event event, void *data)
{
	long long at = now();
	(void)context;
	(void)data;
	pthread_mutex_lock(&lock);
	if (count == room) {
		room *= 2;
		heard = realloc(heard, room * sizeof *heard);
		if (!heard)
			abort();
	}
	heard[count++] = (struct event){ event == LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT, libusb_get_bus_number(device),
					 libusb_get_device_address(device), at };
	pthread_mutex_unlock(&lock);
	return 0;
}

static void *answer(void *data)
{
	char line[64];
	(void)data;
	while (fgets(line, sizeof line, stdin)) {
		pthread_mutex_lock(&lock);
		if (strncmp(line, "take", 4) == 0) {
			printf("{\"answer\":[");
			for (size_t at = 0; at < count; at++)
				printf("%s%d,%d,%d,%lld", at ? "," : "", heard[at].action, heard[at].bus, heard[at].address, heard[at].at);
			printf("]}\n");
			count = 0;
		} else if (strncmp(line, "count", 5) == 0) {
			printf("{\"answer\":%zu}\n", count);
		} else {
			printf("{\"answer\":null}\n");
		}
		fflush(stdout);
		pthread_mutex_unlock(&lock);
	}
	exit(0);
}

int main(void)
{
	long long began = now();
	pthread_t thread;
	heard = calloc(room, sizeof *heard);
	if (!heard || libusb_init(NULL) != 0 ||
	    libusb_hotplug_register_callback(NULL, LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED | LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT, 0,
					     LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY, changed,
					     NULL, NULL) != 0 ||
	    pthread_create(&thread, NULL, answer, NULL) != 0) {
		fprintf(stderr, "libusb does not start\n");
		return 1;
	}
	printf("{\"ready\":true,\"began\":%lld,\"at\":%lld}\n", began, now());
	fflush(stdout);
	for (;;)
		libusb_handle_events(NULL);
}
