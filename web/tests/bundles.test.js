import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { test } from 'node:test';

// The relay's build bundles the page: each module that a browser fetches becomes one file with all that it imports.

const WEB = new URL('../', import.meta.url);
const FOLDERS = ['', 'element', 'page', 'worker', 'shared'];
/** @param {string} name */
const read = (name) => readFileSync(new URL(name, WEB), 'utf8');
/** @param {string} code */
const withoutComments = (code) => code.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '');
/** @param {string} text @param {RegExp} pattern */
const all = (text, pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? '');

const modules = FOLDERS.flatMap((folder) => readdirSync(new URL(`${folder}/`.replace(/^\//, ''), WEB)).map((name) => join(folder, name)));
const sources = new Map(
  modules.filter((name) => name.endsWith('.js')).map((name) => [name, withoutComments(read(name))]),
);
const listed = all(/BUNDLES: [^=]+=\s*\[([^\]]+)\]/.exec(read('../crates/relay/build.rs'))?.[1] ?? '', /"([^"]+)"/g);

test('the build lists every file that a page names or that is loaded on demand', () => {
  const pages = read('index.html') + read('embed.html');
  const named = all(pages, /(?:src|rel="stylesheet" href)="(?:\.\.\/)?([\w/-]+\.(?:js|css))"/g);
  const fetched = [...sources].flatMap(([name, code]) =>
    all(code, /(?:import\(|new URL\()'([\w./-]+\.js)'/g).map((path) => join(dirname(name), path)),
  );
  assert.deepEqual([...listed].sort(), [...new Set([...named, ...fetched])].sort());
});

test('a module that several bundles contain has no state', () => {
  for (const [name, code] of sources) {
    if (listed.includes(name)) continue;
    assert.doesNotMatch(code, /^(export )?(let|var) /m, name);
    assert.doesNotMatch(code, /^(export )?const \w+ = new (?!URL)/m, name);
  }
});

test('the folder of a module says on which thread it runs: page and worker never import each other', () => {
  for (const [name, code] of sources) {
    const other = { element: 'worker', page: 'worker|element', worker: 'page|element', shared: 'page|worker|element' }[dirname(name)];
    if (other) assert.doesNotMatch(code, new RegExp(`'\\.\\./(${other})/`), name);
  }
});

test('every style sheet of a component is imported', () => {
  const imported = all(read('style.css'), /@import '([\w/-]+\.css)';/g);
  const entries = ['style.css', 'embed.css'];
  assert.deepEqual(imported.sort(), modules.filter((name) => name.endsWith('.css') && !entries.includes(name)));
});

test('the element starts no part of the page: it and all that it imports do without boot.js', () => {
  const reached = new Set(['embed.js']);
  for (const name of reached) {
    const imports = all(sources.get(name) ?? '', /^import [^;]*'([\w./-]+\.js)'/gm);
    for (const path of imports) reached.add(join(dirname(name), path));
  }
  assert.ok(reached.has('page/watched-stream.js') && !reached.has('boot.js'), [...reached].join(', '));
});
