// Preact and htm, as every component imports them.

import { h } from '../vendor/preact.mjs';
import htm from '../vendor/htm.mjs';

export { render, Fragment } from '../vendor/preact.mjs';
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from '../vendor/hooks.mjs';

export const html = htm.bind(h);
