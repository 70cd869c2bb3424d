'use strict';

// What the host has of OpenTelemetry: the package @opentelemetry/api, if it is there. It is loaded once initializeTracing has been
// called, and not before: a library that nobody has asked for traces takes part in none.

const { reasonOf } = require('./failure.js');
const { guarded } = require('./guarded.js');

const NAME = 'autoweave-usb-daemon';

/** W3C's traceparent. A later version may have more behind the flags. */
const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

let api = null;
let version;

/** Looks whether the host has the API. */
function load() {
  if (api !== null) return;
  let found;
  try {
    found = require('@opentelemetry/api');
  } catch {
    // It has not: nobody can be told anything.
    return;
  }
  version = require('../package.json').version;
  api = found;
}

/** Whether the host has an SDK behind the API, so that spans reach somebody. */
function hasTracer() {
  const has = () => {
    const provider = api?.trace.getTracerProvider();
    // Until an SDK has been registered the API's own provider stands in for it.
    return provider !== undefined && (provider.getDelegateTracer === undefined || provider.getDelegateTracer(NAME) !== undefined);
  };
  return guarded(has) ?? false;
}

/** The host's meter, if there is an SDK behind it. */
function meter() {
  if (api === null) return null;
  const found = guarded(() => api.metrics.getMeter(NAME, version)) ?? null;
  return found?.constructor === api.createNoopMeter().constructor ? null : found;
}

function tracer() {
  return api.trace.getTracer(NAME, version);
}

/** A context in which the span of these IDs is the parent. */
function within({ traceId, spanId, traceFlags }) {
  return api.trace.setSpanContext(api.ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

/**
 * Calls a handler, within the trace of its event if that has one: the active context has a span that hangs on the one that
 * published the event. Gives what the handler gives, whatever the host's SDK does.
 */
function handling(event, place, handle) {
  const handled = guarded(() => processing(event, place));
  return handled === undefined ? handle() : traced(handled, handle);
}

/** The span of an event in a handler, and the context that has it; undefined where it has no trace. */
function processing({ traceparent, messageId, eventId, action }, { stream, group }) {
  const [, , traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? '') ?? [];
  if (api === null || traceId === undefined) return undefined;
  const parent = within({ traceId, spanId, traceFlags: Number.parseInt(flags, 16) & api.TraceFlags.SAMPLED });
  const attributes = {
    'messaging.system': 'redis',
    'messaging.operation.type': 'process',
    'messaging.operation.name': 'process',
    'messaging.destination.name': stream,
    'messaging.consumer.group.name': group,
    'messaging.message.id': messageId,
    'usb.action': action,
    'usb.event_id': eventId,
  };
  const span = tracer().startSpan(`process ${stream}`, { kind: api.SpanKind.CONSUMER, attributes }, parent);
  return { span, active: api.trace.setSpan(parent, span) };
}

/** What the work of a span gives. The span ends with it, and says how it has failed. */
async function traced({ span, active }, work) {
  try {
    return await called(active, async () => work());
  } catch (thrown) {
    const reason = reasonOf(thrown);
    guarded(() => span.recordException(thrown instanceof Error ? thrown : reason));
    guarded(() => span.setStatus({ code: api.SpanStatusCode.ERROR, message: reason }));
    throw thrown;
  } finally {
    guarded(() => span.end());
  }
}

/** Calls `work` once: in this context, if the host's SDK can. */
function called(active, work) {
  let given;
  const once = () => (given ??= work());
  guarded(() => api.context.with(active, once));
  return once();
}

/** Gives an event's spans, the first of which is its own, to the host's tracer. What that does not take is dropped. */
function relay(spans) {
  guarded(() => told(spans));
}

function told([event, ...steps]) {
  const parent = started(event, within({ ...event, traceId: event.trace, spanId: event.id, traceFlags: api.TraceFlags.SAMPLED }));
  for (const { source, at } of event.seen) parent.addEvent('seen', { 'usb.source': source }, at);
  const inside = api.trace.setSpan(api.ROOT_CONTEXT, parent);
  for (const step of steps) started(step, inside).end(step.end);
  parent.end(event.end);
}

function started({ name, kind, start, attributes }, context) {
  return tracer().startSpan(name, { kind: api.SpanKind[kind.toUpperCase()], startTime: start, attributes }, context);
}

module.exports = { handling, hasTracer, load, meter, relay };
