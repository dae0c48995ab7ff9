# The build: every dependency, and the package out of the sources.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --no-audit --no-fund && chmod +x dist/main.js && mkdir /data

# What runs: Node.js, the package and the dependencies it needs.
FROM node:24-slim
ENV NODE_ENV=production DATABASE_URL=sqlite:///data/app.db HOST=0.0.0.0 PORT=8000
WORKDIR /app
COPY --from=build --chown=node:node /data /data
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# `docker compose exec api hookferry help` lists what else it can do.
RUN ln -s /app/dist/main.js /usr/local/bin/hookferry
USER node
VOLUME /data
EXPOSE 8000
# Ten seconds to drain is what Docker gives after SIGTERM; Node.js is process 1 and gets the signal itself.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/main.js"]
