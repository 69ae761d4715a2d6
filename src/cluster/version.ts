import packageJson from '../../package.json' with { type: 'json' };

/** What the API server says at /version and kubelets report: upstream's form, with our own build in the metadata. */
export const version = {
  bireme: packageJson.version,
  kubernetes: 'v1.36.3',
} as const;
