ARG LAUNCHER
ARG BASE
FROM ${LAUNCHER} AS launcher

FROM ${BASE}
COPY app /app
COPY --from=launcher /go-auto-launch /go-auto-launch
ENTRYPOINT ["/go-auto-launch", "--", "/app"]
