// Detects whether this browser decodes H.264 in a worker. WebCodecs exists only in secure contexts.

/** The plainest and the most common profile. A stream's own profile is in its keyframes. */
const PROFILES = ['avc1.42E01F', 'avc1.64001F'];

/** Returns the parts of WebCodecs that decoders use; `undefined` if the browser has none. */
export function webCodecs() {
  return typeof VideoDecoder === 'undefined' ? undefined : { VideoDecoder, EncodedVideoChunk };
}

/** Returns whether H.264 can be decoded. Takes about a millisecond, so the answer is usually known before the socket opens. */
export async function supportsH264() {
  const answers = PROFILES.map((codec) => VideoDecoder.isConfigSupported({ codec, optimizeForLatency: true }));
  const supports = await Promise.all(answers).catch(() => []);
  return supports.length > 0 && supports.every(({ supported }) => supported === true);
}
