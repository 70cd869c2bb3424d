/*
 * The floor for whoever tells JavaScript of devices from a thread of its own: an addon that does no more than it must. Its thread receives
 * a uevent and reads the device's files; the event loop calls the same JavaScript as this package does. No second source, nothing stored, no
 * snapshot, no order to keep: what a driver keeps back it waits for, and what is lost it does not notice.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/netlink.h>
#include <node_api.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

/* Gone round while everything warms up. */
#define WAITING 32
#define TEXT 256
/* Places in js/arguments.js: the last one before interfaces, and those of an event without its device. */
#define PLACES 42
#define TIMESTAMP 25
#define SIGNATURE 26
#define EVENT_ID 28
#define BACKEND 36

struct event {
	int is_attach, bus, address;
	unsigned char descriptors[4096];
	char power[TEXT], speed[TEXT], manufacturer[TEXT], product[TEXT], serial[TEXT];
};

static struct event waiting[WAITING];
static atomic_uint received, told;
static int uevents;
static uv_async_t woken;
static napi_env env;
static napi_ref function;
static napi_async_context context;

static const char *value_of(const char *message, ssize_t length, const char *key)
{
	size_t of_key = strlen(key);
	for (ssize_t at = 0; at < length; at += strlen(message + at) + 1)
		if (strncmp(message + at, key, of_key) == 0 && message[at + of_key] == '=')
			return message + at + of_key + 1;
	return "";
}

static ssize_t read_file(int directory, const char *name, void *into, size_t room)
{
	ssize_t length = -1;
	int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
	if (file >= 0) {
		length = read(file, into, room);
		close(file);
	}
	return length > 0 ? length : 0;
}

static void read_text(int directory, const char *name, char *text)
{
	ssize_t length = read_file(directory, name, text, TEXT - 1);
	text[length > 0 && text[length - 1] == '\n' ? length - 1 : length] = '\0';
}

static void describe(struct event *event, const char *devpath)
{
	char path[512];
	snprintf(path, sizeof path, "/sys%s", devpath);
	int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ssize_t length = read_file(directory, "descriptors", event->descriptors, sizeof event->descriptors);
	memset(event->descriptors + length, 0, sizeof event->descriptors - length);
	read_text(directory, "speed", event->speed);
	read_text(directory, "bMaxPower", event->power);
	read_text(directory, "manufacturer", event->manufacturer);
	read_text(directory, "product", event->product);
	read_text(directory, "serial", event->serial);
	close(directory);
}

/* One event that JavaScript is to be told of, if any waits. */
static int receive(struct event *event)
{
	static char message[8192];
	ssize_t length;
	while ((length = recv(uevents, message, sizeof message - 1, MSG_DONTWAIT)) > 0) {
		message[length] = '\0';
		const char *action = value_of(message, length, "ACTION");
		event->is_attach = strcmp(action, "add") == 0;
		if (strcmp(value_of(message, length, "DEVTYPE"), "usb_device") != 0 || (!event->is_attach && strcmp(action, "remove") != 0))
			continue;
		if (event->is_attach) {
			event->bus = atoi(value_of(message, length, "BUSNUM"));
			event->address = atoi(value_of(message, length, "DEVNUM"));
			describe(event, value_of(message, length, "DEVPATH"));
		}
		return 1;
	}
	return 0;
}

static void *listen_for_uevents(void *unused)
{
	struct pollfd polled = { .fd = uevents, .events = POLLIN };
	for (;;) {
		poll(&polled, 1, -1);
		/* One that finds no room stays with the kernel. */
		while (received - told < WAITING && receive(&waiting[received % WAITING])) {
			atomic_fetch_add(&received, 1);
			uv_async_send(&woken);
		}
	}
	return unused;
}

static napi_value number(double of)
{
	napi_value value;
	napi_create_double(env, of, &value);
	return value;
}

static napi_value text(const char *of)
{
	napi_value value;
	napi_create_string_utf8(env, of, NAPI_AUTO_LENGTH, &value);
	return value;
}

