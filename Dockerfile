# qcops, with Git for the history of the manifest and the certificates of public authorities.
#
#   docker build -t qcops .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" -e QC_USER_ID -e QC_API_TOKEN -e QC_ORGANIZATION_ID qcops plan
FROM rust:1.89-slim-bookworm AS build
WORKDIR /source
# The C compiler for ring comes with this image.
COPY . .
RUN cargo install --locked --path . --root /out

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --no-install-recommends -y ca-certificates git \
    && rm -rf /var/lib/apt/lists/*
# Git reads the mounted repository whoever it belongs to.
RUN git config --system --add safe.directory /work
COPY --from=build /out/bin/qcops /usr/local/bin/qcops
WORKDIR /work
USER 65534:65534
ENTRYPOINT ["qcops"]
