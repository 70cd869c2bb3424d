'use strict';

// What an event is named by: `<producer>:<seq>`.

/** Its number. */
function seqOf(eventId) {
  return Number(eventId.slice(eventId.lastIndexOf(':') + 1));
}

/** The series that numbers it. */
function producerOf(eventId) {
  return eventId.slice(0, eventId.lastIndexOf(':'));
}

module.exports = { producerOf, seqOf };
