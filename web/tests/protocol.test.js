import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ackText, FRAME_HEADER_LENGTH, isStreamName, MAX_STREAMS, parseControl, parseFrame, parseList } from '../shared/protocol.js';

// The tests of crates/protocol read the same files.
const GOLDEN = new URL('../../crates/protocol/golden/', import.meta.url);
/** @param {string} name */
const golden = (name) => readFileSync(new URL(name, GOLDEN));
/** @type {{ from_relay: Record<string, unknown>[], from_viewer: Record<string, unknown>[] }} */
const messages = JSON.parse(String(golden('viewer-messages.json')));

/** @param {Buffer} bytes */
const buffer = (bytes) => new Uint8Array(bytes).buffer;

/** @param {Partial<{ version: number, codec: number, flags: number }>} [changes] @param {number[]} [payload] */
function frame({ version = 1, codec = 1, flags = 1 } = {}, payload = [0xff, 0xd8]) {
  const bytes = Buffer.alloc(FRAME_HEADER_LENGTH + payload.length);
  bytes.set([version, codec, flags, 3]);
  bytes.writeUInt32LE(7, 4);
  bytes.writeBigUInt64LE(2n ** 63n + 1n, 8);
  bytes.writeBigUInt64LE(1_700_000_000_000_000n, 16);
  bytes.writeBigUInt64LE(1_700_000_000_001_500n, 24);
  bytes.set(payload, FRAME_HEADER_LENGTH);
  return buffer(bytes);
}

test('hints for an empty wall are read, and damaged ones ignored', () => {
  const read = (/** @type {unknown} */ setup) => {
    const message = parseControl(JSON.stringify({ type: 'streams', streams: [], listening: [], setup }));
    return message?.type === 'streams' ? message.setup : undefined;
  };
  const webcam = { device: '/dev/video0', name: 'HD WebCam' };
  assert.deepEqual(read({ capture: 'fanlight-capture', webcams: [webcam, 7, {}] }), { capture: 'fanlight-capture', webcams: [webcam] });
  for (const damaged of [undefined, null, 7, {}, { capture: 7 }]) assert.equal(read(damaged), null);
});

test('streams that are gone displace no others from a long list', () => {
  const many = Array.from({ length: MAX_STREAMS }, (_, index) => ({ name: `cam-${index}`, state: 'offline', gone: true }));
  const parsed = parseControl(JSON.stringify({ type: 'streams', streams: [...many, { name: 'yard', state: 'live' }], listening: [] }));
  assert.ok(parsed?.type === 'streams');
  assert.equal(parsed.streams.length, MAX_STREAMS);
  assert.deepEqual([parsed.streams[0]?.name, parsed.streams[0]?.gone, parsed.streams[1]?.gone], ['yard', false, true]);
});

test('the list that the page requests by itself is read like the one of the socket', () => {
  const answer = { relay: { build: 'one' }, streams: [{ name: 'door', state: 'live' }, { name: 'A B' }, 7], listening: [] };
  assert.deepEqual(parseList(JSON.stringify(answer)).map(({ name, state }) => [name, state]), [['door', 'live']]);
  for (const text of ['', 'null', '7', '[]', '{}', '{"streams":7}', '<html>']) assert.deepEqual(parseList(text), [], text);
});

test('a frame is split into header and payload', () => {
  const parsed = parseFrame(frame());
  assert.ok(parsed);
  assert.deepEqual(
    { ...parsed, payload: [...parsed.payload] },
    {
      codec: 'jpeg',
      keyframe: true,
      rendition: 3,
      id: 7,
      sequence: 2n ** 63n + 1n,
      capturedAt: 1_700_000_000_000_000,
      sentAt: 1_700_000_000_001_500,
      payload: [0xff, 0xd8],
    },
  );
});

test('a frame with an unknown version, codec or flag, or a truncated one, is rejected', () => {
  for (const changes of [{ version: 0 }, { version: 2 }, { codec: 0 }, { codec: 3 }, { flags: 2 }]) {
    assert.equal(parseFrame(frame(changes)), null, JSON.stringify(changes));
  }
  for (let length = 0; length < FRAME_HEADER_LENGTH; length += 1) {
    assert.equal(parseFrame(frame().slice(0, length)), null, `${length} bytes`);
  }
  assert.equal(parseFrame(frame({}, []))?.payload.length, 0);
});

