// Reads the file of devices. A line for each that is there, and a dot at the end, without which the file is not whole:
//   PORT VENDOR PRODUCT ADDRESS ARRIVAL SERIAL NAME
//   .

#include "devices.h"
#include <stdio.h>
#include <string.h>
#include <wchar.h>

static SRWLOCK lock = SRWLOCK_INIT;
static struct device known[MOST_DEVICES];
static int count;
static char last[4096];

BOOL bed_is(const char *how)
{
	char said[16];
	DWORD length = GetEnvironmentVariableA("USB_BED_CFGMGR32", said, sizeof said);
	return length > 0 && length < sizeof said && strcmp(said, how) == 0;
}

BOOL has_devices(void)
{
	return GetEnvironmentVariableW(L"USB_BED_DEVICES", NULL, 0) > 0;
}

/** Reads the whole file. */
static BOOL read_file(char text[sizeof last])
{
	WCHAR name[MAX_PATH];
	DWORD length = GetEnvironmentVariableW(L"USB_BED_DEVICES", name, MAX_PATH);
	if (length == 0 || length >= MAX_PATH)
		return FALSE;
	HANDLE file = CreateFileW(name, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING, 0, NULL);
	if (file == INVALID_HANDLE_VALUE)
		return FALSE;
	BOOL done = ReadFile(file, text, sizeof last - 1, &length, NULL);
	CloseHandle(file);
	if (!done || length == 0)
		return FALSE;
	text[length] = 0;
	return strcmp(text, ".\n") == 0 || (length > 2 && strcmp(text + length - 3, "\n.\n") == 0);
}

/** The place of a device in the table: its own, or a new one. */
static struct device *place_of(const WCHAR *id)
{
	for (int at = 0; at < count; at++)
		if (wcscmp(known[at].id, id) == 0)
			return &known[at];
	return count < MOST_DEVICES ? &known[count++] : NULL;
}

static void take_line(const char *line)
{
	struct device device = { .present = TRUE };
	char serial[TEXT], name[TEXT];
	if (sscanf(line, "%u %x %x %u %u %127s %127[^\n]", &device.port, &device.vendor, &device.product, &device.address, &device.arrival, serial, name) != 7)
		return;
	MultiByteToWideChar(CP_UTF8, 0, serial, -1, device.serial, TEXT);
	MultiByteToWideChar(CP_UTF8, 0, name, -1, device.name, TEXT);
	_snwprintf(device.id, TEXT - 1, L"USB\\VID_%04X&PID_%04X\\%ls", device.vendor, device.product, device.serial);
	_snwprintf(device.path, TEXT - 1, L"\\\\?\\USB#VID_%04X&PID_%04X#%ls#usb_device", device.vendor, device.product, device.serial);
	struct device *place = place_of(device.id);
	if (place)
		*place = device;
}

int all_devices(struct device found[MOST_DEVICES])
{
	char text[sizeof last];
	AcquireSRWLockExclusive(&lock);
	if (read_file(text) && strcmp(text, last) != 0) {
		strcpy(last, text);
		for (int at = 0; at < count; at++)
			known[at].present = FALSE;
		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
			take_line(line);
	}
	memcpy(found, known, sizeof known);
	int devices = count;
	ReleaseSRWLockExclusive(&lock);
	return devices;
}
