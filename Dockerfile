# A sidecar: it shares its application's network namespace (one pod, or `docker run --network container:NAME`), so the
# defaults, which listen on 127.0.0.1 only, are right. Elsewhere set RESPOOL_LISTEN and RESPOOL_ADMIN.
FROM node:24-bookworm-slim AS build
WORKDIR /respool
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY src src
RUN npm run build && rm dist/.tsbuildinfo && npm prune --omit=dev --no-audit --no-fund

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /respool
COPY --from=build /respool/package.json ./
COPY --from=build /respool/node_modules node_modules
COPY --from=build /respool/dist dist
# The image's user `node`, as a number: Kubernetes checks runAsNonRoot by it.
USER 1000:1000
EXPOSE 6379 9121
HEALTHCHECK --interval=10s --timeout=2s --start-period=5s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9121/livez').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/main.js"]
