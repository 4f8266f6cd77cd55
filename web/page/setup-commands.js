// The commands that an empty wall offers. Pure.

/** @typedef {import('../shared/protocol.js').ListenEntry} ListenEntry */
/** @typedef {import('../shared/protocol.js').Setup} Setup */
/** @typedef {{ what: string, hint: string, text: string }} Command `hint`: what to change in the command; may be empty */

/** Endpoints on the relay's own machine. A capture does not find them by itself. */
const LOCAL = /^(ipc:|tcp:\/\/(127\.|localhost:|\[::1\]))/;

/** @param {Setup | null} setup @param {readonly ListenEntry[]} listening @returns {Command[]} */
export function commandsFor(setup, listening) {
  const run = setup?.capture ?? 'fanlight-capture';
  const endpoint = listening.map(({ endpoint }) => endpoint).find((endpoint) => LOCAL.test(endpoint));
  const where = endpoint ? ` --publish ${endpoint}` : '';
  return [
    ...webcams(setup?.webcams ?? [], run, where),
    {
      what: 'A network camera',
      hint: "Replace the address with your camera's; its manual has it. With a login: rtsp://USER:PASSWORD@…",
      text: `${run} --stream door=rtsp://192.168.1.21/stream1${where}`,
    },
    { what: 'A test picture, to check that it works', hint: '', text: `${run} --stream test=test${where}` },
  ];
}

/** @param {readonly import('../shared/protocol.js').Webcam[]} found @param {string} run @param {string} where @returns {Command[]} */
function webcams(found, run, where) {
  const listed = found.map(({ device, name }, index) => ({
    what: `Webcam found: ${name || device}`,
    hint: '',
    text: `${run} --stream cam${index === 0 ? '' : index + 1}=${device}${where}`,
  }));
  if (listed.length > 0) return listed;
  return [
    { what: 'A webcam', hint: '', text: `${run} --stream cam=/dev/video0${where}` },
    { what: 'The webcams of this machine, with their modes', hint: '', text: `${run} --list-devices` },
  ];
}
