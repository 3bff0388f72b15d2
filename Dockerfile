# syntax=docker/dockerfile:1
# The images of the roles differ only in what they start: `api`, which is the default, and `--build-arg ROLE=worker`.
ARG ROLE=api

FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The image has Node.js, so the copy that npm would bring is left out. No other dependency has a script that it needs.
RUN npm ci --omit=dev --ignore-scripts && rm -rf node_modules/node node_modules/.bin/node && npm cache clean --force

FROM node:24-slim AS base
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=8000
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY src ./src
COPY client ./client
COPY public ./public
# A number, so that Kubernetes can see that it is not root. Nothing below /app is written.
USER 1000:1000
# Node.js is process 1 and handles SIGTERM and SIGINT itself: it drains, then exits.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "--disable-warning=ExperimentalWarning", "src/main.ts"]

FROM base AS worker
CMD ["worker"]

FROM base AS api
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["api"]

FROM ${ROLE}
