# waybill as an image: `docker build -t waybill .`. Built in one stage, run from another that holds neither sources nor
# development packages, as a user without rights.
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
# The `node` package is for developers' machines: here the image's own Node builds and runs.
RUN node node_modules/typescript/bin/tsc -p tsconfig.build.json
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
  # rocksdb-native and koffi bring binaries for every platform.
  && find node_modules/rocksdb-native/prebuilds -mindepth 1 -maxdepth 1 -type d ! -name "linux-$(node -p process.arch)" -exec rm -rf {} +

FROM node:24.21.0-bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates libatomic1 \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/waybill waybill \
  && install -d -o waybill -g waybill -m 0700 /var/lib/waybill \
  && install -d -m 0755 /etc/waybill
WORKDIR /opt/waybill
COPY --from=build /build/package.json /build/LICENSE ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/bin ./bin
COPY --from=build /build/dist ./dist
RUN ln -s /opt/waybill/bin/waybill.js /usr/local/bin/waybill
ENV NODE_ENV=production HOME=/var/lib/waybill WAYBILL_CONFIG=/etc/waybill/waybill.toml WAYBILL_SERVE_STATE_DIR=/var/lib/waybill
USER 10001:10001
VOLUME /var/lib/waybill
# Node ends on SIGTERM: the roles give back their share of the work first.
STOPSIGNAL SIGTERM
# A serving process touches this file every 10 s.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
  CMD ["/bin/sh", "-c", "find \"$WAYBILL_SERVE_STATE_DIR/alive\" -mmin -1 | grep -q ."]
ENTRYPOINT ["waybill"]
CMD ["help"]
