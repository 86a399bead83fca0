# Build: everything; run: what the npm package holds, as a user that owns nothing but its data.
FROM node:20-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:20-slim
# Each session of the embedded engine holds a thread of the pool (docs/store.md).
ENV NODE_ENV=production UV_THREADPOOL_SIZE=16 JE_MALLOC_CONF=dirty_decay_ms:200,muzzy_decay_ms:0,narenas:2
WORKDIR /app
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/rules ./rules
COPY --from=build /app/schemas ./schemas
COPY --from=build /app/src/store/migrations ./src/store/migrations
COPY --from=build /app/src/demo ./src/demo
COPY --from=build /app/docs/verify.mjs ./docs/verify.mjs
RUN mkdir -p /var/lib/keywitness /var/lib/keywitness-anchor && chown node:node /var/lib/keywitness /var/lib/keywitness-anchor
USER node
VOLUME ["/var/lib/keywitness", "/var/lib/keywitness-anchor"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9473/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["run", "--config", "/etc/keywitness/keywitness.yaml"]
