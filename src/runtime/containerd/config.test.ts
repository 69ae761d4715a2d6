import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderContainerdConfig } from './config.ts';

const options = {
  paths: { root: '/r', state: '/s', socket: '/s/c.sock' },
  sandboxImage: 'pause:1',
  cniConfDir: '/c',
  cniBinDir: '/b',
  snapshotter: 'overlayfs',
  restrictOomScores: true,
} as const;

test('containerd configuration: mirrors and certificates of registries are looked for where all containerds look', () => {
  const config = renderContainerdConfig(options);
  assert.match(config, /cri"\.registry\]\n {4}config_path = "\/etc\/containerd\/certs\.d"\n/);
  assert.match(renderContainerdConfig({ ...options, registryConfigPath: '/x' }), /config_path = "\/x"\n/);
});
