// HTML that shows a camera on another page. Pure.

/**
 * Returns the HTML of a frame and of an element.
 * @param {string} base address of the relay @param {string} stream @param {string} link
 */
export function embedCode(base, stream, link) {
  const player = new URL(`embed/${stream}`, base);
  player.searchParams.set('link', link);
  const frame = `<iframe src="${escape(`${player.href}&controls`)}" width="640" height="360" style="border: 0" allow="fullscreen" title="${escape(stream)}"></iframe>`;
  const script = `<script type="module" src="${escape(`${new URL('./', base).href}embed.js`)}"></script>`;
  const element = `<fanlight-view stream="${escape(stream)}" link="${escape(link)}" controls style="width: 640px"></fanlight-view>`;
  return { frame, element: `${script}\n${element}` };
}

/** Escapes a text for an attribute in double quotes. @param {string} text */
function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}
