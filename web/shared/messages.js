// Messages between the page and its worker. Types only: this module has no code.

/** `auto`: H.264 if this browser decodes it and the stream has it. @typedef {'auto' | 'h264' | 'jpeg'} CodecChoice */
/** @typedef {0 | 90 | 180 | 270} Rotation clockwise, in degrees */
/** @typedef {{ socket: string, check: string }} Addresses of the WebSocket, and of a resource that says why it is refused */
/**
 * Size in screen pixels. `codec`: the choice for this subscription alone.
 * @typedef {{ stream: string, maxWidth: number, maxHeight: number, codec?: CodecChoice }} StreamRequest
 */

/**
 * State of the connection to the relay. `why` says what is wrong: `lost` (the socket was open before), `unreachable` (no
 * answer), `token` (a token is required, or this one was rejected), `refused` (the relay answers with an error),
 * `no-socket` (the relay answers, but not as a WebSocket).
 * @typedef {object} Link
 * @property {'connecting' | 'open' | 'down'} phase
 * @property {'' | 'lost' | 'unreachable' | 'token' | 'refused' | 'no-socket'} why
 * @property {string} detail answer of the relay or proxy
 */

/** Cause of a reduced frame rate or resolution. `unknown`: no measurement shows it. @typedef {'link' | 'device' | 'unknown'} SlowCause */
/**
 * Measurements of the worker for all tiles together, in milliseconds. `network`: three quarters of the recent frames took
 * at least this much longer on the network than the shortest way; `null` while unknown. `lag`: the longest recent delay of
 * the worker's event loop.
 * @typedef {{ network: number | null, lag: number }} Evidence
 */

/**
 * Playback of the wall. `behind`: frame age of all synced tiles, in milliseconds. `at`: capture time of the displayed instant
 * while paused, in microseconds of the relay's clock. `back`: how far that is before the instant of the pause, in seconds.
 * @typedef {{ synced: boolean, paused: boolean, behind: number | null, at: number | null, back: number }} Mode
 */

/**
 * The journey of one displayed frame: its times at every stage, in milliseconds of this machine's clock unless stated otherwise.
 * @typedef {object} FrameJourney
 * @property {import('./protocol.js').Journey} relayed its part up to the relay's send, in microseconds of the relay's clock
 * @property {number} offset relay's clock minus ours, in milliseconds
 * @property {number} arrivedAt
 * @property {number} held time held back for sync
 * @property {number} decodedAt without the time it was held back
 * @property {number} paintedAt time at which the screen showed it, without the time it was held back
 */

/** @typedef {{ count: number, longest: number, recent: number }} FreezeCount `longest` in milliseconds */

/**
 * Statistics of one subscription, posted four times a second.
 * @typedef {object} PlayerStats
 * @property {number} id
 * @property {string} sequence of the displayed frame; decimal, because 64 bits do not fit a Number
 * @property {number | null} age of that frame when the screen showed it, in milliseconds; `null` without the relay's clock
 * @property {number | null} calmAge median of the recent ages: the number that people see
 * @property {number} paintedAt when the screen showed it, in milliseconds since the Unix epoch
 * @property {number} painted frames since the last `watch` after a pause
 * @property {number} interval milliseconds between received frames; 0 while unknown
 * @property {number} fps painted frames a second
 * @property {number} bitrate received bits a second
 * @property {number} missing gaps in the sequence: lost or dropped before the browser
 * @property {number} dropped by this browser, because a newer frame arrived before the decoder was free
 * @property {number} broken frames that could not be decoded
 * @property {number} capturedAt of the displayed frame, in microseconds of the relay's clock; 0 if there is none
 * @property {number} rendition of the displayed frame: index in the `track` message
 * @property {import('./protocol.js').Codec | ''} codec of the displayed frame
 * @property {boolean} h264Failed true if H.264 failed repeatedly, so that JPEG is requested
 * @property {number} busy share of the last two seconds in which the decoder worked
 * @property {FreezeCount} freezes
 */

/**
 * Why one clip becomes several files. `size`: the rendition changed. `settings`: the camera's encoder settings changed.
 * `gap`: no frames for a while.
 * @typedef {'size' | 'codec' | 'settings' | 'gap'} SplitReason
 */
/**
 * A picture or clips to save. `from`: capture time of the first frame, in microseconds of the relay's clock.
 * @typedef {{ what: 'picture', blob: Blob | null, from: number, rendition: number }} SavedPicture `blob`: the JPEG as received;
 *   `null` if the frame is only on the canvas. `rendition`: index in the `track` message
 * @typedef {{ blob: Blob, from: number, seconds: number, kind: 'mp4' | 'h264' | 'mjpeg' }} SavedClip
 * @typedef {{ what: 'clip', clips: SavedClip[], reasons: SplitReason[], omitted: number, failed: number, remembered: number,
 *   truncated: boolean }} SavedClips `clips`: the one at the cursor first. `omitted`: ranges that were not saved. `remembered`:
 *   seconds from the first to the last frame. `truncated`: memory limited the history to less than 30 s
 * @typedef {SavedPicture | SavedClips | { what: 'nothing' }} Saved
 */

/**
 * From the page to the worker. `again`: sends the request to the relay even if it did not change. `step`: by a frame of the tile
 * `id`, or of any. `wall`: the worker may request the first streams by itself, and keeps the last seconds of all of them.
 * @typedef {{ type: 'open', addresses: Addresses, screen: { maxWidth: number, maxHeight: number }, codec: CodecChoice, wall: boolean }
 *   | { type: 'codec', codec: CodecChoice }
 *   | { type: 'watch', id: number, request: StreamRequest, again?: boolean }
 *   | { type: 'unwatch' | 'forget' | 'bitmap-painted', id: number }
 *   | { type: 'canvas', id: number, canvas: OffscreenCanvas | null }
 *   | { type: 'details', ids: number[] }
 *   | { type: 'mode', synced: boolean, paused: boolean }
 *   | { type: 'step', by: number, unit: 'frame' | 'second', id: number | null }
 *   | { type: 'seek', back: number, id: number | null }
 *   | { type: 'save', id: number, what: 'picture' }
 *   | { type: 'save', id: number, what: 'clip', rotation: Rotation }
 *   | { type: 'wake' }} ToWorker
 */
/**
 * From the worker to the page. `h264`: whether this browser decodes H.264. `subscribed`: the worker requested this stream before the page did. `painted`: the first
 * picture of a tile, or the first of another size. `mode` is `null` until the sync module is loaded. `outOfSync`: tiles that
 * are too late to be synced.
 * @typedef {{ type: 'link', link: Link }
 *   | { type: 'h264', supported: boolean }
 *   | { type: 'relay', message: import('./protocol.js').FromRelay }
 *   | { type: 'subscribed', id: number, stream: string, limits: import('./sizes.js').Limits }
 *   | { type: 'painted', id: number, width: number, height: number, stats: PlayerStats }
 *   | { type: 'bitmap', id: number, bitmap: ImageBitmap }
 *   | { type: 'journey', id: number, journey: FrameJourney }
 *   | { type: 'saved', id: number, saved: Saved | null }
 *   | { type: 'stats', offset: number | null, rtt: number | null, malformed: number, evidence: Evidence, mode: Mode | null,
 *       outOfSync: number[], players: PlayerStats[] }} FromWorker
 */

export {};
