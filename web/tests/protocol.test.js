import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FRAME_HEADER_LENGTH, isStreamName, MOST_STREAMS, parseControl, parseFrame } from '../protocol.js';

// The same bytes that the tests of crates/protocol read.
const GOLDEN = new URL('../../crates/protocol/golden/', import.meta.url);
const frameFile = new URL('frame-message.bin', GOLDEN);
const frameJson = new URL('frame-message.json', GOLDEN);
const messagesFile = new URL('viewer-messages.json', GOLDEN);

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

test('a frame of another version, codec or flag, or cut short, is none', () => {
  for (const changes of [{ version: 0 }, { version: 2 }, { codec: 0 }, { codec: 3 }, { flags: 2 }]) {
    assert.equal(parseFrame(frame(changes)), null, JSON.stringify(changes));
  }
  for (let length = 0; length < FRAME_HEADER_LENGTH; length += 1) {
    assert.equal(parseFrame(frame().slice(0, length)), null, `${length} bytes`);
  }
  assert.equal(parseFrame(frame({}, []))?.payload.length, 0);
});

test('the golden frame reads as the relay wrote it', { skip: !existsSync(frameFile) }, () => {
  const parsed = parseFrame(buffer(readFileSync(frameFile)));
  assert.ok(parsed);
  const { payload, ...header } = parsed;
  const golden = JSON.parse(readFileSync(frameJson, 'utf8'));
  /** @type {Record<string, unknown>} */
  const known = {
    codec: header.codec,
    keyframe: header.keyframe,
    rendition: header.rendition,
    id: header.id,
    sequence: Number(header.sequence),
    captured_at: header.capturedAt,
    sent_at: header.sentAt,
    payload_length: payload.length,
  };
  const compared = Object.keys(golden).filter((key) => key in known);
  assert.ok(compared.length >= 6, `of ${Object.keys(golden)} only ${compared} are known here`);
  for (const key of compared) assert.equal(known[key], golden[key], key);
});

test('the golden messages of a relay are all understood', { skip: !existsSync(messagesFile) }, () => {
  const golden = JSON.parse(readFileSync(messagesFile, 'utf8'));
  const messages = fromRelay(golden);
  assert.ok(messages.length >= 6, `only ${messages.length} messages from a relay`);
  for (const message of messages) {
    const parsed = parseControl(JSON.stringify(message));
    assert.ok(parsed, `not understood: ${JSON.stringify(message)}`);
    for (const key of Object.keys(parsed)) {
      if (key in message) assert.deepEqual(Reflect.get(parsed, key), message[key], `${message.type}.${key}`);
    }
  }
});

/**
 * Whatever the file's shape, what only a relay says: messages by type.
 * @param {unknown} value @returns {Record<string, unknown>[]}
 */
function fromRelay(value) {
  if (typeof value !== 'object' || value === null) return [];
  const type = Reflect.get(value, 'type');
  const answered = type === 'clock' && 't1' in value;
  if (answered || ['hello', 'streams', 'track', 'state', 'error'].includes(type)) {
    return [/** @type {Record<string, unknown>} */ (value)];
  }
  return Object.values(value).flatMap(fromRelay);
}

test('nothing that is no message passes as one', () => {
  const texts = ['', '{', 'null', '[]', '7', '"hello"', '{}', '{"type":1}', '{"type":"dance"}', '{"type":"__proto__"}'];
  const broken = [
    '{"type":"hello"}',
    '{"type":"streams","streams":7}',
    '{"type":"track","id":-1,"stream":"a","codec":"jpeg","rendition":"full"}',
    '{"type":"track","id":1,"stream":"../a","codec":"jpeg","rendition":"full"}',
    '{"type":"state","id":1,"state":"asleep"}',
    '{"type":"clock","t0":1,"t1":"2","t2":3}',
  ];
  for (const text of [...texts, ...broken]) assert.equal(parseControl(text), null, text);
});

test('a list of streams is bounded, and keeps what is well formed', () => {
  const stream = (/** @type {number} */ n) => ({ name: `cam${n}`, state: 'live', tracks: [] });
  const streams = [{ name: 'Bad Name', state: 'live' }, 7, ...Array.from({ length: 400 }, (_, n) => stream(n))];
  const parsed = parseControl(JSON.stringify({ type: 'streams', streams, listening: 'no' }));
  assert.ok(parsed?.type === 'streams');
  assert.equal(parsed.streams.length, MOST_STREAMS - 2);
  assert.deepEqual(parsed.listening, []);
  assert.equal(parsed.streams[0]?.frame_age_ms, null);
});

test('a reason of any length is cut', () => {
  const parsed = parseControl(JSON.stringify({ type: 'state', id: 1, state: 'offline', reason: 'x'.repeat(1e5) }));
  assert.ok(parsed?.type === 'state');
  assert.equal(parsed.reason.length, 500);
});

test('stream names are as the relay has them', () => {
  for (const name of ['a', '0', 'front-door_2', 'a'.repeat(64)]) assert.ok(isStreamName(name), name);
  for (const name of ['', '-a', '_a', 'A', 'a b', 'a/b', 'ä', 'a'.repeat(65), 7]) assert.ok(!isStreamName(name), String(name));
});
