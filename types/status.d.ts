// What a daemon says of itself when it is asked.

import type { USBFilterConfig, USBPerformanceConfig } from './config.js';
import type { USBDeviceInfo } from './device.js';
import type { USBRedisStatus, USBSourceStatus } from './events.js';

/** At every moment `carriedOver + seen = published + filtered + waiting + dropped`. */
export interface USBOutboxStatus {
  /** Whether what is stored outlives this process. */
  durable: boolean;
  path?: string;
  /** Why it is not durable although it was to be. */
  reason?: string;
  /** The series of numbers that events get. */
  producer: string;
  /** Number of the last event stored. */
  lastSeq: number;
  /** Events that waited at start, or came back to be published again. */
  carriedOver: number;
  /** Events stored since start. */
  seen: number;
  /** Events that Redis has acknowledged since start; with `redis: false`, events stored. */
  published: number;
  filtered: number;
  waiting: number;
  /** Events given up because too many waited; each told by a gap. */
  dropped: number;
}

export interface Health {
  /** `unhealthy`: no source can hear. `degraded`: a source that worked has failed, or Redis is away. */
  status: 'healthy' | 'degraded' | 'unhealthy';
  version: string;
  /** Seconds since start. */
  uptime: number;
  /** Whether the devices present at start have been announced. */
  started: boolean;
  sources: USBSourceStatus[];
  redis?: USBRedisStatus;
  outbox: USBOutboxStatus;
  /** Other daemons that publish this machine's events to the same stream: who, by producer. */
  otherProducers?: Record<string, string>;
  connectedDevices: number;
  /** Transitions since start. */
  events: number;
  /** Gaps since start. */
  gaps: number;
}

/** AutoWeave's name for what its daemon says of its monitoring. */
export interface USBMonitoringConfig {
  /** Whether the HTTP server is to run. */
  enabled: boolean;
  healthcheckPort: number;
  /** `monitoring.interval`, in ms. */
  metricsInterval: number;
}

export interface USBDaemonStats {
  isRunning: boolean;
  connectedDevicesCount: number;
  connectedDevices: USBDeviceInfo[];
  monitoring: USBMonitoringConfig;
  /** Null while the daemon does not run. */
  outbox: USBOutboxStatus | null;
}

/** AutoWeave's former shape. */
export interface USBDaemonStatus {
  running: boolean;
  /** How many. */
  connectedDevices: number;
  /** Events that wait for Redis; 0 while the daemon does not run. */
  queuedEvents: number;
  /** As configured. */
  filters: USBFilterConfig;
  performance: USBPerformanceConfig;
}
