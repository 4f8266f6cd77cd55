// The page's side of `fanlight.v1`: JSON control messages, and frames with a 32-byte header. Input is checked here once. Invalid
// input becomes `null`, which the caller counts.

/** @typedef {'live' | 'late' | 'frozen' | 'slow' | 'idle' | 'offline' | 'ended' | 'unknown'} ViewerState unknown: of a later release */
/** @typedef {'jpeg' | 'h264'} Codec */

/**
 * @typedef {object} TrackInfo
 * @property {string} rendition
 * @property {string} codec
 * @property {number} width 0 while unknown
 * @property {number} height 0 while unknown
 * @property {number} fps
 * @property {number} bitrate bits a second
 * @property {number} dropped by capture, before publishing
 * @property {number} lost between capture and the relay
 */

/**
 * @typedef {object} StreamInfo
 * @property {string} name
 * @property {ViewerState} state
 * @property {string} reason
 * @property {number} since microseconds of the relay's clock
 * @property {boolean} gone no publisher has the stream any more
 * @property {string} source
 * @property {TrackInfo[]} tracks
 * @property {number} viewers
 * @property {number | null} frame_age_ms
 */

/**
 * @typedef {object} ListenEntry
 * @property {string} endpoint
 * @property {boolean} heard
 * @property {boolean} connected
 * @property {number} since microseconds of the relay's clock
 * @property {string} reason for a failure; empty without one
 */

/** @typedef {{ device: string, name: string }} Webcam */
/**
 * Hints for an empty wall: the command that starts a capture on the relay's machine, and the webcams that are connected there.
 * @typedef {{ capture: string, webcams: Webcam[] }} Setup
 */

/** @typedef {{ type: 'hello', version: string, build: string }} Hello */
/** @typedef {{ type: 'streams', streams: StreamInfo[], listening: ListenEntry[], setup: Setup | null }} Streams `setup`: absent if there are streams */
/**
 * @typedef {{ type: 'track', id: number, stream: string, codec: string, rendition: string, width: number,
 *   height: number, fps: number, renditions: string[], reduced: boolean }} Track `reduced`: the link does not sustain the
 *   rendition that fits the request
 */
/** @typedef {{ type: 'state', id: number, state: ViewerState, reason: string, since: number }} State */
/** @typedef {{ type: 'clock', t0: number, t1: number, t2: number }} Clock */
/** @typedef {{ type: 'error', id: number | null, code: string, message: string }} RelayError */
/**
 * Timestamps of the next frame on its way to the relay and through it, in microseconds of the relay's clock.
 * @typedef {{ type: 'journey', id: number, sequence: number, captured_at: number, read_at: number,
 *   published_at: number, received_at: number, sent_at: number }} Journey
 */
/** @typedef {Hello | Streams | Track | State | Clock | Journey | RelayError} FromRelay */

/**
 * @typedef {object} Frame
 * @property {Codec} codec
 * @property {boolean} keyframe
 * @property {number} rendition index in the `track` message
 * @property {number} id subscription
 * @property {bigint} sequence
 * @property {number} capturedAt microseconds of the relay's clock
 * @property {number} sentAt microseconds of the relay's clock
 * @property {Uint8Array<ArrayBuffer>} payload
 */

export const SUBPROTOCOL = 'fanlight.v1';
export const FRAME_HEADER_LENGTH = 32;
/** Subscriptions that a relay allows on one socket. The page lists no more streams than that. */
export const MAX_STREAMS = 256;
const MAX_LISTENING = 64;
const MAX_WEBCAMS = 8;
/** Eight renditions, each in two codecs. */
const MAX_TRACKS = 16;
/** A reason has at most 200 bytes. An endpoint or error message may be longer. */
const MAX_TEXT = 500;
const STREAM_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
/** @type {readonly ViewerState[]} */
const STATES = ['live', 'late', 'frozen', 'slow', 'idle', 'offline', 'ended'];
/** @type {Readonly<Record<number, Codec>>} */
const CODECS = { 1: 'jpeg', 2: 'h264' };

