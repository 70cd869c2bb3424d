// A daemon of this process that exports, and a host that has OpenTelemetry's API, for one test.

import { AsyncLocalStorage } from 'node:async_hooks';
import { ROOT_CONTEXT, context, trace } from '@opentelemetry/api';
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

/** The least that keeps a context over promises. */
class Contexts {
  #storage = new AsyncLocalStorage();

  active() {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }

  with(active, work, self, ...args) {
    return this.#storage.run(active, () => work.apply(self, args));
  }

  bind(active, work) {
    return (...args) => this.with(active, work, undefined, ...args);
  }

  enable() {
    return this;
  }

  disable() {
    return this;
  }
}

/** This process has an SDK until the test ends. Gives what it has exported. */
export function hostWithSdk() {
  const exporter = new InMemorySpanExporter();
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  context.setGlobalContextManager(new Contexts().enable());
  onTestFinished(() => {
    trace.disable();
    context.disable();
  });
  return exporter;
}
