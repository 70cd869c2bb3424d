// The devices that the bed pretends to have: what stands in the file that USB_BED_DEVICES names, and none where it names none.

// What is declared with this is exported here, and nothing else.
#define CMAPI __declspec(dllexport)
#include <windows.h>
#include <cfgmgr32.h>

enum { MOST_DEVICES = 16, TEXT = 128 };

/** Nodes: that of device n is FIRST_DEVICE + n, for as long as the process runs. */
enum { CONTROLLER = 1, ROOT_HUB = 2, FIRST_DEVICE = 16 };

struct device {
	BOOL present;
	unsigned port, vendor, product, address;
	/** Another one for each time that it has come. */
	unsigned arrival;
	WCHAR serial[TEXT], name[TEXT];
	/** What Windows calls it, and the way to open it. */
	WCHAR id[TEXT], path[TEXT];
};

/** Whether USB_BED_CFGMGR32 says this. */
BOOL bed_is(const char *how);

/** Whether there is a file of devices. */
BOOL has_devices(void);

/** Copies all devices that there have ever been, as they are now, and gives how many. */
int all_devices(struct device found[MOST_DEVICES]);

/** Has what the module at this address asks of hubs answered here. */
void answer_for_hubs(void *caller);
