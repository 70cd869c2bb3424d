// Answers what is asked of the root hub: Wine has no hub that could be opened, so those who ask open another file, and their questions
// are taken to here instead.

#include "devices.h"
#include <winioctl.h>
#include <usbioctl.h>
#include <string.h>
#include <wchar.h>

/** String descriptors. */
enum { MANUFACTURER = 1, NAME = 2, SERIAL = 3 };

typedef BOOL(WINAPI *Control)(HANDLE, DWORD, LPVOID, DWORD, LPVOID, DWORD, LPDWORD, LPOVERLAPPED);
static Control control_of_wine;

static BOOL device_at(ULONG port, struct device *wanted)
{
	struct device found[MOST_DEVICES];
	for (int at = all_devices(found) - 1; at >= 0; at--)
		if (found[at].present && found[at].port == port) {
			*wanted = found[at];
			return TRUE;
		}
	return FALSE;
}

static void describe(const struct device *device, USB_NODE_CONNECTION_INFORMATION_EX *said)
{
	USB_DEVICE_DESCRIPTOR descriptor = {
		.bLength = 18, .bDescriptorType = 1, .bcdUSB = 0x200, .bMaxPacketSize0 = 64, .bNumConfigurations = 1,
		.idVendor = device->vendor, .idProduct = device->product, .bcdDevice = 0x100,
		.iManufacturer = MANUFACTURER, .iProduct = NAME, .iSerialNumber = SERIAL,
	};
	said->DeviceDescriptor = descriptor;
	said->CurrentConfigurationValue = 1;
	said->Speed = UsbHighSpeed;
	said->DeviceIsHub = FALSE;
	said->DeviceAddress = device->address;
	said->NumberOfOpenPipes = 0;
	said->ConnectionStatus = DeviceConnected;
}

/** The length of the descriptor; 0 where there is none. */
static DWORD read_descriptor(const struct device *device, BYTE type, BYTE index, BYTE place[255])
{
	// One interface, of a mouse.
	static const BYTE configuration[] = { 9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 0, 3, 1, 2, 0 };
	if (type == USB_CONFIGURATION_DESCRIPTOR_TYPE) {
		memcpy(place, configuration, sizeof configuration);
		return sizeof configuration;
	}
	if (type != USB_STRING_DESCRIPTOR_TYPE || index < MANUFACTURER || index > SERIAL)
		return 0;
	const WCHAR *text = index == NAME ? device->name : index == SERIAL ? device->serial : L"Bed";
	DWORD bytes = wcslen(text) * sizeof *text;
	place[0] = bytes + 2;
	place[1] = USB_STRING_DESCRIPTOR_TYPE;
	memcpy(place + 2, text, bytes);
	return bytes + 2;
}

static BOOL WINAPI control(HANDLE hub, DWORD code, LPVOID in, DWORD in_size, LPVOID out, DWORD out_size, LPDWORD written, LPOVERLAPPED overlapped)
{
	if (code != IOCTL_USB_GET_NODE_CONNECTION_INFORMATION_EX && code != IOCTL_USB_GET_NODE_CONNECTION_INFORMATION_EX_V2 && code != IOCTL_USB_GET_DESCRIPTOR_FROM_NODE_CONNECTION)
		return control_of_wine(hub, code, in, in_size, out, out_size, written, overlapped);
	// Each question begins with the port.
	struct device device;
	if (in_size < sizeof(ULONG) || !device_at(*(ULONG *)in, &device)) {
		SetLastError(ERROR_GEN_FAILURE);
		return FALSE;
	}
	*written = out_size;
	if (code == IOCTL_USB_GET_NODE_CONNECTION_INFORMATION_EX) {
		describe(&device, out);
	} else if (code == IOCTL_USB_GET_NODE_CONNECTION_INFORMATION_EX_V2) {
		((USB_NODE_CONNECTION_INFORMATION_EX_V2 *)out)->Flags.ul = 0;
	} else {
		USB_DESCRIPTOR_REQUEST *request = out;
		USHORT value = request->SetupPacket.wValue;
		DWORD length = read_descriptor(&device, value >> 8, value & 255, request->Data);
		if (length == 0) {
			SetLastError(ERROR_GEN_FAILURE);
			return FALSE;
		}
		*written = offsetof(USB_DESCRIPTOR_REQUEST, Data) + length;
	}
	return TRUE;
}

/** Exchanges the address of DeviceIoControl in the table of what the module imports. */
static void exchange(BYTE *module)
{
	control_of_wine = (Control)GetProcAddress(GetModuleHandleW(L"kernel32"), "DeviceIoControl");
	const IMAGE_NT_HEADERS *headers = (void *)(module + ((IMAGE_DOS_HEADER *)module)->e_lfanew);
	const IMAGE_DATA_DIRECTORY *imports = &headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT];
	for (IMAGE_IMPORT_DESCRIPTOR *library = (void *)(module + imports->VirtualAddress); library->FirstThunk; library++)
		for (Control *function = (void *)(module + library->FirstThunk); *function; function++)
			if (*function == control_of_wine) {
				DWORD rights;
				VirtualProtect(function, sizeof *function, PAGE_READWRITE, &rights);
				*function = control;
				VirtualProtect(function, sizeof *function, rights, &rights);
			}
}

void answer_for_hubs(void *caller)
{
	static SRWLOCK lock = SRWLOCK_INIT;
	static BOOL done;
	HMODULE module;
	AcquireSRWLockExclusive(&lock);
	if (!done && GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, caller, &module)) {
		exchange((BYTE *)module);
		done = TRUE;
	}
	ReleaseSRWLockExclusive(&lock);
}