static napi_value flag(int of)
{
	napi_value value;
	napi_get_boolean(env, of, &value);
	return value;
}

/* What this package makes out of what was read stands there as it is, without being made. */
static size_t attach_arguments(const struct event *event, napi_value *arguments)
{
	const unsigned char *raw = event->descriptors;
	double id_vendor = raw[8] | raw[9] << 8, id_product = raw[10] | raw[11] << 8;
	napi_value nothing;
	napi_get_null(env, &nothing);
	napi_value all[PLACES + 1] = {
		text("attach"), number(id_vendor), number(id_product), number(raw[0]), number(raw[1]), number(raw[2] | raw[3] << 8), number(raw[4]),
		number(raw[5]), number(raw[6]), number(raw[7]), number(id_vendor), number(id_product), number(raw[12] | raw[13] << 8), number(raw[14]),
		number(raw[15]), number(raw[16]), number(raw[17]), text(event->serial), text(event->manufacturer), text(event->product), text("Vendor"),
		nothing, number(event->bus), number(event->address), text("4.2"), number(1e12), text("1:5:0123456789ab"), number(1e12),
		text("0123456789abcdef:1"), text("0123456789ab"), text("serial"), text("hid,keyboard"), text(event->speed), number(atoi(event->power)),
		flag(0), flag(1), text("netlink"), nothing, flag(0), nothing, nothing, nothing, number(0x030101),
	};
	memcpy(arguments, all, sizeof all);
	return PLACES + 1;
}

static size_t detach_arguments(napi_value *arguments)
{
	napi_value nothing;
	napi_get_null(env, &nothing);
	for (size_t at = 0; at < PLACES; at++)
		arguments[at] = nothing;
	arguments[0] = text("left");
	arguments[TIMESTAMP] = number(1e12);
	arguments[SIGNATURE] = text("1:5:0123456789ab");
	arguments[EVENT_ID] = text("0123456789abcdef:2");
	arguments[BACKEND] = text("netlink");
	return PLACES;
}

static void call(const struct event *event)
{
	napi_handle_scope handles;
	napi_callback_scope callback;
	napi_value arguments[PLACES + 1], called, global, result, thrown;
	napi_open_handle_scope(env, &handles);
	size_t count = event->is_attach ? attach_arguments(event, arguments) : detach_arguments(arguments);
	napi_get_global(env, &global);
	napi_open_callback_scope(env, global, context, &callback);
	napi_get_reference_value(env, function, &called);
	if (napi_call_function(env, global, called, count, arguments, &result) == napi_pending_exception &&
	    napi_get_and_clear_last_exception(env, &thrown) == napi_ok)
		napi_fatal_exception(env, thrown);
	napi_close_callback_scope(env, callback);
	napi_close_handle_scope(env, handles);
}

static void tell(uv_async_t *unused)
{
	(void)unused;
	for (; told < received; told++)
		call(&waiting[told % WAITING]);
}

/* Calls the function that it is given for each event, until the process ends. */
static napi_value start(napi_env of, napi_callback_info info)
{
	size_t count = 1;
	napi_value callback;
	uv_loop_t *loop;
	pthread_t thread;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	env = of;
	napi_get_cb_info(env, info, &count, &callback, NULL, NULL);
	napi_create_reference(env, callback, 1, &function);
	napi_async_init(env, NULL, text("floor"), &context);
	napi_get_uv_event_loop(env, &loop);
	uevents = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	if (uv_async_init(loop, &woken, tell) != 0 || uevents < 0 || bind(uevents, (struct sockaddr *)&kernel, sizeof kernel) != 0 ||
	    pthread_create(&thread, NULL, listen_for_uevents, NULL) != 0)
		napi_throw_error(env, NULL, "uevents cannot be listened to");
	return NULL;
}

NAPI_MODULE_INIT()
{
	napi_value function_start;
	(void)exports;
	napi_create_function(env, "start", NAPI_AUTO_LENGTH, start, NULL, &function_start);
	return function_start;
}
