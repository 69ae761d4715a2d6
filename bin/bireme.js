#!/usr/bin/env node
// Starts the built bundle with V8's compile cache, or the sources of a checkout as they are. Plain JavaScript that an old Node can parse, so
// that it can say what is wrong instead of failing on syntax.
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    `bireme needs Node.js 22.18 or newer, this is ${process.versions.node}. Install a current LTS, or run it from a checkout with: npm install && npx bireme`,
  );
  process.exit(1);
}
nodeModule.enableCompileCache?.();
const built = new URL('../dist/bireme.js', import.meta.url);
const { main } = await import(existsSync(built) ? built : new URL('../src/cli/main.ts', import.meta.url));
await main();
