# The container image: the programs and what they need, nothing else. image/rootfs makes the root
# file system; the tests' image comes from the same script, so what is tested is what is shipped.
FROM debian:12 AS build
WORKDIR /src
COPY scripts/packages.txt scripts/
RUN apt-get update \
    && apt-get install -y --no-install-recommends $(sed -n 's/^build //p' scripts/packages.txt) \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release \
    && cmake --build --preset release \
        --target ampscale-webhook ampscale-scaler ampscale-collector kubectl-ampscale \
    && image/rootfs /rootfs build/release/bin/*

FROM scratch
COPY --from=build /rootfs /
# libcurl brings GnuTLS along and never asks it: as it loads it would cost each process 0.8 MiB.
ENV GNUTLS_NO_IMPLICIT_INIT=1
USER 65532:65532
