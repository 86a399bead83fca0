import { fileURLToPath } from 'node:url';

/** The folder with package.json, rules/ and schemas/: two levels up from src/core and dist/core alike. */
export const packageRoot: string = fileURLToPath(new URL('../../', import.meta.url));
