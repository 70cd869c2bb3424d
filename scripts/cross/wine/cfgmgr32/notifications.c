// Tells of devices that come and go, as the configuration manager does: on a thread of its own.

#include "devices.h"
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

struct registration {
	PCM_NOTIFY_CALLBACK callback;
	PVOID context;
	HANDLE thread, stop;
	/** What has been told. */
	struct device told[MOST_DEVICES];
};

static void tell(struct registration *registration, CM_NOTIFY_ACTION action, const struct device *device)
{
	struct {
		CM_NOTIFY_EVENT_DATA data;
		WCHAR more[TEXT];
	} event;
	memset(&event, 0, sizeof event);
	event.data.FilterType = CM_NOTIFY_FILTER_TYPE_DEVICEINTERFACE;
	wcscpy(event.data.u.DeviceInterface.SymbolicLink, device->path);
	registration->callback((HCMNOTIFICATION)registration, registration->context, action, &event.data, sizeof event);
}

static DWORD WINAPI watch(LPVOID argument)
{
	struct registration *registration = argument;
	do {
		struct device now[MOST_DEVICES];
		int count = all_devices(now);
		for (int at = 0; at < count; at++) {
			struct device *then = &registration->told[at];
			BOOL is_same = then->present && now[at].present && then->arrival == now[at].arrival;
			if (then->present && !is_same)
				tell(registration, CM_NOTIFY_ACTION_DEVICEINTERFACEREMOVAL, then);
			if (now[at].present && !is_same)
				tell(registration, CM_NOTIFY_ACTION_DEVICEINTERFACEARRIVAL, &now[at]);
			*then = now[at];
		}
	} while (WaitForSingleObject(registration->stop, 10) == WAIT_TIMEOUT);
	return 0;
}

// Not in mingw's header.

CMAPI CONFIGRET WINAPI CM_Register_Notification(PCM_NOTIFY_FILTER filter, PVOID context, PCM_NOTIFY_CALLBACK callback, PHCMNOTIFICATION place)
{
	if (bed_is("refuses"))
		return CR_FAILURE;
	struct registration *registration = calloc(1, sizeof *registration);
	registration->callback = callback;
	registration->context = context;
	registration->stop = CreateEventW(NULL, TRUE, FALSE, NULL);
	all_devices(registration->told);
	registration->thread = CreateThread(NULL, 0, watch, registration, 0, NULL);
	*place = (HCMNOTIFICATION)registration;
	return CR_SUCCESS;
}

CMAPI CONFIGRET WINAPI CM_Unregister_Notification(HCMNOTIFICATION place)
{
	struct registration *registration = (struct registration *)place;
	SetEvent(registration->stop);
	WaitForSingleObject(registration->thread, INFINITE);
	CloseHandle(registration->thread);
	CloseHandle(registration->stop);
	free(registration);
	return CR_SUCCESS;
}