test('the golden frame is parsed as the relay wrote it', () => {
  const bytes = golden('frame-message.bin');
  const parsed = parseFrame(buffer(bytes));
  assert.ok(parsed);
  const read = {
    version: bytes[0],
    codec: parsed.codec === 'jpeg' ? 1 : 2,
    keyframe: parsed.keyframe,
    rendition: parsed.rendition,
    id: parsed.id,
    sequence: String(parsed.sequence),
    captured_at: String(parsed.capturedAt),
    sent_at: String(parsed.sentAt),
    payload: new TextDecoder().decode(parsed.payload),
  };
  assert.deepEqual(read, JSON.parse(String(golden('frame-message.json'))));
});

test('the golden messages of a relay are all parsed, to the last field', () => {
  assert.ok(messages.from_relay.length >= 6);
  for (const message of messages.from_relay) {
    const whole = message.type === 'error' ? { id: null, ...message } : message;
    assert.deepEqual(parseControl(JSON.stringify(message)), whole);
  }
});

test('the messages of the page are among the golden messages of a viewer', () => {
  const known = new Map(messages.from_viewer.map((message) => [message.type, new Set(Object.keys(message))]));
  for (const message of messages.from_viewer.filter(({ type }) => type === 'watch')) {
    for (const key of Object.keys(message)) known.get('watch')?.add(key);
  }
  const said = {
    list: ['type'],
    watch: ['type', 'id', 'stream', 'rendition', 'ack', 'max_width', 'max_height'],
    unwatch: ['type', 'id'],
    ack: Object.keys(JSON.parse(ackText(1, 42n))),
    journey: ['type', 'id'],
    clock: ['type', 't0'],
  };
  for (const [type, keys] of Object.entries(said)) {
    for (const key of keys) assert.ok(known.get(type)?.has(key), `${type}.${key}`);
  }
});

test('a sequence of 64 bits is acknowledged to the last digit', () => {
  assert.equal(ackText(7, 2n ** 64n - 1n), '{"type":"ack","id":7,"sequence":18446744073709551615}');
});

test('an invalid message is rejected', () => {
  const texts = ['', '{', 'null', '[]', '7', '"hello"', '{}', '{"type":1}', '{"type":"dance"}', '{"type":"__proto__"}'];
  const broken = [
    '{"type":"hello"}',
    '{"type":"streams","streams":7}',
    '{"type":"track","id":-1,"stream":"a","codec":"jpeg","rendition":"full"}',
    '{"type":"track","id":1,"stream":"../a","codec":"jpeg","rendition":"full"}',
    '{"type":"state","id":1,"state":7}',
    '{"type":"clock","t0":1,"t1":"2","t2":3}',
    '{"type":"journey","id":1,"sequence":2,"captured_at":3}',
  ];
  for (const text of [...texts, ...broken]) assert.equal(parseControl(text), null, text);
});

test('a list of streams is bounded, and keeps the valid entries', () => {
  const stream = (/** @type {number} */ n) => ({ name: `cam${n}`, state: 'live', tracks: [] });
  const streams = [{ name: 'Bad Name', state: 'live' }, 7, ...Array.from({ length: 400 }, (_, n) => stream(n))];
  const parsed = parseControl(JSON.stringify({ type: 'streams', streams, listening: 'no' }));
  assert.ok(parsed?.type === 'streams');
  assert.equal(parsed.streams.length, MAX_STREAMS - 2);
  assert.deepEqual(parsed.listening, []);
  assert.equal(parsed.streams[0]?.frame_age_ms, null);
});

test('a long reason is truncated', () => {
  const parsed = parseControl(JSON.stringify({ type: 'state', id: 1, state: 'offline', reason: 'x'.repeat(1e5) }));
  assert.ok(parsed?.type === 'state');
  assert.equal(parsed.reason.length, 500);
});

test('stream names follow the rules of the relay', () => {
  for (const name of ['a', '0', 'front-door_2', 'a'.repeat(64)]) assert.ok(isStreamName(name), name);
  for (const name of ['', '-a', '_a', 'A', 'a b', 'a/b', 'ä', 'a'.repeat(65), 7]) assert.ok(!isStreamName(name), String(name));
});

test('a state of a later release is unknown, and removes no stream from the wall', () => {
  const state = parseControl('{"type":"state","id":1,"state":"asleep","reason":"night","since":5}');
  assert.deepEqual(state, { type: 'state', id: 1, state: 'unknown', reason: 'night', since: 5 });
  const list = parseControl(JSON.stringify({ type: 'streams', streams: [{ name: 'cam', state: 'asleep' }], listening: [] }));
  assert.ok(list?.type === 'streams');
  assert.deepEqual(list.streams.map(({ name, state }) => [name, state]), [['cam', 'unknown']]);
});
