import { EventEmitter } from 'node:events';

// The hot-plug and discovery surface of npm usb 2, for programs that watch and identify devices. No device is ever touched:
// what would do that throws an error with the code ERR_USB_NO_TRANSFER.

/** USB's device descriptor. */
export interface DeviceDescriptor {
  bLength: number;
  bDescriptorType: number;
  /** Binary-coded decimal: 0x0210 is USB 2.1. */
  bcdUSB: number;
  bDeviceClass: number;
  bDeviceSubClass: number;
  bDeviceProtocol: number;
  bMaxPacketSize0: number;
  idVendor: number;
  idProduct: number;
  bcdDevice: number;
  iManufacturer: number;
  iProduct: number;
  iSerialNumber: number;
  bNumConfigurations: number;
}

export interface ConfigDescriptor {
  bLength: number;
  bDescriptorType: number;
  wTotalLength: number;
  bNumInterfaces: number;
  bConfigurationValue: number;
  iConfiguration: number;
  bmAttributes: number;
  /** In units of 2 mA; of 8 mA from USB 3 on. */
  bMaxPower: number;
  /** Descriptors of classes that follow this one. */
  extra: Buffer;
  /** Each interface with its alternate settings. */
  interfaces: InterfaceDescriptor[][];
}

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
  extra: Buffer;
  endpoints: EndpointDescriptor[];
}

export interface EndpointDescriptor {
  bLength: number;
  bDescriptorType: number;
  bEndpointAddress: number;
  bmAttributes: number;
  wMaxPacketSize: number;
  bInterval: number;
  bRefresh: number;
  bSynchAddress: number;
  extra: Buffer;
}

/** An error with libusb's number. */
export class LibUSBException extends Error {
  constructor(message: string, errno: number);
  errno: number;
}

/** What is thrown where a program wants to do more than watch; the message says what to use instead. */
export interface NoTransferError extends Error {
  code: 'ERR_USB_NO_TRANSFER';
}

/** One attachment: the same object in its `attach`, its `detach` and in lists. */
export class Device {
  private constructor();
  readonly busNumber: number;
  readonly deviceAddress: number;
  /** Ports from the root hub on; a root hub itself has none, and not this property either. */
  readonly portNumbers: number[];
  readonly deviceDescriptor: Readonly<DeviceDescriptor>;
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

/** An interface: what it is, and nothing to do with it. All other methods that npm usb 2 has here throw. */
export class Interface {
  private constructor();
  device: Device;
  id: number;
  altSetting: number;
  descriptor: InterfaceDescriptor;
  interfaceNumber: number;
  endpoints: Endpoint[];
  endpoint(address: number): Endpoint | undefined;
  /** @throws {NoTransferError} */
  claim(): never;
  /** @throws {NoTransferError} */
  release(...args: unknown[]): never;
  /** @throws {NoTransferError} */
  isKernelDriverActive(): never;
  /** @throws {NoTransferError} */
  detachKernelDriver(): never;
  /** @throws {NoTransferError} */
  attachKernelDriver(): never;
  /** @throws {NoTransferError} */
  setAltSetting(...args: unknown[]): never;
}

/** An endpoint: what it is, and nothing to do with it. */
export class Endpoint extends EventEmitter {
  protected constructor();
  address: number;
  direction: 'in' | 'out';
  transferType: number;
  timeout: number;
  descriptor: EndpointDescriptor;
  /** @throws {NoTransferError} */
  clearHalt(callback?: unknown): never;
  /** @throws {NoTransferError} */
  makeTransfer(...args: unknown[]): never;
  /** @throws {NoTransferError} */
  transfer(...args: unknown[]): never;
}

export class InEndpoint extends Endpoint {
  direction: 'in';
  pollActive: boolean;
  /** @throws {NoTransferError} */
  startPoll(...args: unknown[]): never;
  /** @throws {NoTransferError} */
  stopPoll(callback?: unknown): never;
}

export class OutEndpoint extends Endpoint {
  direction: 'out';
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

export interface DeviceIds {
  idVendor: number;
  idProduct: number;
}

export interface DeviceEvents {
  attach: Device;
  detach: Device;
  /** Follows each `attach`; does not start to listen by itself, as with npm usb 2. */
  attachIds: DeviceIds;
  detachIds: DeviceIds;
  /** Something failed that does not stop the events. Without a listener it is not thrown. */
  error: Error;
  newListener: string | symbol;
  removeListener: string | symbol;
}

type Listener<K extends keyof DeviceEvents> = (argument: DeviceEvents[K]) => void;

/**
 * Listens. The first listener for `attach` or `detach` starts it, the last one that goes ends it, and the process is held
 * meanwhile. What is present already is not announced: {@link getDeviceList} has it.
 */
export function on<K extends keyof DeviceEvents>(event: K, listener: Listener<K>): typeof usb;
export function once<K extends keyof DeviceEvents>(event: K, listener: Listener<K>): typeof usb;
export function off<K extends keyof DeviceEvents>(event: K, listener: Listener<K>): typeof usb;
export function addListener<K extends keyof DeviceEvents>(event: K, listener: Listener<K>): typeof usb;
export function removeListener<K extends keyof DeviceEvents>(event: K, listener: Listener<K>): typeof usb;
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
  export function prependListener<K extends keyof DeviceEvents>(event: K, listener: Listener<K>): typeof usb;
  export function prependOnceListener<K extends keyof DeviceEvents>(event: K, listener: Listener<K>): typeof usb;
  export function emit<K extends keyof DeviceEvents>(event: K, argument: DeviceEvents[K]): boolean;
  export function listenerCount(event: keyof DeviceEvents): number;
  export function listeners<K extends keyof DeviceEvents>(event: K): Listener<K>[];
  export function rawListeners<K extends keyof DeviceEvents>(event: K): Listener<K>[];
  export function eventNames(): Array<string | symbol>;
  export function setMaxListeners(count: number): typeof usb;
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

declare const module: Omit<typeof import('./usb.js'), 'default'>;
export default module;
