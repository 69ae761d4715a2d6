/**
 * Builds the published package into dist/: one bundle per entry with shared chunks, so that what is loaded late (x509, gRPC, OpenAPI) stays
 * apart and V8's compile cache covers the rest.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, repository } from './bundle.ts';

rmSync(join(repository, 'dist'), { recursive: true, force: true });
const { outputs } = await bundle({ bireme: 'src/cli/main.ts', testing: 'src/testing/index.ts' }, 'dist');
const bytes = Object.values(outputs).reduce((sum, output) => sum + output.bytes, 0);
console.log(`dist: ${Object.keys(outputs).length} files, ${(bytes / 1e6).toFixed(2)} MB`);
