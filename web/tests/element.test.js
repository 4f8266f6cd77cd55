import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionText, isRefused } from '../element/connection-text.js';
import { addressesOf } from '../element/relay-address.js';
import { embedCode } from '../page/embed-code.js';
import { limitsToCover } from '../shared/sizes.js';
import { Subscriptions } from '../worker/subscriptions.js';

const AT = { home: new URL('https://cams.example/video/'), page: 'https://dash.example/rooms/hall' };

test('an element connects to the relay that serves the file, below the path prefix of a proxy', () => {
  const at = addressesOf({ src: '', token: '', link: '' }, AT);
  assert.deepEqual(at, { socket: 'wss://cams.example/video/ws', check: 'https://cams.example/video/api/streams', host: 'cams.example' });
});

test('src names another relay, with or without a slash at its end, and the page may be its own', () => {
  const socketOf = (/** @type {string} */ src) => addressesOf({ src, token: '', link: '' }, AT)?.socket;
  assert.equal(socketOf('http://10.0.0.5:7474'), 'ws://10.0.0.5:7474/ws');
  assert.equal(socketOf('http://10.0.0.5:7474/cams/'), 'ws://10.0.0.5:7474/cams/ws');
  assert.equal(socketOf('http://user:secret@10.0.0.5/?x=1#y'), 'ws://10.0.0.5/ws');
  assert.equal(socketOf('/cams'), 'wss://dash.example/cams/ws');
  assert.equal(socketOf('javascript:alert(1)'), undefined);
  assert.equal(socketOf('http://'), undefined);
});

test('a link goes before a token, and both are escaped', () => {
  const socketOf = (/** @type {string} */ token, /** @type {string} */ link) => addressesOf({ src: '', token, link }, AT)?.socket;
  assert.equal(socketOf('a&b', ''), 'wss://cams.example/video/ws?token=a%26b');
  assert.equal(socketOf('a', 'l'), 'wss://cams.example/video/ws?link=l');
});

test('a refusal and a relay that does not answer have different texts', () => {
  const given = { host: 'cams.example', token: '', link: '' };
  /** @type {(why: import('../shared/messages.js').Link['why'], detail?: string) => import('../shared/messages.js').Link} */
  const down = (why, detail = '') => ({ phase: 'down', why, detail });
  for (const why of /** @type {const} */ (['token', 'refused', 'no-socket'])) assert.ok(isRefused(down(why)), why);
  for (const why of /** @type {const} */ (['lost', 'unreachable'])) assert.ok(!isRefused(down(why)), why);
  assert.match(connectionText(down('token'), given), /needs an access token or a link/);
  assert.match(connectionText(down('token'), { ...given, token: 'x' }), /not accepted/);
  assert.match(connectionText(down('token'), { ...given, link: 'x' }), /not valid any more/);
  assert.equal(connectionText(down('refused', 'no'), given), 'cams.example refuses this page: no');
});

test('a picture that covers a box is requested as large as the part of it that is cut off needs', () => {
  assert.deepEqual(limitsToCover({ width: 400, height: 400 }, 16 / 9, 1), { maxWidth: 712, maxHeight: 400 });
  assert.deepEqual(limitsToCover({ width: 400, height: 100 }, 2, 2), { maxWidth: 800, maxHeight: 400 });
});

test('each subscription has its own codec, and without a wall none starts by itself', () => {
  /** @type {Record<string, unknown>[]} */
  const sent = [];
  const subscriptions = new Subscriptions({
    send: (message) => void sent.push({ ...message }),
    halvings: () => 0,
    isPainted: () => true,
    h264Failed: () => false,
    onStart: () => {},
    onEarly: () => assert.fail('a subscription started by itself'),
  });
  subscriptions.enableH264();
  const track = { rendition: 'full', codec: 'h264', width: 8, height: 8, fps: 1, bitrate: 1, dropped: 0, lost: 0 };
  /** @type {import('../shared/protocol.js').StreamInfo} */
  const door = { name: 'door', state: 'live', reason: '', since: 0, gone: false, source: '', tracks: [track], viewers: 0, frame_age_ms: 0 };
  subscriptions.streamsListed([door], null);
  const size = { stream: 'door', maxWidth: 8, maxHeight: 8 };
  subscriptions.start(1, { ...size, codec: 'jpeg' });
  subscriptions.start(2, { ...size, codec: 'h264' });
  subscriptions.start(3, size);
  assert.deepEqual(sent.map(({ codec }) => codec), [undefined, 'h264', 'auto']);
  subscriptions.start(1, { ...size, codec: 'h264' });
  subscriptions.start(1, { ...size, codec: 'h264' });
  assert.deepEqual(sent.slice(3).map(({ id, codec }) => [id, codec]), [[1, 'h264']]);
});

test('the HTML to copy has the link, and nothing in it can end an attribute', () => {
  const { frame, element } = embedCode('https://cams.example/video/', 'door', 'a.b"c');
  assert.match(frame, /^<iframe src="https:\/\/cams\.example\/video\/embed\/door\?link=a\.b%22c&amp;controls" /);
  assert.match(element, /^<script type="module" src="https:\/\/cams\.example\/video\/embed\.js"><\/script>\n<fanlight-view stream="door" link="a\.b&quot;c" controls /);
});
