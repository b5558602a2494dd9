# syntax=docker/dockerfile:1

# The Rust of rust-toolchain.toml. That file itself stays outside (.dockerignore): rustup would fetch
# clippy and rustfmt because of it. This image has all else that the build needs: a C compiler, make,
# Perl and zlib.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
# What Cargo downloads and compiles stays in BuildKit's caches: the dependencies are compiled once. A
# cache is no part of the image, so the program is copied out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --package quadrille && \
    cp target/release/quadrille /usr/local/bin/quadrille

# Of the same Debian, whose C library and zlib the program uses, and whose bash the health check.
FROM debian:bookworm-slim
# For a Kafka over TLS whose certificate is from a public authority.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /usr/local/bin/quadrille /usr/local/bin/quadrille
# For the stores. A new volume that is mounted here takes over the owner.
RUN install --directory --owner 10001 --group 10001 /data
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --retries=3 --start-period=60s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '^HTTP/1.. 200 ' <&3"]
# Without a shell in between, so that SIGTERM reaches the program.
ENTRYPOINT ["quadrille"]
