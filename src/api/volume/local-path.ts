/** How the built-in provisioner of local folders and the nodes' agents know each other. See controllers/local-path/local-path.ts. */
export const localPathProvisioner = 'bireme.dev/local-path';
/** On a node: the folder below which volumes may be made. On a volume, as its finalizer: the folder is not removed yet. */
export const localPathFolderAnnotation = 'local-path.bireme.dev/folder';
/** On a node: names of volumes whose folders are removed, separated by commas. */
export const localPathRemovedAnnotation = 'local-path.bireme.dev/removed';
/** On a node without disks: its folders are words only, and gone when their volumes are. */
export const localPathHollowAnnotation = 'local-path.bireme.dev/hollow';
/** Name of the default storage class. */
export const localPathClassName = 'local-path';
