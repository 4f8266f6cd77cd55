import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { withSite } from './harness.js';

const JMUXER = createRequire(import.meta.url).resolve('jmuxer/dist/jmuxer.min.js');

test('jmuxer plays the raw H.264 of a WebSocket, as in Mainsail', withSite(async (site) => {
  site.capture({ door: 'test:640x360@30' });
  await site.relay();
  // A page of the same origin, into which a script of another project may be put.
  const page = await site.open('?stream=door', { bypassCSP: true });
  await page.addScriptTag({ path: JMUXER });
  const played = await page.evaluate(async () => {
    const video = document.createElement('video');
    video.muted = true;
    video.autoplay = true;
    document.body.append(video);
    // The options of Mainsail's JMuxerStream.
    const JMuxer = /** @type {any} */ (globalThis).JMuxer;
    const muxer = new JMuxer({ node: video, mode: 'video', flushingTime: 0, fps: 30 });
    const address = new URL('streams/door/ws?codec=h264', location.href);
    address.protocol = 'ws:';
    const socket = new WebSocket(address);
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('message', ({ data }) => muxer.feed({ video: new Uint8Array(data) }));
    await new Promise((resolve, reject) => {
      video.addEventListener('error', () => reject(video.error));
      video.addEventListener('timeupdate', () => video.currentTime > 0.5 && resolve(null));
    });
    socket.close();
    return { width: video.videoWidth, height: video.videoHeight };
  });
  assert.deepEqual(played, { width: 640, height: 360 });
}));
