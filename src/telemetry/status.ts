import { Hono } from 'hono';
import type { Telemetry } from './telemetry.ts';

/** While one of these lasts, no record can be taken or signed: send nobody here. */
const unready = ['store', 'ledger'];

/** `/healthz`, `/readyz` and `/metrics`: for whoever supervises the process. Nothing of a record stands in them. */
export function statusRoutes(telemetry: Telemetry, isReady: () => boolean): Hono {
  const app = new Hono();
  // 200 also with faults: they wait for something outside, and a restart would not mend it.
  app.get('/healthz', (c) => {
    const faults = [...telemetry.faults].map(([about, sentence]) => `${about}: ${sentence}\n`);
    return c.text(faults.length === 0 ? 'ok\n' : `impaired\n${faults.join('')}`);
  });
  app.get('/readyz', (c) => {
    const isAble = !unready.some((about) => telemetry.faults.has(about));
    return isReady() && isAble ? c.text('ready\n') : c.text('not ready\n', 503);
  });
  app.get('/metrics', async (c) => {
    c.header('Content-Type', telemetry.metrics.registry.contentType);
    return c.body(await telemetry.metrics.registry.metrics());
  });
  return app;
}
