// The configuration manager, for a Wine that lacks the functions of it that the addon calls. A root hub is there, and the devices that
// devices.c has read of. What USB_BED_CFGMGR32 says is how else it may be:
//   refuses   nothing can be heard
//   hangs     no listing comes to an end, as where a hub does not answer
// Part of the bed; no package has it.

#include "devices.h"
#include <initguid.h>
#include <devpkey.h>
#include <usbiodef.h>
#include <string.h>
#include <wchar.h>

/** A file that can be opened: see hub.c. */
#define HUB_PATH L"\\\\.\\NUL"
#define HUB_ID L"USB\\ROOT_HUB30\\BED"
#define CONTROLLER_ID L"PCI\\BED"
#define HUB_PLACE L"PCIROOT(0)#PCI(1400)#USBROOT(0)"

/** Where the answer goes. */
struct answer {
	DEVPROPTYPE *type;
	PBYTE place;
	PULONG size;
};

static CONFIGRET give(struct answer answer, DEVPROPTYPE type, const void *value, ULONG length)
{
	ULONG room = *answer.size;
	*answer.type = type;
	*answer.size = length;
	if (room < length)
		return CR_BUFFER_SMALL;
	memcpy(answer.place, value, length);
	return CR_SUCCESS;
}

static CONFIGRET give_text(struct answer answer, const WCHAR *text)
{
	return give(answer, DEVPROP_TYPE_STRING, text, (wcslen(text) + 1) * sizeof *text);
}

static BOOL is(const DEVPROPKEY *key, DEVPROPKEY wanted)
{
	return memcmp(key, &wanted, sizeof wanted) == 0;
}

static CONFIGRET give_of_hub(struct answer answer, const DEVPROPKEY *key)
{
	// A list of one ends with an empty text.
	static const WCHAR place[] = HUB_PLACE L"\0";
	if (is(key, DEVPKEY_Device_InstanceId))
		return give_text(answer, HUB_ID);
	if (is(key, DEVPKEY_Device_Parent))
		return give_text(answer, CONTROLLER_ID);
	if (is(key, DEVPKEY_Device_DeviceDesc))
		return give_text(answer, L"The bed's root hub");
	if (is(key, DEVPKEY_Device_LocationPaths))
		return give(answer, DEVPROP_TYPE_STRING_LIST, place, sizeof place);
	return CR_NO_SUCH_VALUE;
}

static CONFIGRET give_of_device(struct answer answer, const DEVPROPKEY *key, const struct device *device)
{
	if (is(key, DEVPKEY_Device_InstanceId))
		return give_text(answer, device->id);
	if (is(key, DEVPKEY_Device_Parent))
		return give_text(answer, HUB_ID);
	if (is(key, DEVPKEY_Device_BusReportedDeviceDesc))
		return give_text(answer, device->name);
	if (is(key, DEVPKEY_Device_Service))
		return give_text(answer, L"HidUsb");
	if (is(key, DEVPKEY_Device_Address))
		return give(answer, DEVPROP_TYPE_UINT32, &device->port, sizeof(UINT32));
	if (is(key, DEVPKEY_Device_LastArrivalDate)) {
		UINT64 time = device->arrival;
		return give(answer, DEVPROP_TYPE_FILETIME, &time, sizeof time);
	}
	if (is(key, DEVPKEY_Device_LocationPaths)) {
		WCHAR place[TEXT] = { 0 };
		int length = _snwprintf(place, TEXT - 2, L"%ls#USB(%u)", HUB_PLACE, device->port);
		return give(answer, DEVPROP_TYPE_STRING_LIST, place, (length + 2) * sizeof *place);
	}
	return CR_NO_SUCH_VALUE;
}

CONFIGRET WINAPI CM_Get_DevNode_PropertyW(DEVINST node, const DEVPROPKEY *key, DEVPROPTYPE *type, PBYTE place, PULONG size, ULONG flags)
{
	struct answer answer = { type, place, size };
	struct device found[MOST_DEVICES];
	if (node == ROOT_HUB)
		return give_of_hub(answer, key);
	if (node < FIRST_DEVICE || node >= FIRST_DEVICE + (DEVINST)all_devices(found))
		return CR_NO_SUCH_VALUE;
	return give_of_device(answer, key, &found[node - FIRST_DEVICE]);
}

