# The container image: the programs and what they need, nothing else. image/rootfs makes the root
# file system, image/sbom says within it what it consists of; the tests' image comes from the same
# scripts, so what is tested is what is shipped.
#
# Not a slim base: there packages lack the copyright files that go into the image. To pin it:
# --build-arg BASE=debian:12@sha256:…
ARG BASE=debian:12
FROM ${BASE} AS build
WORKDIR /src
COPY scripts/packages.txt scripts/
RUN apt-get update \
    && apt-get install -y --no-install-recommends $(sed -n 's/^build //p' scripts/packages.txt) \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release \
    && cmake --build --preset release \
        --target ampscale-webhook ampscale-scaler ampscale-collector kubectl-ampscale \
    && image/rootfs /rootfs build/release/bin/* \
    && image/sbom /rootfs

FROM scratch
COPY --from=build /rootfs /
LABEL org.opencontainers.image.title=ampscale \
    org.opencontainers.image.description="Scales Deployments on PromQL, by annotations" \
    org.opencontainers.image.licenses=Apache-2.0
# libcurl brings GnuTLS along and never asks it: as it loads it would cost each process 0.8 MiB.
ENV GNUTLS_NO_IMPLICIT_INIT=1
USER 65532:65532