/** Returns whether a text can be the name of a stream. @param {unknown} text @returns {text is string} */
export function isStreamName(text) {
  return typeof text === 'string' && STREAM_NAME.test(text);
}

/**
 * Splits a binary message into header and payload. The payload is a view, not a copy.
 * @param {ArrayBuffer} message
 * @returns {Frame | null}
 */
export function parseFrame(message) {
  if (message.byteLength < FRAME_HEADER_LENGTH) return null;
  const header = new DataView(message, 0, FRAME_HEADER_LENGTH);
  const codec = CODECS[header.getUint8(1)];
  const flags = header.getUint8(2);
  if (header.getUint8(0) !== 1 || !codec || flags > 1) return null;
  return {
    codec,
    keyframe: flags === 1,
    rendition: header.getUint8(3),
    id: header.getUint32(4, true),
    sequence: header.getBigUint64(8, true),
    capturedAt: Number(header.getBigUint64(16, true)),
    sentAt: Number(header.getBigUint64(24, true)),
    payload: new Uint8Array(message, FRAME_HEADER_LENGTH),
  };
}

/**
 * Encodes an `ack` as text, because a sequence of 64 bits does not fit a number.
 * @param {number} id @param {bigint} sequence
 */
export function ackText(id, sequence) {
  return `{"type":"ack","id":${id},"sequence":${sequence}}`;
}

/**
 * Parses a text message of the relay. Ignores unknown fields; returns `null` for unknown types.
 * @param {string} text
 * @returns {FromRelay | null}
 */
export function parseControl(text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(message) || typeof message.type !== 'string') return null;
  return Object.hasOwn(READERS, message.type) ? (READERS[message.type]?.(message) ?? null) : null;
}

/** Parses the answer of `api/streams`, which has the fields of a `streams` message. @param {string} text @returns {StreamInfo[]} */
export function parseList(text) {
  try {
    const message = READERS.streams?.(JSON.parse(text));
    return message?.type === 'streams' ? message.streams : [];
  } catch {
    return [];
  }
}

/** @type {Record<string, (message: Record<string, unknown>) => FromRelay | null>} */
const READERS = {
  hello: ({ version, build }) =>
    isText(version) && isText(build) ? { type: 'hello', version: cut(version), build: cut(build) } : null,
  streams: ({ streams, listening, setup }) =>
    Array.isArray(streams)
      ? {
          type: 'streams',
          // A relay remembers streams that are gone. They must not displace others.
          streams: readAll([...streams].sort((a, b) => isGone(a) - isGone(b)), MAX_STREAMS, readStream),
          listening: readAll(listening, MAX_LISTENING, readListenEntry),
          setup: readSetup(setup),
        }
      : null,
  track: readTrackMessage,
  state: ({ id, state, reason, since }) =>
    isCount(id) && isText(state)
      ? { type: 'state', id, state: stateOf(state), reason: textOf(reason), since: numberOf(since) }
      : null,
  journey: readJourney,
  clock: ({ t0, t1, t2 }) =>
    isNumber(t0) && isNumber(t1) && isNumber(t2) ? { type: 'clock', t0, t1, t2 } : null,
  error: ({ id, code, message }) =>
    isText(code) ? { type: 'error', id: isCount(id) ? id : null, code: cut(code), message: textOf(message) } : null,
};

/** @param {Record<string, unknown>} message @returns {Track | null} */
function readTrackMessage({ id, stream, codec, rendition, width, height, fps, renditions, reduced }) {
  if (!isCount(id) || !isStreamName(stream) || !isText(codec) || !isText(rendition)) return null;
  return {
    type: 'track',
    id,
    stream,
    codec: cut(codec),
    rendition: cut(rendition),
    width: numberOf(width),
    height: numberOf(height),
    fps: numberOf(fps),
    renditions: readAll(renditions, 256, (name) => (isText(name) ? cut(name) : null)),
    reduced: reduced === true,
  };
}

