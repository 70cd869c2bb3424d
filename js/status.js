'use strict';

/** What `getStats` and `getStatus` say; `health` is null while the daemon does not run. */
function statsOf({ monitoring }, devices, isRunning, health) {
  return {
    isRunning,
    connectedDevicesCount: devices.length,
    connectedDevices: devices,
    monitoring: {
      enabled: monitoring.enabled,
      healthcheckPort: monitoring.healthcheck_port,
      metricsInterval: monitoring.interval,
    },
    outbox: health?.outbox ?? null,
  };
}

function statusOf({ filters, performance }, devices, isRunning, health) {
  return {
    running: isRunning,
    connectedDevices: devices.length,
    queuedEvents: health?.outbox.waiting ?? 0,
    filters: structuredClone(filters ?? {}),
    performance: structuredClone(performance ?? {}),
  };
}

module.exports = { statsOf, statusOf };
