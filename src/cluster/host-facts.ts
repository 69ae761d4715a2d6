/** Facts of the machine that the command asks for when nobody says them. */
export { primaryAddress } from '../network/index.ts';