// Not in mingw's header.
CMAPI CONFIGRET WINAPI CM_Get_Device_Interface_PropertyW(LPCWSTR path, const DEVPROPKEY *key, DEVPROPTYPE *type, PBYTE place, PULONG size, ULONG flags)
{
	struct answer answer = { type, place, size };
	struct device found[MOST_DEVICES];
	if (wcscmp(path, HUB_PATH) == 0)
		return give_of_hub(answer, key);
	for (int at = all_devices(found) - 1; at >= 0; at--)
		if (wcscmp(path, found[at].path) == 0)
			return give_of_device(answer, key, &found[at]);
	return CR_NO_SUCH_DEVICE_INTERFACE;
}

CONFIGRET WINAPI CM_Locate_DevNodeW(PDEVINST node, DEVINSTID_W id, ULONG flags)
{
	struct device found[MOST_DEVICES];
	if (wcscmp(id, HUB_ID) == 0 || wcscmp(id, CONTROLLER_ID) == 0) {
		*node = wcscmp(id, HUB_ID) == 0 ? ROOT_HUB : CONTROLLER;
		return CR_SUCCESS;
	}
	for (int at = all_devices(found) - 1; at >= 0; at--)
		if (wcscmp(id, found[at].id) == 0 && (found[at].present || flags & CM_LOCATE_DEVNODE_PHANTOM)) {
			*node = FIRST_DEVICE + at;
			return CR_SUCCESS;
		}
	return CR_NO_SUCH_DEVNODE;
}

CONFIGRET WINAPI CM_Get_Parent(PDEVINST parent, DEVINST node, ULONG flags)
{
	if (node < ROOT_HUB)
		return CR_NO_SUCH_DEVNODE;
	*parent = node == ROOT_HUB ? CONTROLLER : ROOT_HUB;
	return CR_SUCCESS;
}

CONFIGRET WINAPI CM_Get_Child(PDEVINST child, DEVINST node, ULONG flags)
{
	return CR_NO_SUCH_DEVNODE;
}

CONFIGRET WINAPI CM_Get_Sibling(PDEVINST sibling, DEVINST node, ULONG flags)
{
	return CR_NO_SUCH_DEVNODE;
}

CONFIGRET WINAPI CM_Open_DevNode_Key(DEVINST node, REGSAM rights, ULONG profile, REGDISPOSITION disposition, PHKEY key, ULONG flags)
{
	return CR_NO_SUCH_REGISTRY_KEY;
}

/** Writes the paths of what is there, each with a zero behind it, and one more zero. Gives the length of that. */
static ULONG paths(LPGUID interfaces, const WCHAR *id, WCHAR *list, ULONG room)
{
	struct device found[MOST_DEVICES];
	ULONG length = 0;
	int count = all_devices(found);
	for (int at = -1; at < count; at++) {
		const GUID *own = at < 0 ? &GUID_DEVINTERFACE_USB_HUB : &GUID_DEVINTERFACE_USB_DEVICE;
		const WCHAR *path = at < 0 ? HUB_PATH : found[at].path;
		if (!IsEqualGUID(interfaces, own) || (at >= 0 && !found[at].present))
			continue;
		if (id && wcscmp(id, at < 0 ? HUB_ID : found[at].id) != 0)
			continue;
		ULONG more = wcslen(path) + 1;
		if (length + more < room)
			memcpy(list + length, path, more * sizeof *path);
		length += more;
	}
	if (length < room)
		list[length] = 0;
	return length + 1;
}

CONFIGRET WINAPI CM_Get_Device_Interface_List_SizeW(PULONG length, LPGUID interfaces, DEVINSTID_W id, ULONG flags)
{
	if (bed_is("hangs"))
		Sleep(INFINITE);
	if (has_devices())
		answer_for_hubs(__builtin_return_address(0));
	*length = paths(interfaces, id, NULL, 0);
	return CR_SUCCESS;
}

CONFIGRET WINAPI CM_Get_Device_Interface_ListW(LPGUID interfaces, DEVINSTID_W id, PWCHAR list, ULONG room, ULONG flags)
{
	return paths(interfaces, id, list, room) <= room ? CR_SUCCESS : CR_BUFFER_SMALL;
}
