import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

// The relay's build puts each part of the page into one file, with all that it imports.

const WEB = new URL('../', import.meta.url);
/** @param {string} name */
const read = (name) => readFileSync(new URL(name, WEB), 'utf8');
/** @param {string} code */
const withoutComments = (code) => code.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '');
/** @param {string} text @param {RegExp} pattern */
const all = (text, pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? '');

const modules = readdirSync(WEB).filter((name) => name.endsWith('.js'));
const sources = new Map(modules.map((name) => [name.replace(/\.js$/, ''), withoutComments(read(name))]));
const listed = all(/PARTS: [^=]+=\s*\[([^\]]+)\]/.exec(read('../crates/relay/build.rs'))?.[1] ?? '', /"([^"]+)"/g);

test('the build knows all parts: what the page names, and what is fetched on demand', () => {
  const named = all(read('index.html'), /src="([\w-]+)\.js"/g);
  const code = [...sources.values()].join('\n');
  const fetched = all(code, /(?:import\(|new URL\()'(?:\.\/)?([\w-]+)\.js'/g);
  assert.deepEqual([...listed].sort(), [...new Set([...named, ...fetched])].sort());
});

test('what may be there twice, since several parts import it, keeps nothing', () => {
  for (const [name, code] of sources) {
    if (listed.includes(name)) continue;
    assert.doesNotMatch(code, /^(export )?(let|var) /m, name);
    assert.doesNotMatch(code, /^(export )?const \w+ = new (?!URL)/m, name);
  }
});
