/** What every component says of its version. */
import { followedVersion } from '../apiserver/index.ts';

export const buildInfo = followedVersion;
