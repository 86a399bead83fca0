import { Hono } from 'hono';
import type { Telemetry } from './telemetry.ts';

/** `/healthz`, `/readyz` and `/metrics`: for whoever supervises the process. Nothing of a record stands in them. */
export function statusRoutes(telemetry: Telemetry, isReady: () => boolean): Hono {
  const app = new Hono();
  app.get('/healthz', (c) => c.text('ok\n'));
  app.get('/readyz', (c) => (isReady() ? c.text('ready\n') : c.text('not ready\n', 503)));
  app.get('/metrics', async (c) => {
    c.header('Content-Type', telemetry.metrics.registry.contentType);
    return c.body(await telemetry.metrics.registry.metrics());
  });
  return app;
}
