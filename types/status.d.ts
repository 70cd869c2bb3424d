// What a daemon says of itself when it is asked.

import type { USBFilterConfig, USBPerformanceConfig } from './config.js';
import type { USBDeviceInfo } from './device.js';
import type { USBGap, USBRedisStatus, USBSourceStatus } from './events.js';

/** At every moment `carriedOver + seen = published + filtered + waiting + dropped`. */
export interface USBOutboxStatus {
  /** Whether what is stored outlives this process. */
  durable: boolean;
  /** The file; absent where events are kept in memory. */
  path?: string;
  /** Why it is not durable although it was to be. */
  reason?: string;
  /** The series of numbers that events get. */
  producer: string;
  /** Number of the last event stored. */
  lastSeq: number;
  /** Events that waited at start, or came back to be published again. */
  carriedOver: number;
  /** Events since start: those stored, and those that a filter holds back. */
  seen: number;
  /** Events that Redis has acknowledged since start; with `redis: false`, events stored. */
  published: number;
  /** Events since start of devices that a filter holds back; none of them is stored. */
  filtered: number;
  /** Events that wait for Redis now. */
  waiting: number;
  /** Events given up because too many waited; each told by a gap. */
  dropped: number;
  /** How long ago the oldest event that waits was observed, in ms; 0 where none waits. */
  oldestMs: number;
}

/** How a source is, and when it was last heard. */
export interface USBSourceHealth extends USBSourceStatus {
  /** When it reported something last, in ms since 1970; absent before the first time. */
  lastEventAt?: number;
}

/** How the connection to Redis is, and what waits for it. */
export interface USBRedisHealth extends USBRedisStatus {
  /** How long ago the oldest event that waits for Redis was observed, in ms; 0 where none waits. */
  lagMs: number;
}

/** Whether this process's event loop gives a sign of life. */
export interface USBEventLoopHealth {
  /** Whether it did within 20 ms. */
  responding: boolean;
  /** How long that took, or how long it has been waited for since the first question without an answer, in ms. */
  delayMs: number;
}

/** How a daemon is, at this moment. */
export interface Health {
  /** `unhealthy`: no source can hear. `degraded`: a source that worked has failed, or Redis is away. */
  status: 'healthy' | 'degraded' | 'unhealthy';
  /** This package's version. */
  version: string;
  /** Seconds since start. */
  uptime: number;
  /** Whether the devices present at start have been announced. */
  started: boolean;
  /** State of each source, those that are switched off included. */
  sources: USBSourceHealth[];
  /** The connection to Redis; absent with `redis: false`. */
  redis?: USBRedisHealth;
  /** Where events are stored, and how many of them are where. */
  outbox: USBOutboxStatus;
  /** Other daemons that publish this machine's events to the same stream: who, by producer. */
  otherProducers?: Record<string, string>;
  /** Devices that are attached now. */
  connectedDevices: number;
  /** Transitions since start. */
  events: number;
  /** Gaps since start. */
  gaps: number;
  /** The last gap; absent where there has been none. */
  lastGap?: USBGap;
  /** Reports of programs since start that were no news: an attached device that came, or an unknown one that left. */
  duplicates: number;
  /** The event loop of this process. Only `/health` has it, and not that of the command line, whose event loop is in nobody's way. */
  eventLoop?: USBEventLoopHealth;
}

/** AutoWeave's name for what its daemon says of its monitoring. */
export interface USBMonitoringConfig {
  /** Whether the HTTP server is to run. */
  enabled: boolean;
  /** `monitoring.healthcheck_port`, as configured. */
  healthcheckPort: number;
  /** `monitoring.interval`, in ms. */
  metricsInterval: number;
}

/** What a daemon says of itself, also while it does not run. */
export interface USBDaemonStats {
  /** As {@link USBDaemon.isRunning}. */
  isRunning: boolean;
  /** How many devices are attached. */
  connectedDevicesCount: number;
  /** Those devices, in the order in which they came. */
  connectedDevices: USBDeviceInfo[];
  /** As configured. */
  monitoring: USBMonitoringConfig;
  /** Null while the daemon does not run. */
  outbox: USBOutboxStatus | null;
}

/** AutoWeave's former shape. */
export interface USBDaemonStatus {
  /** As {@link USBDaemon.isRunning}. */
  running: boolean;
  /** How many. */
  connectedDevices: number;
  /** Events that wait for Redis; 0 while the daemon does not run. */
  queuedEvents: number;
  /** As configured, with the defaults, or as changed over HTTP since the start. */
  filters: USBFilterConfig;
  /** As configured, with the defaults, or as changed over HTTP since the start. */
  performance: USBPerformanceConfig;
}
