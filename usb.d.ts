import { EventEmitter } from 'node:events';
import type { USBDeviceDescriptor } from './types/device.js';

// The hot-plug and discovery surface of npm usb 2, for programs that watch and identify devices. No device is ever touched:
// what would do that throws an error with the code ERR_USB_NO_TRANSFER.

export type { USBDeviceDescriptor as DeviceDescriptor };

/** USB's configuration descriptor, with what it holds. */
export interface ConfigDescriptor {
  bLength: number;
  bDescriptorType: number;
  wTotalLength: number;
  bNumInterfaces: number;
  bConfigurationValue: number;
  iConfiguration: number;
  bmAttributes: number;
  /** 0 to 255, in units of 2 mA; of 8 mA from USB 3 on. */
  bMaxPower: number;
  /** Descriptors of other kinds that follow this one, as the device gives them; empty where there are none. */
  extra: Buffer;
  /** Each interface as a list of its alternate settings, in the order of the descriptors. */
  interfaces: InterfaceDescriptor[][];
}

/** USB's interface descriptor: one alternate setting of an interface. */
export interface InterfaceDescriptor {
  bLength: number;
  bDescriptorType: number;
  bInterfaceNumber: number;
  bAlternateSetting: number;
  bNumEndpoints: number;
  bInterfaceClass: number;
  bInterfaceSubClass: number;
  bInterfaceProtocol: number;
  iInterface: number;
  /**
   * Descriptors of other kinds that follow this one, as the device gives them: a HID descriptor, say. Empty where there are
   * none.
   */
  extra: Buffer;
  /** Endpoints of this setting, without the control endpoint 0. */
  endpoints: EndpointDescriptor[];
}

/** USB's endpoint descriptor. `bRefresh` and `bSynchAddress` are audio's, and 0 for others. */
export interface EndpointDescriptor {
  bLength: number;
  bDescriptorType: number;
  bEndpointAddress: number;
  bmAttributes: number;
  wMaxPacketSize: number;
  bInterval: number;
  bRefresh: number;
  bSynchAddress: number;
  /** Descriptors of other kinds that follow this one, as the device gives them; empty where there are none. */
  extra: Buffer;
}

/** An error with libusb's number. */
export class LibUSBException extends Error {
  /** For a program's own use; those that come from here are made by {@link Device.getStringDescriptor}. */
  constructor(message: string, errno: number);
  /** One of `usb.LIBUSB_ERROR_*` or `usb.LIBUSB_TRANSFER_*`. */
  errno: number;
}

/** What is thrown where a program wants to do more than watch; the message says what to use instead. */
export interface NoTransferError extends Error {
  /** Stable; the message may change. */
  code: 'ERR_USB_NO_TRANSFER';
}

/** One attachment: the same object in its `attach`, its `detach` and in lists. */
export class Device {
  private constructor();
  /** Number of the bus, from 1. */
  readonly busNumber: number;
  /** Address on the bus, 1 to 127; a new one after each replug. */
  readonly deviceAddress: number;
  /** Ports from the root hub on; a root hub itself has none, and not this property either. */
  readonly portNumbers: number[];
  /**
   * As the device gave it; of one that had left before it could be read only IDs, class and release are known, and the rest
   * is 0.
   */
  readonly deviceDescriptor: Readonly<USBDeviceDescriptor>;
  /** What {@link open} has found; undefined before it and after {@link close}. */
  interfaces: Interface[] | undefined;
  /** In ms. Kept, and without effect. */
  timeout: number;
  /**
   * The configuration in force, from the kernel's copy. Undefined where it has none, where several are possible and the
   * kernel has not chosen yet, and for a device that had left before this was asked for the first time.
   */
  readonly configDescriptor: ConfigDescriptor | undefined;
  /** Empty for a device that had left before this was asked for the first time. */
  readonly allConfigDescriptors: ConfigDescriptor[];
  /** The hub that it hangs on; null for a root hub, and where the hub has left. */
  readonly parent: Device | null;

  /** Opens nothing: it fills {@link interfaces}, unless `defaultConfig` is false. Needs no permission, and never fails. */
  open(defaultConfig?: boolean): void;
  /** Closes nothing. Never fails. */
  close(): void;
  /**
   * Gives manufacturer, product or serial number, by the index that the device descriptor has for it; nothing for 0. For
   * any other index, and where the kernel has no such string, the error has `errno` LIBUSB_TRANSFER_STALL.
   */
  getStringDescriptor(index: number, callback: (error?: LibUSBException, value?: string) => void): void;
  /** Gives undefined for devices before USB 2.0.1. @throws {NoTransferError} for others */
  getBosDescriptor(callback: (error?: LibUSBException, descriptor?: undefined) => void): void;
  /** Gives an empty list for devices before USB 2.0.1. @throws {NoTransferError} for others */
  getCapabilities(callback: (error: LibUSBException | undefined, capabilities?: Capability[]) => void): void;

