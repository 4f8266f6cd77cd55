// Icons for buttons, drawn inline so that they take the text's colour and need no request.

const SVG = 'http://www.w3.org/2000/svg';

/** Paths in a box of 16 by 16, drawn as lines. */
const PATHS = {
  back: 'M10 3 5 8l5 5',
  close: 'M3.5 3.5l9 9m0-9-9 9',
  info: 'M8 7.2v4.3M8 4.4v.2M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z',
  rotate: 'M13 8a5 5 0 1 1-1.6-3.7L13 5.8M13 2.6v3.2H9.8',
  larger: 'M9.5 2.5h4v4M6.5 13.5h-4v-4M13.2 2.8 9.4 6.6M2.8 13.2l3.8-3.8',
  smaller: 'M13.4 6.6H9.4v-4M2.6 9.4h4v4M9.7 6.3l3.8-3.8M6.3 9.7l-3.8 3.8',
  full: 'M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10',
  link: 'M6.8 9.2a2.5 2.5 0 0 0 3.6 0l2.1-2.1a2.5 2.5 0 0 0-3.6-3.6l-.9.9M9.2 6.8a2.5 2.5 0 0 0-3.6 0L3.5 8.9a2.5 2.5 0 0 0 3.6 3.6l.9-.9',
  help: 'M5.9 6.1a2.1 2.1 0 1 1 3.1 1.8c-.7.4-1 .8-1 1.5M8 11.5v.2M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z',
  sync: 'M2.5 5h11M2.5 11h11M9.5 2v12',
  pause: 'M5.7 3.2v9.6M10.3 3.2v9.6',
  previous: 'M11 3.5 6.5 8l4.5 4.5M4 3.5v9',
  next: 'M5 3.5 9.5 8 5 12.5M12 3.5v9',
  picture: 'M2.5 4.5h2.6l1.2-1.7h3.4l1.2 1.7h2.6v8.7h-11ZM10.4 8.6a2.4 2.4 0 1 1-4.8 0 2.4 2.4 0 0 1 4.8 0Z',
  clip: 'M2.5 3.2h11v9.6h-11ZM5.2 3.2v9.6M10.8 3.2v9.6M2.5 6.4h2.7M2.5 9.6h2.7M10.8 6.4h2.7M10.8 9.6h2.7',
  share: 'M8 9.8V2.6M5.2 5.2 8 2.4l2.8 2.8M5 7.3H3.4v6.2h9.2V7.3H11',
  copy: 'M5.5 5.5V2.7h7.8v7.8h-2.8M2.7 5.5h7.8v7.8H2.7Z',
};

/** @typedef {keyof typeof PATHS} IconName */

/** @param {IconName} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}
