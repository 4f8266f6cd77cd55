// The style of an element, within its shadow tree: the looks of a tile on the wall (page/tile.css, page/base.css). Always dark: the element
// does not know the colours of the page around it, and video is looked at on dark ground.

export const STYLE = `
:host {
  --ground: #0f1011;
  --surface: #191a1c;
  --text: #ebe8e2;
  --quiet: #a3a19c;
  --late: #f0b35a;
  --very-late: #ff8a78;
  --paused: #9cc4e4;
  --ring: #f0b35a;
  --pill: rgb(15 16 17 / 88%);
  display: block;
  position: relative;
  width: 100%;
  overflow: hidden;
  color-scheme: dark;
  background: var(--surface);
  color: var(--text);
  font: 400 14px/1.45 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif;
  font-variant-numeric: tabular-nums;
  text-align: start;
  user-select: none;
  -webkit-user-select: none;
}
:host([hidden]) { display: none; }
[hidden] { display: none !important; }

.box {
  position: relative;
  box-sizing: border-box;
  width: 100%;
  height: 100%;
  aspect-ratio: 16 / 9;
  overflow: hidden;
  container-type: inline-size;
}
:host(:fullscreen) { width: 100%; height: 100%; background: #000; }
:host(:fullscreen) .box { aspect-ratio: auto !important; }

.picture, canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
canvas { visibility: hidden; object-fit: contain; transition: filter 400ms 150ms; }
[data-fit='cover'] canvas { object-fit: cover; }
[data-fit='fill'] canvas { object-fit: fill; }
.pictured canvas { visibility: visible; }

/* An old picture is grey. A paused picture keeps its colours and has a border. */
.box:not([data-state='live'], [data-state='paused']) canvas { filter: grayscale(1) brightness(0.62) contrast(0.9); }
@media (prefers-reduced-motion: reduce) {
  canvas, .tools { transition: none !important; }
}
[data-state='paused'] .picture::after {
  position: absolute;
  inset: 0;
  box-shadow: inset 0 0 0 2px var(--paused);
  content: '';
  pointer-events: none;
}

.placeholder {
  position: absolute;
  inset: 0;
  display: grid;
  align-content: center;
  justify-items: center;
  gap: 4px;
  padding: 12px;
  text-align: center;
  overflow-wrap: anywhere;
}
.pictured .placeholder { display: none; }
.placeholder-name { font-size: clamp(15px, 6cqi, 30px); font-weight: 500; letter-spacing: -0.01em; }
.placeholder-text { max-width: 44ch; color: var(--quiet); }

.caption {
  position: absolute;
  bottom: 9px;
  left: 9px;
  display: flex;
  flex-direction: column;
  box-sizing: border-box;
  max-width: calc(100% - 18px);
  max-height: calc(100% - 18px);
  padding: 3px 9px;
  overflow: hidden;
  border-radius: 7px;
  background: var(--pill);
  font-size: 13px;
  pointer-events: none;
}
.box:not(.pictured) .caption, .caption:not(:has(span:not(:empty))) { display: none; }
.line { display: flex; gap: 9px; }
.name { min-width: 0; overflow: hidden; font-weight: 500; text-overflow: ellipsis; white-space: nowrap; }
.age { flex: none; min-width: 3.2em; color: var(--quiet); }
.age[data-lateness='late'] { color: var(--late); }
.age[data-lateness='very-late'] { color: var(--very-late); }
.box:not(.with-name) .name, .box:not(.with-age) .age, .age:empty, .status:empty { display: none; }
/* Nothing is requested of a picture that is fine: then there is nothing to say. */
.box:not(.with-name, .with-age) .caption:has(.status:empty) { display: none; }
.box:not(.with-name) .caption:has(.age:empty):has(.status:empty) { display: none; }
:is([data-state='late'], [data-state='frozen'], [data-state='stale'], [data-state='offline'], [data-state='gone'], [data-state='refused']) .status { color: var(--late); }
[data-state='paused'] :is(.status, .age) { color: var(--paused); }

.tools {
  position: absolute;
  top: 9px;
  right: 9px;
  display: flex;
  border-radius: 8px;
  background: var(--pill);
  opacity: 0;
  transition: opacity 120ms;
}
.box:hover .tools, .tools:focus-within, [data-state='paused'] .tools { opacity: 1; }
.icon-button {
  position: relative;
  padding: 7px;
  border: 0;
  border-radius: 8px;
  background: none;
  color: var(--text);
  font: inherit;
  cursor: pointer;
}
.icon-button:hover { background: var(--surface); }
.icon-button[aria-pressed='true'] { color: var(--paused); }
.icon-button:focus-visible { outline: 2px solid var(--ring); outline-offset: -2px; }
.icon {
  display: block;
  width: 18px;
  height: 18px;
  fill: none;
  stroke: currentcolor;
  stroke-width: 1.4;
  stroke-linecap: round;
  stroke-linejoin: round;
}
.label {
  position: absolute;
  z-index: 1;
  top: 100%;
  right: 0;
  padding: 3px 8px;
  border-radius: 6px;
  background: var(--pill);
  color: var(--text);
  font-size: 12px;
  line-height: 1.4;
  white-space: nowrap;
  visibility: hidden;
}
.icon-button:focus-visible .label { visibility: visible; }
@media (hover: hover) {
  .icon-button:hover .label { visibility: visible; transition: visibility 0s 300ms; }
}
/* Nothing is only on hover on a touch screen, and everything is large enough for a finger. */
@media (hover: none), (pointer: coarse) {
  .tools { opacity: 1; }
  .icon-button { padding: 13px; }
}
@container (max-width: 200px) {
  .caption { bottom: 5px; left: 5px; max-width: calc(100% - 10px); padding: 2px 6px; font-size: 12px; }
  .line { flex-wrap: wrap; gap: 0 9px; }
  .placeholder { padding: 6px; font-size: 12px; }
  .tools { top: 5px; right: 5px; }
}
`;
