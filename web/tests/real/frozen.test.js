import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { statusTextOf, untilMoves, untilState } from '../page.js';
import { withSite } from './harness.js';

/** Returns a JPEG of this colour. @param {string} folder @param {string} colour */
function jpeg(folder, colour) {
  const path = join(folder, `${colour}.jpg`);
  const { status } = spawnSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', `color=${colour}:s=320x180`, '-frames:v', '1', path]);
  assert.equal(status, 0);
  return readFileSync(path);
}

test('a camera that repeats its picture is shown as frozen, since when, until the picture changes', withSite(async (site) => {
  const [before, after] = ['blue', 'green'].map((colour) => jpeg(site.folder, colour));
  const picture = join(site.folder, 'picture.jpg');
  writeFileSync(picture, before ?? '');
  site.capture({ door: `exec:while cat ${picture}; do sleep 0.05; done` });
  await site.relay();
  const page = await site.open();
  await untilMoves(page, 'door');
  await untilState(page, 'door', 'frozen');
  assert.match((await statusTextOf(page, 'door')) ?? '', /^Camera repeats the same picture since (.*\s)?\d\d:\d\d(\s[AP]M)?$/);
  const next = join(site.folder, 'next.jpg');
  writeFileSync(next, after ?? '');
  renameSync(next, picture);
  await untilMoves(page, 'door');
}));
