// Makes clips of what a tile remembers, from the frames as received: nothing is encoded again. Runs in the worker, and is
// loaded when the first clip is saved.

import { codecString, parameterSet } from './annex-b.js';
import { chooseRanges } from './clip-ranges.js';

/** @typedef {import('../shared/protocol.js').Frame} Frame */
/** @typedef {import('../shared/messages.js').SavedClip} SavedClip */
/** @typedef {import('../shared/messages.js').SavedClips} SavedClips */
/** @typedef {import('../shared/messages.js').Rotation} Rotation */
/** @typedef {typeof import('mediabunny')} Muxer */

/** A separate file, which a relay serves if it was built with it. */
const MUXER = '../lib/mediabunny.js';
/** Muxing 30 s takes a fraction of a second. Loading the muxer over a slow connection takes the longest. In milliseconds. */
const MAX_MAKING = 20_000;
/** Duration of a frame that has no other to compare with, in seconds. */
const USUAL = 1 / 30;

/**
 * Makes clips of what a tile remembers: one file, or several if one cannot hold all frames.
 * @param {{ frames: readonly Frame[], cursor: number, truncated: boolean }} remembered as `Sync.clip` returns it
 * @param {Rotation} rotation of the tile @returns {Promise<SavedClips>}
 */
export async function makeClips({ frames, cursor, truncated }, rotation) {
  const { ranges, reasons, omitted } = chooseRanges(frames, cursor);
  const made = await Promise.allSettled(ranges.map((range) => withinReason(makeClip(range, rotation))));
  const clips = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const all = { from: frames[0]?.capturedAt ?? 0, to: frames.at(-1)?.capturedAt ?? 0 };
  return { what: 'clip', clips, reasons, omitted, failed: ranges.length - clips.length, remembered: (all.to - all.from) / 1e6, truncated };
}

/** @param {readonly Frame[]} frames of one range @param {Rotation} rotation @returns {Promise<SavedClip>} */
async function makeClip(frames, rotation) {
  const seconds = durations(frames).reduce((sum, time) => sum + time, 0);
  const made = { from: frames[0]?.capturedAt ?? 0, seconds };
  // Concatenated JPEGs are a video for every player, but without frame rate and rotation.
  if (frames[0]?.codec === 'jpeg') return { ...made, kind: 'mjpeg', blob: whole(frames, 'video/x-motion-jpeg') };
  const muxer = await fetchMuxer();
  if (!muxer) return { ...made, kind: 'h264', blob: whole(frames, 'video/h264') };
  return { ...made, kind: 'mp4', blob: await mux(muxer, frames, rotation) };
}

/**
 * Bounds the wait: a silent relay or a stuck decoder must not leave the viewer without an answer.
 * @template T @param {Promise<T>} work @returns {Promise<T>}
 */
function withinReason(work) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((/** @type {(none: never) => void} */ _, reject) => {
    timer = setTimeout(() => reject(new Error(`the clip was not written within ${MAX_MAKING / 1000} s`)), MAX_MAKING);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** @returns {Promise<Muxer | null>} `null`: this relay was built without it */
async function fetchMuxer() {
  try {
    return /** @type {Muxer} */ (await import(new URL(MUXER, import.meta.url).href));
  } catch {
    return null;
  }
}

/** @param {readonly Frame[]} frames @param {string} type */
function whole(frames, type) {
  return new Blob(frames.map(({ payload }) => payload), { type });
}

/** @param {Muxer} muxer @param {readonly Frame[]} frames @param {Rotation} rotation */
async function mux({ BufferTarget, EncodedPacket, EncodedVideoPacketSource, Mp4OutputFormat, Output }, frames, rotation) {
  const target = new BufferTarget();
  const output = new Output({ format: new Mp4OutputFormat({ fastStart: 'in-memory' }), target });
  const source = new EncodedVideoPacketSource('avc');
  output.addVideoTrack(source, { rotation });
  await output.start();
  const config = { decoderConfig: await configOf(frames[0]?.payload ?? new Uint8Array()) };
  const times = durations(frames);
  let at = 0;
  for (const [index, { payload, keyframe }] of frames.entries()) {
    const time = times[index] ?? USUAL;
    await source.add(new EncodedPacket(payload, keyframe ? 'key' : 'delta', at, time), config);
    at += time;
  }
  await output.finalize();
  return new Blob([target.buffer ?? new ArrayBuffer()], { type: 'video/mp4' });
}

/** Returns the codec string, and the size that a decoder finds in the keyframe. @param {Uint8Array} keyframe */
async function configOf(keyframe) {
  const codec = codecString(parameterSet(keyframe) ?? new Uint8Array());
  return { codec, ...(await sizeIn(codec, keyframe)) };
}

/**
 * Rejects if the keyframe contains no picture.
 * @param {string} codec @param {Uint8Array} keyframe @returns {Promise<{ codedWidth: number, codedHeight: number }>}
 */
export function sizeIn(codec, keyframe) {
  return new Promise((resolve, reject) => {
    const decoder = new VideoDecoder({
      output(image) {
        resolve({ codedWidth: image.displayWidth, codedHeight: image.displayHeight });
        image.close();
      },
      error: reject,
    });
    decoder.configure({ codec });
    decoder.decode(new EncodedVideoChunk({ type: 'key', timestamp: 0, data: keyframe }));
    const nothing = () => reject(new Error('the keyframe contains no picture'));
    void decoder.flush().then(() => decoder.close()).then(nothing, reject);
  });
}

/** Returns the duration of each frame in seconds: the time to the next one. The last lasts as long as the one before. @param {readonly Frame[]} frames */
function durations(frames) {
  const times = frames.slice(1).map((frame, index) => Math.max(0.001, (frame.capturedAt - (frames[index]?.capturedAt ?? 0)) / 1e6));
  return frames.map((_, index) => times[index] ?? times.at(-1) ?? USUAL);
}