  /** @throws {NoTransferError} */
  controlTransfer(...args: unknown[]): never;
  /** @throws {NoTransferError} */
  interface(address: number): never;
  /** @throws {NoTransferError} */
  reset(callback?: unknown): never;
  /** @throws {NoTransferError} */
  setConfiguration(desired: number, callback?: unknown): never;
  /** @throws {NoTransferError} */
  setAutoDetachKernelDriver(enable: boolean): never;
}

/** An interface: what it is, and nothing to do with it. */
export class Interface {
  private constructor();
  /** The device that it belongs to. */
  device: Device;
  /** Its place in {@link Device.interfaces}, from 0. */
  id: number;
  /** Always 0: nobody can choose another one here. */
  altSetting: number;
  /** That of its first alternate setting. */
  descriptor: InterfaceDescriptor;
  /** `bInterfaceNumber`, 0 to 255. */
  interfaceNumber: number;
  /** Endpoints of its first alternate setting. */
  endpoints: Endpoint[];
  /** The endpoint with this address (`bEndpointAddress`, whose bit 7 is set for IN); undefined where it has none such. */
  endpoint(address: number): Endpoint | undefined;
  /** @throws {NoTransferError} */
  refresh(): never;
  /** @throws {NoTransferError} */
  claim(): never;
  /** @throws {NoTransferError} */
  release(...args: unknown[]): never;
  /** @throws {NoTransferError} at the call */
  releaseAsync(): never;
  /** @throws {NoTransferError} */
  isKernelDriverActive(): never;
  /** @throws {NoTransferError} */
  detachKernelDriver(): never;
  /** @throws {NoTransferError} */
  attachKernelDriver(): never;
  /** @throws {NoTransferError} */
  setAltSetting(...args: unknown[]): never;
  /** @throws {NoTransferError} at the call */
  setAltSettingAsync(alternateSetting: number): never;
}

/** An endpoint: what it is, and nothing to do with it. */
export class Endpoint extends EventEmitter {
  protected constructor();
  /** The device that it belongs to. */
  device: Device;
  /** `bEndpointAddress`, 0 to 255; bit 7 is set for IN. */
  address: number;
  /** `in` is towards the host. */
  direction: 'in' | 'out';
  /** 0 to 3: one of `usb.LIBUSB_TRANSFER_TYPE_*`. */
  transferType: number;
  /** In ms. Kept, and without effect. */
  timeout: number;
  /** The descriptor that all this is from. */
  descriptor: EndpointDescriptor;
  /** @throws {NoTransferError} */
  clearHalt(callback?: unknown): never;
  /** @throws {NoTransferError} */
  makeTransfer(...args: unknown[]): never;
  /** @throws {NoTransferError} */
  transfer(...args: unknown[]): never;
}

/** An endpoint that the host reads from. */
export class InEndpoint extends Endpoint {
  /** Towards the host. */
  direction: 'in';
  /** Always false: nothing polls. */
  pollActive: boolean;
  /** @throws {NoTransferError} */
  transfer(...args: unknown[]): never;
  /** @throws {NoTransferError} at the call */
  transferAsync(length: number): never;
  /** @throws {NoTransferError} */
  startPoll(...args: unknown[]): never;
  /** @throws {NoTransferError} */
  startPollTransfers(...args: unknown[]): never;
  /** @throws {NoTransferError} */
  stopPoll(callback?: unknown): never;
}

/** An endpoint that the host writes to. */
export class OutEndpoint extends Endpoint {
  /** Away from the host. */
  direction: 'out';
  /** @throws {NoTransferError} */
  transfer(...args: unknown[]): never;
  /** @throws {NoTransferError} at the call */
  transferAsync(buffer: Buffer): never;
  /** @throws {NoTransferError} */
  transferWithZLP(...args: unknown[]): never;
}

/** There to be named; to make one throws. */
export class Transfer {
  private constructor();
}

/** There to be named; to make one throws. */
export class Capability {
  private constructor();
}

/** There to be named; to make or use one throws. */
export class WebUSB {
  private constructor();
}

/** There to be named; to make one throws. */
export class WebUSBDevice {
  private constructor();
  /** Rejects with {@link NoTransferError}. */
  static createInstance(device: Device): Promise<never>;
}

/** There to be named; each use throws. */
export const webusb: WebUSB;
/** @throws {NoTransferError} */
export function getWebUsb(): never;

/** What `attachIds` and `detachIds` carry. */
export interface DeviceIds {
  /** Vendor ID, 0 to 0xffff. */
  idVendor: number;
  /** Product ID, 0 to 0xffff. */
  idProduct: number;
}

