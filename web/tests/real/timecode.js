// Reads the timecode in test pictures from a tile's canvas: a frame number and a time in black and white blocks. The crate
// timecode defines the layout.

/** @typedef {{ number: number, time: number }} Timecode time: in milliseconds since the Unix epoch */
/** @typedef {{ bits: string, at: number, age: number }} Sight */

/**
 * Returns the next frames on a tile, each as soon as it is displayed.
 * @param {import('playwright-core').Page} page @param {string} stream @param {number} count
 * @returns {Promise<(Timecode & { seenAge: number, claimedAge: number })[]>} `seenAge`: age when it was seen, by its timecode;
 *   `claimedAge`: age that the page showed then
 */
export async function nextPictures(page, stream, count) {
  const sights = await page.evaluate(watchTile, { stream, count });
  return sights.map(({ bits, at, age }) => {
    const timecode = decode(bits);
    return { ...timecode, seenAge: at - timecode.time, claimedAge: age };
  });
}

/** Runs in the page. @param {{ stream: string, count: number }} request @returns {Promise<Sight[]>} */
function watchTile({ stream, count }) {
  const [columns, rows, across] = [32, 4, 64];
  const tile = document.querySelector(`.tile[data-stream="${stream}"]`);
  const shown = tile?.querySelector('canvas');
  const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  if (!tile || !shown || !context) throw new Error(`there is no tile ${stream}`);
  const { canvas } = context;

  /** Returns the average of the middle third of a block. @param {number} x @param {number} y @param {number} size */
  const brightness = (x, y, size) => {
    const third = Math.max(1, Math.floor(size / 3));
    // In a small rendition a block is three pixels wide: only the middle one is free of its neighbours.
    const middle = (/** @type {number} */ edge) => Math.round(edge + (size - third) / 2);
    const { data } = context.getImageData(middle(x), middle(y), third, third);
    let sum = 0;
    for (let at = 0; at < data.length; at += 4) sum += (data[at] ?? 0) + (data[at + 1] ?? 0) + (data[at + 2] ?? 0);
    return sum / (third * third * 3);
  };

  const read = () => {
    canvas.width = shown.width;
    canvas.height = shown.height;
    context.drawImage(shown, 0, 0);
    const block = canvas.width / across;
    const top = canvas.height - block * (rows + 1);
    const blocks = Array.from({ length: columns * rows }, (_, at) => {
      const [column, row] = [at % columns, Math.floor(at / columns)];
      return brightness(block * (column + 1), top + block * row, block) > 127 ? '1' : '0';
    });
    return blocks.join('');
  };

  return new Promise((resolve) => {
    /** @type {Sight[]} */
    const seen = [];
    let last = read();
    const look = () => {
      const bits = read();
      const age = Number(tile.getAttribute('data-age'));
      if (bits !== last) seen.push({ bits, at: performance.timeOrigin + performance.now(), age });
      last = bits;
      if (seen.length < count) requestAnimationFrame(look);
      else resolve(seen);
    };
    requestAnimationFrame(look);
  });
}

/** @param {string} bits @returns {Timecode} */
function decode(bits) {
  const bytes = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  if (crc32(bytes.subarray(0, 12)) !== bytes.readUInt32BE(12)) throw new Error(`no timecode: ${bytes.toString('hex')}`);
  return { number: bytes.readUInt32BE(0), time: Number(bytes.readBigUInt64BE(4)) / 1000 };
}

/** CRC-32 as in zlib, which Node has only since 20.15. @param {Uint8Array} bytes */
function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
