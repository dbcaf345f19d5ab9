# The image of a release, from binaries that are built already (see .github/workflows/release.yml). The context holds
# amd64/go-auto-launch and arm64/go-auto-launch. docker/Dockerfile makes the same image from the source.
FROM scratch
ARG TARGETARCH
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="go-auto-launch" \
      org.opencontainers.image.description="Starts a Go program as a container's entrypoint and traces it with OpenTelemetry" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY ${TARGETARCH}/go-auto-launch /go-auto-launch
ENTRYPOINT ["/go-auto-launch"]