/** Events by name, and what each carries. */
export interface DeviceEvents {
  /** A device has come. */
  attach: Device;
  /** A device has left: the object of its `attach`. */
  detach: Device;
  /** Follows each `attach`; does not start to listen by itself, as with npm usb 2. */
  attachIds: DeviceIds;
  /** Follows each `detach`; does not start to listen by itself either. */
  detachIds: DeviceIds;
  /**
   * Something failed that does not stop the events. Without a listener it is not thrown. Where listening cannot begin, it is a
   * warning of the process then; while there are listeners that is tried again, after 1 s and then ever later, 60 s at most.
   */
  error: Error;
  /** Node's own: the name of the event that gets a listener. */
  newListener: string | symbol;
  /** Node's own: the name of the event that has lost one. */
  removeListener: string | symbol;
}

/** What is called with what an event carries. */
type Listener<K extends keyof DeviceEvents> = (argument: DeviceEvents[K]) => void;

/**
 * Listens. The first listener for `attach` or `detach` starts it, the last one that goes ends it, and the process is held
 * meanwhile. What is present already is not announced: {@link getDeviceList} has it.
 */
export function on<K extends keyof DeviceEvents>(event: K, listener: Listener<K>): typeof usb;
/** Listens as {@link on} does, for one event alone. */
export function once<K extends keyof DeviceEvents>(event: K, listener: Listener<K>): typeof usb;
/** Takes a listener away; listening ends with the last one for `attach` and `detach`. */
export function off<K extends keyof DeviceEvents>(event: K, listener: Listener<K>): typeof usb;
/** {@link on} by its other name. */
export function addListener<K extends keyof DeviceEvents>(event: K, listener: Listener<K>): typeof usb;
/** {@link off} by its other name. */
export function removeListener<K extends keyof DeviceEvents>(event: K, listener: Listener<K>): typeof usb;
/** Takes all listeners away, of one event or of all. */
export function removeAllListeners(event?: keyof DeviceEvents): typeof usb;

/** Devices that are present at this moment, hubs and root hubs included. */
export function getDeviceList(): Device[];
/** The first device that has these IDs. */
export function findByIds(vid: number, pid: number): Device | undefined;
/** The first device that has this serial number. */
export function findBySerialNumber(serialNumber: string): Promise<Device | undefined>;
/** Holds the process again after {@link unrefHotplugEvents}. */
export function refHotplugEvents(): void;
/** Lets the process end though there are listeners. Takes effect while there are some, until the last one goes. */
export function unrefHotplugEvents(): void;
/** Does nothing: there is no libusb of the program's own. */
export function setDebugLevel(level: number): void;
/** Does nothing off Windows. */
export function useUsbDkBackend(): void;