/** @param {Record<string, unknown>} message @returns {Journey | null} */
function readJourney({ id, sequence, captured_at, read_at, published_at, received_at, sent_at }) {
  if (!isCount(id) || !isCount(sequence) || !isCount(captured_at) || !isCount(read_at)) return null;
  if (!isCount(published_at) || !isCount(received_at) || !isCount(sent_at)) return null;
  return { type: 'journey', id, sequence, captured_at, read_at, published_at, received_at, sent_at };
}

/** @param {unknown} value */
const isGone = (value) => Number(isRecord(value) && value.gone === true);

/** @param {unknown} value @returns {StreamInfo | null} */
function readStream(value) {
  if (!isRecord(value) || !isStreamName(value.name) || !isText(value.state)) return null;
  return {
    name: value.name,
    state: stateOf(value.state),
    reason: textOf(value.reason),
    since: numberOf(value.since),
    gone: value.gone === true,
    source: textOf(value.source),
    tracks: readAll(value.tracks, MAX_TRACKS, readTrack),
    viewers: numberOf(value.viewers),
    frame_age_ms: isNumber(value.frame_age_ms) ? value.frame_age_ms : null,
  };
}

/** @param {unknown} value @returns {TrackInfo | null} */
function readTrack(value) {
  if (!isRecord(value) || !isText(value.rendition) || !isText(value.codec)) return null;
  return {
    rendition: cut(value.rendition),
    codec: cut(value.codec),
    width: numberOf(value.width),
    height: numberOf(value.height),
    fps: numberOf(value.fps),
    bitrate: numberOf(value.bitrate),
    dropped: numberOf(value.dropped),
    lost: numberOf(value.lost),
  };
}

/** @param {unknown} value @returns {ListenEntry | null} */
function readListenEntry(value) {
  if (!isRecord(value) || !isText(value.endpoint)) return null;
  return {
    endpoint: cut(value.endpoint),
    heard: value.heard === true,
    connected: value.connected === true,
    since: numberOf(value.since),
    reason: textOf(value.reason),
  };
}

/** @param {unknown} value @returns {Setup | null} */
function readSetup(value) {
  if (!isRecord(value) || !isText(value.capture)) return null;
  return { capture: cut(value.capture), webcams: readAll(value.webcams, MAX_WEBCAMS, readWebcam) };
}

/** @param {unknown} value @returns {Webcam | null} */
function readWebcam(value) {
  return isRecord(value) && isText(value.device) ? { device: cut(value.device), name: textOf(value.name) } : null;
}

/**
 * @template T
 * @param {unknown} list @param {number} max @param {(value: unknown) => T | null} read
 * @returns {T[]}
 */
function readAll(list, max, read) {
  return Array.isArray(list) ? list.slice(0, max).map(read).filter(isPresent) : [];
}

/** @template T @param {T | null} value @returns {value is T} */
const isPresent = (value) => value !== null;
/** @param {unknown} value @returns {value is Record<string, unknown>} */
const isRecord = (value) => typeof value === 'object' && value !== null;
/** @param {unknown} value @returns {value is string} */
const isText = (value) => typeof value === 'string';
/** @param {unknown} value @returns {value is number} */
const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);
/** @param {unknown} value @returns {value is number} */
const isCount = (value) => Number.isInteger(value) && Number(value) >= 0;
/** An unknown state of a later release must not remove the stream from the wall. @param {string} text @returns {ViewerState} */
const stateOf = (text) => STATES.find((state) => state === text) ?? 'unknown';
/** @param {string} text */
const cut = (text) => text.slice(0, MAX_TEXT);
/** @param {unknown} value */
const textOf = (value) => (isText(value) ? cut(value) : '');
/** @param {unknown} value */
const numberOf = (value) => (isNumber(value) && value > 0 ? value : 0);
