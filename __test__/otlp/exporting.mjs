// A daemon of this process that exports, and a host that has OpenTelemetry's API, for one test.

import { context, metrics, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { onTestFinished, vi } from 'vitest';
import { USBDaemon } from '../daemon.mjs';

/** Whatever a developer's shell has set. */
const INHERITED = Object.keys(process.env).filter((name) => /^(OTEL_|LOG_LEVEL$)/.test(name));
/** Without waiting for more. */
export const AT_ONCE = { OTEL_BSP_SCHEDULE_DELAY: '1', OTEL_BLRP_SCHEDULE_DELAY: '1' };

/** Daemons that start from now on export as these variables say. Gives what is warned of. */
export async function exporting(variables, options) {
  for (const name of INHERITED) vi.stubEnv(name, undefined);
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    for (const name of INHERITED) vi.stubEnv(name, undefined);
    USBDaemon.initializeTracing();
    vi.unstubAllEnvs();
  });
  const warned = [];
  const warn = (warning) => warned.push(warning.message);
  process.on('warning', warn);
  USBDaemon.initializeTracing(options);
  // Warnings come in the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', warn);
  return warned;
}

/** A reader that reads when it is asked. */
class Reader extends MetricReader {
  async onForceFlush() {}
  async onShutdown() {}
}

/** This process has a meter until the test ends. Gives what reads its figures: by name, as points `{ attributes, value }`. */
export function hostWithMeter() {
  const reader = new Reader();
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  onTestFinished(() => metrics.disable());
  return async () => {
    const { resourceMetrics, errors } = await reader.collect();
    if (errors.length > 0) throw errors[0];
    const scope = resourceMetrics.scopeMetrics.find((found) => found.scope.name === 'autoweave-usb-daemon');
    return Object.fromEntries((scope?.metrics ?? []).map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints]));
  };
}

/** This process has an SDK until the test ends. Gives what it has exported. */
export function hostWithSdk() {
  const exporter = new InMemorySpanExporter();
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  onTestFinished(() => {
    trace.disable();
    context.disable();
  });
  return exporter;
}

/** This process has an SDK until the test ends, which throws at this call. Gives a list of such calls, by what was asked. */
export function hostThatThrowsAt(where) {
  const calls = [];
  const call = (name) => () => {
    if (name !== where) return;
    calls.push(name);
    throw new Error(`no ${name}`);
  };
  const span = {
    spanContext: () => ({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 }),
    ...Object.fromEntries(['addEvent', 'recordException', 'setStatus', 'end'].map((name) => [name, call(name)])),
  };
  const startSpan = () => {
    call('startSpan')();
    return span;
  };
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan }) });
  const manager = new AsyncLocalStorageContextManager().enable();
  const runs = manager.with.bind(manager);
  manager.with = (...args) => {
    call('with')();
    return runs(...args);
  };
  context.setGlobalContextManager(manager);
  onTestFinished(() => {
    trace.disable();
    context.disable();
  });
  return calls;
}