/** npm usb 2's object: a real EventEmitter, with its functions and libusb's numbers. */
export namespace usb {
  export {
    Device, DeviceEvents, DeviceIds, LibUSBException, Transfer, addListener, getDeviceList, off, on, once,
    refHotplugEvents, removeAllListeners, removeListener, setDebugLevel, unrefHotplugEvents, useUsbDkBackend,
  };
  /** Listens as {@link on} does, before those that listen already. */
  export function prependListener<K extends keyof DeviceEvents>(event: K, listener: Listener<K>): typeof usb;
  /** Listens as {@link once} does, before those that listen already. */
  export function prependOnceListener<K extends keyof DeviceEvents>(event: K, listener: Listener<K>): typeof usb;
  /** Calls the listeners, as if it had happened; true where there are any. Nothing here needs it. */
  export function emit<K extends keyof DeviceEvents>(event: K, argument: DeviceEvents[K]): boolean;
  /** How many listen. */
  export function listenerCount(event: keyof DeviceEvents): number;
  /** Those that listen, in their order. */
  export function listeners<K extends keyof DeviceEvents>(event: K): Listener<K>[];
  /** The same, with the wrappers of {@link once}. */
  export function rawListeners<K extends keyof DeviceEvents>(event: K): Listener<K>[];
  /** Events that have listeners. */
  export function eventNames(): Array<string | symbol>;
  /** From how many listeners of one event on Node warns of a leak; 0 is never. */
  export function setMaxListeners(count: number): typeof usb;
  /** What {@link setMaxListeners} has set; 10 by default. */
  export function getMaxListeners(): number;
  /** Always 0. */
  export const INIT_ERROR: number;
  /** Kept, and without effect: nothing polls. */
  export let pollHotplug: boolean;
  /** Kept, and without effect: nothing polls. */
  export let pollHotplugDelay: number;
  export const LIBUSB_CLASS_PER_INTERFACE: number, LIBUSB_CLASS_AUDIO: number, LIBUSB_CLASS_COMM: number,
    LIBUSB_CLASS_HID: number, LIBUSB_CLASS_PRINTER: number, LIBUSB_CLASS_PTP: number,
    LIBUSB_CLASS_MASS_STORAGE: number, LIBUSB_CLASS_HUB: number, LIBUSB_CLASS_DATA: number,
    LIBUSB_CLASS_WIRELESS: number, LIBUSB_CLASS_APPLICATION: number, LIBUSB_CLASS_VENDOR_SPEC: number;
  export const LIBUSB_REQUEST_GET_STATUS: number, LIBUSB_REQUEST_CLEAR_FEATURE: number,
    LIBUSB_REQUEST_SET_FEATURE: number, LIBUSB_REQUEST_SET_ADDRESS: number, LIBUSB_REQUEST_GET_DESCRIPTOR: number,
    LIBUSB_REQUEST_SET_DESCRIPTOR: number, LIBUSB_REQUEST_GET_CONFIGURATION: number,
    LIBUSB_REQUEST_SET_CONFIGURATION: number, LIBUSB_REQUEST_GET_INTERFACE: number,
    LIBUSB_REQUEST_SET_INTERFACE: number, LIBUSB_REQUEST_SYNCH_FRAME: number, LIBUSB_REQUEST_TYPE_STANDARD: number,
    LIBUSB_REQUEST_TYPE_CLASS: number, LIBUSB_REQUEST_TYPE_VENDOR: number, LIBUSB_REQUEST_TYPE_RESERVED: number;
  export const LIBUSB_DT_DEVICE: number, LIBUSB_DT_CONFIG: number, LIBUSB_DT_STRING: number, LIBUSB_DT_BOS: number,
    LIBUSB_DT_INTERFACE: number, LIBUSB_DT_ENDPOINT: number, LIBUSB_DT_HID: number, LIBUSB_DT_REPORT: number,
    LIBUSB_DT_PHYSICAL: number, LIBUSB_DT_HUB: number, LIBUSB_DT_BOS_SIZE: number;
  export const LIBUSB_ENDPOINT_IN: number, LIBUSB_ENDPOINT_OUT: number;
  export const LIBUSB_TRANSFER_TYPE_CONTROL: number, LIBUSB_TRANSFER_TYPE_ISOCHRONOUS: number,
    LIBUSB_TRANSFER_TYPE_BULK: number, LIBUSB_TRANSFER_TYPE_INTERRUPT: number;
  export const LIBUSB_ISO_SYNC_TYPE_NONE: number, LIBUSB_ISO_SYNC_TYPE_ASYNC: number,
    LIBUSB_ISO_SYNC_TYPE_ADAPTIVE: number, LIBUSB_ISO_SYNC_TYPE_SYNC: number, LIBUSB_ISO_USAGE_TYPE_DATA: number,
    LIBUSB_ISO_USAGE_TYPE_FEEDBACK: number, LIBUSB_ISO_USAGE_TYPE_IMPLICIT: number;
  export const LIBUSB_TRANSFER_COMPLETED: number, LIBUSB_TRANSFER_ERROR: number, LIBUSB_TRANSFER_TIMED_OUT: number,
    LIBUSB_TRANSFER_CANCELLED: number, LIBUSB_TRANSFER_STALL: number, LIBUSB_TRANSFER_NO_DEVICE: number,
    LIBUSB_TRANSFER_OVERFLOW: number, LIBUSB_TRANSFER_SHORT_NOT_OK: number, LIBUSB_TRANSFER_FREE_BUFFER: number,
    LIBUSB_TRANSFER_FREE_TRANSFER: number;
  export const LIBUSB_RECIPIENT_DEVICE: number, LIBUSB_RECIPIENT_INTERFACE: number,
    LIBUSB_RECIPIENT_ENDPOINT: number, LIBUSB_RECIPIENT_OTHER: number;
  export const LIBUSB_CONTROL_SETUP_SIZE: number;
  export const LIBUSB_CAP_HAS_CAPABILITY: number, LIBUSB_CAP_HAS_HOTPLUG: number, LIBUSB_CAP_HAS_HID_ACCESS: number,
    LIBUSB_CAP_SUPPORTS_DETACH_KERNEL_DRIVER: number;
  export const LIBUSB_ERROR_IO: number, LIBUSB_ERROR_INVALID_PARAM: number, LIBUSB_ERROR_ACCESS: number,
    LIBUSB_ERROR_NO_DEVICE: number, LIBUSB_ERROR_NOT_FOUND: number, LIBUSB_ERROR_BUSY: number,
    LIBUSB_ERROR_TIMEOUT: number, LIBUSB_ERROR_OVERFLOW: number, LIBUSB_ERROR_PIPE: number,
    LIBUSB_ERROR_INTERRUPTED: number, LIBUSB_ERROR_NO_MEM: number, LIBUSB_ERROR_NOT_SUPPORTED: number,
    LIBUSB_ERROR_OTHER: number;
}

/** The module as its default export. */
declare const module: Omit<typeof import('./usb.js'), 'default'>;
export default module;
