# A sidecar: it shares its application's network namespace (one pod, or `docker run --network container:NAME`), so the
# defaults, which listen on 127.0.0.1 only, are right. Elsewhere set RESPOOL_LISTEN and RESPOOL_ADMIN.
#
# What runs has no shell and no package manager, and writes no file: start it with a read-only root file system.

FROM node:24-bookworm-slim AS build
WORKDIR /respool
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY src src
RUN npm run build && rm dist/.tsbuildinfo

FROM node:24-bookworm-slim AS packages
WORKDIR /respool
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM gcr.io/distroless/nodejs24-debian12:nonroot
LABEL org.opencontainers.image.title="respool" \
      org.opencontainers.image.description="Sidecar Redis proxy: many application connections on a few pooled upstream ones" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production
WORKDIR /respool
COPY --from=packages /respool/node_modules node_modules
COPY --from=build /respool/dist dist
COPY package.json LICENSE ./
# The image's user `nonroot`, as a number: Kubernetes checks runAsNonRoot by it.
USER 65532:65532
EXPOSE 6379 9121
# The first lets commands in flight finish, a second ends at once.
STOPSIGNAL SIGTERM
# Kubernetes does not look at it, and asks the admin port itself.
HEALTHCHECK --interval=15s --timeout=3s --start-period=5s \
  CMD ["/nodejs/bin/node", "-e", "fetch('http://127.0.0.1:9121/livez').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/nodejs/bin/node", "/respool/dist/main.js"]
